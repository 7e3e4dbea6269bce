import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MAIN } from "./command.ts";
import { CHANGE, ScriptedHost } from "./scripted-host.ts";
import { Terminal } from "./terminal.ts";

let host: ScriptedHost;

beforeEach(async () => {
  host = await ScriptedHost.start();
});

afterEach(() => host[Symbol.asyncDispose]());

function terminal(words: string, env: Readonly<Record<string, string>> = {}): Terminal {
  // Node takes a build server's terminal for one without colours.
  const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...surroundings } = process.env;
  const command = `${process.execPath} ${MAIN} ${words} --admin ${host.address}`;
  return new Terminal(command, { ...surroundings, TERM: "xterm-256color", ...env });
}

/** What a terminal was told in all by a command. */
async function told(words: string, env?: Readonly<Record<string, string>>): Promise<string> {
  await using shown = terminal(words, env);
  await shown.end();
  return shown.text;
}

describe.skipIf(process.platform !== "linux")("on a terminal", () => {
  test("tables have colour, unless somebody wants none", async () => {
    expect(await told("history")).toContain("\u001B[32mlive\u001B[39m");
    expect(await told("history --no-color")).not.toContain("\u001B[");
    expect(await told("history", { NO_COLOR: "1" })).not.toContain("\u001B[");
    expect(await told("--no-color history", { FORCE_COLOR: "1" })).not.toContain("\u001B[");
  });

  test("what takes over a second says so, and takes it back", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    host.answer("POST /v1/config/apply", async () => {
      await promise;
      return CHANGE;
    });
    await using shown = terminal("reload");
    await shown.shows("reading the configuration again: ");
    resolve();
    await shown.end();

    expect(shown.text).toMatch(/reading the configuration again: [1-9]\d* s/);
    const [line] = shown.text.split("\r\n");
    expect(line?.split("\u001B[K").at(-1), "the line is still there").toBe("generation 5, 1 change, 41 ms");
  });

  test("JSON has no colour", async () => {
    expect(await told("history --json")).not.toContain("\u001B[");
  });
});
