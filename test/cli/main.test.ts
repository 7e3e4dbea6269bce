import { once } from "node:events";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { sluice, startSluice } from "./command.ts";

const cwd = tmpdir();

test("on a Node that is too old there is one sentence, and nothing else is loaded", async () => {
  const old = 'Object.defineProperty(process, "versions", { value: { node: "20.20.2" } })';

  const outcome = await sluice(["status"], { cwd, node: ["--import", `data:text/javascript,${old}`] });

  expect(outcome.stderr).toBe(
    `sluice: Node 26 or newer is needed, and ${process.execPath} is Node 20.20.2.\n`,
  );
  expect(outcome.code).toBe(1);
});

test("--version is the package's", async () => {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

  const outcome = await sluice(["--version"], { cwd });

  expect(outcome).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: "" });
});

test("--help names every command, and is done", async () => {
  const outcome = await sluice(["--help"], { cwd });

  expect(outcome.code).toBe(0);
  for (const command of ["run", "check", "status", "swap"])
    expect(outcome.stdout).toContain(`\n  ${command} `);
});

test.each([
  [["sawp"], "sluice: unknown command 'sawp'\n(Did you mean swap?)\n"],
  [["swap", "keys"], "sluice: missing required argument 'file'\n"],
  [["status", "--jsn"], "sluice: unknown option '--jsn'\n(Did you mean --json?)\n"],
  [
    ["status", "-c", "a.yaml", "--admin", "127.0.0.1:1"],
    "sluice: option '--admin <address>' cannot be used with option '-c <file>'\n",
  ],
])("%j fails with a sentence and code 1", async (words, stderr) => {
  expect(await sluice(words, { cwd })).toEqual({ code: 1, stdout: "", stderr });
});

test("a reader that goes away early gets no stack trace", async () => {
  const child = startSluice(["--help"], { cwd });
  child.stdout.destroy();

  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);

  expect(stderr).toBe("");
  expect(code).toBe(0);
});
