/** A log in a file, and what logrotate does with it. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { waitFor } from "../support/waiting.ts";
import { type Line, RunningHost } from "./running-host.ts";

test("a log moves to its file when the configuration says so, and is opened anew at SIGUSR1", async () => {
  await using host = await RunningHost.start((_, answer) => answer.end("hello"));
  const file = join(host.folder, "sluice.log");
  const ask = async (path: string): Promise<void> => void (await (await fetch(`${host.url}${path}`)).text());
  const logged = (name: string, path: string): Promise<boolean> =>
    waitFor(`${path} in ${name}`, () => linesIn(name).some((line) => line["url.path"] === path));
  configure(host, { log: { file: "sluice.log" } });
  await waitFor("the file", () => linesIn(file).some(({ msg }) => msg?.startsWith("generation") === true));
  await ask("/one");
  await logged(file, "/one");

  renameSync(file, `${file}.1`);
  await ask("/two");
  await logged(`${file}.1`, "/two");
  host.signal("SIGUSR1");
  await waitFor("the new file", () => linesIn(file).some(({ msg }) => msg === "log opened anew"));
  await ask("/three");
  await logged(file, "/three");
  expect(linesIn(`${file}.1`).map((line) => line["url.path"])).not.toContain("/three");

  configure(host, {});
  await host.line("generation", host.lines.length);
  await host.stop();
  expect(host.lines.filter(({ msg }) => msg?.startsWith("Debugger listening"))).toEqual([]);
  expect(host.lines.at(-1)?.msg, "without a file it is on standard error again").toBe("stopped");
});

test("a file that cannot be opened is a sentence, and nothing is served", async () => {
  await using host = await RunningHost.start((_, answer) => answer.end());
  configure(host, { log: { file: "missing/sluice.log" } });
  await host.line("the log's file cannot be opened");
  await host.stop();
  const { code, stderr } = await host.command("run");
  expect(code).toBe(1);
  expect(stderr).toMatch(/^sluice: The log cannot be written to \S+missing\/sluice.log: ENOENT.*\.\n$/);
});

function configure(host: RunningHost, parts: object): void {
  const path = join(host.folder, "sluice.yaml");
  const { log: _, ...before } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...before, ...parts }));
}

/** As far as it is written; none while it is not there. */
function linesIn(file: string): Line[] {
  try {
    const text = readFileSync(file, "utf8");
    return text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Line);
  } catch {
    return [];
  }
}
