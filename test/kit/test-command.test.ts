/** `sluice test`, as it is typed. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sluice, startSluice } from "../cli/command.ts";
import { waitFor } from "../support/waiting.ts";
import { COMPILED, caseFolder, component, temporaryFolder } from "./kit.ts";

const MARKED = `
name: the request is marked
config: { mark: v1 }
expect: { upstream: { headers: { x-mark: v1 } } }
---
name: the response is not
config: { mark: v1 }
response: { body: "a\\nb\\nc" }
expect: { response: { headers: { x-mark: null }, body: "a\\nB\\nc" } }
`;

const QUICK = ["--no-invariance", "--artifacts", COMPILED];

test("cases that pass and fail are told with their places and differences, and the code is 1", async () => {
  using place = temporaryFolder();
  caseFolder(place.folder, { "mark.yaml": MARKED });
  const { code, stdout, stderr } = await sluice(
    ["test", component("mark"), "--cases", ".", ...QUICK, "--junit", "junit.xml"],
    { cwd: place.folder },
  );
  expect([code, stderr]).toEqual([1, ""]);
  expect(stdout.replaceAll(/[\d.]+ m?s/g, "TIME")).toBe(`✓ the request is marked (TIME)
✗ the response is not (TIME)
    mark.yaml:6
    response.headers.x-mark
      - none
      + v1
    response.body
        a
      - B
      + b
        c
2 cases: 1 passed, 1 failed (TIME)
`);
  const xml = readFileSync(join(place.folder, "junit.xml"), "utf8");
  expect(xml).toContain('<testsuites tests="2" failures="1"');
  expect(xml).toContain(
    '<testcase classname="mark.yaml" name="the response is not" file="mark.yaml" line="6"',
  );
  expect(xml).toContain('<failure message="response.headers.x-mark">');
});

test("a name chooses, JSON tells the same, and the code is 0 when all pass", async () => {
  using place = temporaryFolder();
  caseFolder(place.folder, { "mark.yaml": MARKED });
  const { code, stdout } = await sluice(
    ["test", component("mark"), "--cases", ".", ...QUICK, "--filter", "request", "--json"],
    { cwd: place.folder },
  );
  const report = JSON.parse(stdout) as { passed: boolean; cases: { name: string; calls: unknown[] }[] };
  expect([code, report.passed]).toEqual([0, true]);
  expect(report.cases.map(({ name }) => name)).toEqual(["the request is marked"]);
  expect(report.cases[0]?.calls.length).toBeGreaterThan(2);
});

test("the component and the cases of a crate are found in its folder", async () => {
  using place = temporaryFolder();
  const built = join(place.folder, "target", "wasm32-wasip2", "release");
  const crate = join(place.folder, "filters", "mark");
  mkdirSync(built, { recursive: true });
  mkdirSync(join(crate, "cases"), { recursive: true });
  cpSync(component("mark"), join(built, "my_mark.wasm"));
  writeFileSync(
    join(crate, "Cargo.toml"),
    '[package]\nversion = "1.0.0"\nname = "my-mark"\n\n[dependencies]\nname = "no"\n',
  );
  caseFolder(join(crate, "cases"), { "mark.yaml": MARKED });
  const { code, stdout } = await sluice(["test", "--filter", "request", ...QUICK], { cwd: crate });
  expect([code, stdout]).toEqual([0, expect.stringContaining("1 case: 1 passed")]);
});

test("what is missing is said: cases, a component", async () => {
  using place = temporaryFolder();
  const { stderr: noFolder, code } = await sluice(["test", component("mark"), ...QUICK], {
    cwd: place.folder,
  });
  expect([code, noFolder]).toEqual([
    1,
    expect.stringContaining("cases is not there: cases are looked for in it"),
  ]);
  caseFolder(place.folder, { "mark.yaml": MARKED });
  const { stderr: noComponent } = await sluice(["test", "--cases", ".", ...QUICK], { cwd: place.folder });
  expect(noComponent).toContain("no component was found: build it (sluice build), or name it");
});

test("what is wrong with case files is said of all of them, with places", async () => {
  using place = temporaryFolder();
  caseFolder(place.folder, { "a.yaml": "nam: a", "b.yaml": "name: b\nrandom: x" });
  const { code, stderr } = await sluice(["test", component("mark"), "--cases", ".", ...QUICK], {
    cwd: place.folder,
  });
  expect(code).toBe(1);
  expect(stderr).toContain('a.yaml:1:1 nam: expected a known option, got "nam" (did you mean name?)');
  expect(stderr).toContain('b.yaml:2:9 random: expected a whole number, got "x"');
});

test("snapshots are written when asked, compared otherwise, and gone with their cases", async () => {
  using place = temporaryFolder();
  const { folder } = place;
  const words = ["test", component("mark"), "--cases", ".", ...QUICK];
  const text = (mark: string): string => `name: all of it\nconfig: { mark: ${mark} }\nsnapshot: true\n`;
  caseFolder(folder, { "a.yaml": text("v1") });
  expect((await sluice(words, { cwd: folder })).stdout).toContain("a snapshot, which --update writes");
  expect((await sluice([...words, "--update"], { cwd: folder })).stdout).toContain(
    "snapshots of a.yaml written",
  );
  expect(readFileSync(join(folder, "a.snap.yaml"), "utf8")).toContain("x-mark: v1");
  expect((await sluice(words, { cwd: folder })).code).toBe(0);
  caseFolder(folder, { "a.yaml": text("v2") });
  const changed = await sluice(words, { cwd: folder });
  expect(changed.code).toBe(1);
  expect(changed.stdout).toMatch(/- {3,}- "?x-mark: v1/);
  expect(changed.stdout).toMatch(/\+ {3,}- "?x-mark: v2/);
  const other = "---\nname: other\nconfig: { mark: v3 }\nsnapshot: true\n";
  caseFolder(folder, { "a.yaml": text("v1") + other });
  await sluice([...words, "--update", "--filter", "other"], { cwd: folder });
  const kept = readFileSync(join(folder, "a.snap.yaml"), "utf8");
  expect(kept, "a case that was not run keeps its snapshot").toContain("x-mark: v1");
  expect(kept).toContain("x-mark: v3");
  caseFolder(folder, { "a.yaml": other });
  await sluice([...words, "--update"], { cwd: folder });
  expect(readFileSync(join(folder, "a.snap.yaml"), "utf8"), "one that is gone does not").not.toContain(
    "x-mark: v1",
  );
});

test("a watched case runs again when it changes, until a signal ends the command", async () => {
  using place = temporaryFolder();
  caseFolder(place.folder, { "mark.yaml": MARKED });
  const child = startSluice(
    ["test", component("mark"), "--cases", ".", "--watch", ...QUICK],
    { cwd: place.folder },
    25_000,
  );
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await waitFor("the first run", () => said.includes("2 cases: 1 passed, 1 failed"));
  caseFolder(place.folder, { "mark.yaml": MARKED.replace("x-mark: null", "x-mark: v1").replace("B", "b") });
  await waitFor("the second run", () => said.includes("2 cases: 2 passed"));
  child.kill("SIGTERM");
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code, "the code is the last run's").toBe(0);
});

test("two hundred cases take less than three seconds", async () => {
  using place = temporaryFolder();
  const one = (at: number): string =>
    `name: case ${at}\nconfig: { mark: v${at} }\nexpect: { upstream: { headers: { x-mark: v${at} } } }\n`;
  const files = Array.from({ length: 10 }, (_, file) => [
    `f${file}.yaml`,
    Array.from({ length: 20 }, (__, at) => one(file * 20 + at)).join("---\n"),
  ]);
  caseFolder(place.folder, Object.fromEntries(files) as Record<string, string>);
  const { code, stdout } = await sluice(["test", component("mark"), "--cases", ".", ...QUICK], {
    cwd: place.folder,
  });
  expect(code).toBe(0);
  const [, time = "", unit] = /200 cases: 200 passed \(([\d.]+) (m?s)\)/.exec(stdout) ?? [];
  expect(Number(time) * (unit === "s" ? 1_000 : 1)).toBeLessThan(3_000);
});
