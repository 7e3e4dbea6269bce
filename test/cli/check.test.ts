import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sluice } from "./command.ts";

const SOUND = `listen: ["127.0.0.1:0"]
upstreams:
  api: { servers: ["http://127.0.0.1:9000"] }
routes:
  - match: { path: "/*" }
    upstream: api
`;

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "sluice-check-"));
});

afterEach(() => rmSync(cwd, { recursive: true }));

test("a sound configuration is counted, and is sluice.yaml unless said otherwise", async () => {
  writeFileSync(join(cwd, "sluice.yaml"), SOUND);

  expect(await sluice(["check"], { cwd })).toEqual({
    code: 0,
    stdout: "sluice.yaml: 1 route, 0 filters, 1 upstream, nothing wrong\n",
    stderr: "",
  });
});

test("every problem is a line with its place, and the code is 1", async () => {
  writeFileSync(join(cwd, "bad.yaml"), SOUND.replace("upstreams:", "upstraems:").replace("9000", "x"));

  const { code, stdout, stderr } = await sluice(["check", "-c", "bad.yaml"], { cwd });

  expect(code).toBe(1);
  expect(stdout).toBe("");
  const lines = stderr.trimEnd().split("\n");
  expect(lines.length, "only the first problem is told").toBeGreaterThan(1);
  for (const line of lines) expect(line).toMatch(/^bad\.yaml:\d+:\d+ \S+: \S/);
  expect(stderr).toMatch(/^bad\.yaml:2:1 upstraems: /m);
});

test("a file that is not there is a problem, too", async () => {
  const { code, stderr } = await sluice(["check", "-c", "none.yaml"], { cwd });

  expect(code).toBe(1);
  expect(stderr).toMatch(/^none\.yaml:1:1: .*no such file\n$/);
});

test("--json gives the problems as data on standard output", async () => {
  writeFileSync(join(cwd, "sluice.yaml"), SOUND.replace("upstreams:", "upstraems:"));

  const { code, stdout, stderr } = await sluice(["check", "--json"], { cwd });

  expect(code).toBe(1);
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toMatchObject({
    ok: false,
    file: "sluice.yaml",
    problems: expect.arrayContaining([expect.objectContaining({ line: 2, column: 1, path: "upstraems" })]),
  });
  writeFileSync(join(cwd, "sluice.yaml"), SOUND);
  expect(JSON.parse((await sluice(["check", "--json"], { cwd })).stdout)).toEqual({
    ok: true,
    file: "sluice.yaml",
    problems: [],
  });
});

test("a filter that cannot be loaded is a problem, by its name", async () => {
  const filters = "filters:\n  marks: { component: marks.wasm }\n";
  writeFileSync(join(cwd, "sluice.yaml"), SOUND + filters);
  writeFileSync(join(cwd, "marks.wasm"), "no component");

  const { code, stdout, stderr } = await sluice(["check"], { cwd });

  expect(code).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^sluice\.yaml: \S.*marks\.wasm/m);
  const data = JSON.parse((await sluice(["check", "--json"], { cwd })).stdout);
  expect(data).toMatchObject({ ok: false, problems: [{ code: "ARTIFACT_REFUSED" }] });
});
