import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { sluice, startSluice } from "./command.ts";

const cwd = tmpdir();

const COMMANDS =
  "run check status top diff trial explain history artifacts workers refused " +
  "reload swap promote rollback drain weight log-level healthcheck completion";

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
  const named = Array.from(outcome.stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm), ([, name]) => name);
  for (const command of COMMANDS.split(" ")) expect(named, "it is in no help").toContain(command);
});

test.each([
  [["sawp"], "sluice: unknown command 'sawp'\n(Did you mean swap?)\n"],
  [["swap"], "sluice: missing required argument 'filter'\n"],
  [["status", "--jsn"], "sluice: unknown option '--jsn'\n(Did you mean --json?)\n"],
  [
    ["status", "-c", "a.yaml", "--admin", "127.0.0.1:1"],
    "sluice: option '--admin <address>' cannot be used with option '-c <file>'\n",
  ],
])("%j fails with a sentence and code 1", async (words, stderr) => {
  expect(await sluice(words, { cwd })).toEqual({ code: 1, stdout: "", stderr });
});

test.each([
  [["log-level", "loud"], /^sluice: .*'loud' is invalid for argument 'level'\. Allowed choices are trace, /],
  [["rollback", "0"], /^sluice: .* Generations are counted from 1\.\n$/],
  [["weight", "echo", "http://a:1", "-1"], /^sluice: .*-1/],
])("%j is refused with what would be right", async (words, sentence) => {
  const { code, stderr } = await sluice(words, { cwd });

  expect(stderr).toMatch(sentence);
  expect(code).toBe(1);
});

test("a reader that goes away early gets no stack trace", async () => {
  const child = startSluice(["--help"], { cwd });
  child.stdout.destroy();

  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);

  expect(stderr).toBe("");
  expect(code).toBe(0);
});

test("every command is explained in docs/", async () => {
  const { stdout } = await sluice(["--help"], { cwd });
  const named = Array.from(stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm), ([, name = ""]) => name);
  const docs = fileURLToPath(new URL("../../docs", import.meta.url));
  const pages = readdirSync(docs, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".md"),
  );
  const text = pages.map((page) => readFileSync(join(docs, page), "utf8")).join("\n");

  const missing = named.filter((name) => name !== "help" && !new RegExp(`\`sluice ${name}[ \`]`).test(text));
  expect(named.length).toBeGreaterThan(15);
  expect(missing, "docs/operating.md says nothing of these").toEqual([]);
});
