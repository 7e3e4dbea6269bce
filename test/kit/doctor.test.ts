import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import contract from "../../host/filter/bindings/contract.json" with { type: "json" };
import type { Finding } from "../../host/kit/doctor.ts";
import { createProject } from "../../host/kit/project.ts";
import { contractFrom } from "../../host/kit/wit-contract.ts";
import { sluice } from "../cli/command.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const SDK = join(ROOT, "filters", "sdk");

let cwd: string;
/** Stands before all others in PATH, or in their place. */
let bin: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "sluice-doctor-"));
  bin = join(cwd, "bin");
  mkdirSync(bin);
});

afterEach(() => rmSync(cwd, { recursive: true }));

test("where all is there, each finding is good, and a folder without a project is no fault", async () => {
  const { code, findings } = await doctor();

  expect(code, JSON.stringify(findings)).toBe(0);
  expect(findings.map(({ name, verdict }) => [name, verdict])).toEqual([
    ["node", "good"],
    ["sluice", "good"],
    ["rustc", "good"],
    ["cargo", "good"],
    ["wasm32-wasip2", "good"],
    ["project", "absent"],
  ]);
});

test("without Rust it says how to get it, and the code is 1", async () => {
  const { code, stdout } = await sluice(["doctor"], { cwd, env: { PATH: bin } });

  expect(code).toBe(1);
  expect(stdout).toMatch(/^✗ rustc: not in PATH\n {2}Install Rust as \S+ says/m);
  expect(stdout).toMatch(/^✗ cargo: not in PATH\n {2}Install Rust/m);
  expect(stdout).toMatch(/^– wasm32-wasip2: not looked at, as there is no rustc$/m);
});

test("a compiler that is too old for the SDK is named with the version that is needed", async () => {
  stub("rustc", 'case $1 in -vV) echo "release: 1.89.3" ;; esac');

  const { code, findings } = await doctor({ PATH: `${bin}:${process.env["PATH"]}` });

  expect(code).toBe(1);
  expect(find(findings, "rustc")).toEqual({
    name: "rustc",
    verdict: "wrong",
    found: "1.89.3",
    fix: "The SDK needs 1.90 or newer: `rustup update stable`.",
  });
});

test("a target that does not compile is wrong, whatever lies in the folders", async () => {
  stub("rustc", 'case $1 in -vV) echo "release: 1.100.0-nightly" ;; *) exit 1 ;; esac');

  const { code, findings } = await doctor({ PATH: `${bin}:${process.env["PATH"]}` });

  expect(code).toBe(1);
  expect(find(findings, "rustc"), "1.100 was taken for older than 1.90").toMatchObject({ verdict: "good" });
  expect(find(findings, "wasm32-wasip2")).toMatchObject({
    verdict: "wrong",
    fix: expect.stringMatching(/^`rustup target add wasm32-wasip2`, or `sluice doctor --fix`/),
  });
});

test("a project of the SDK that speaks this host's contract is good", async () => {
  createProject({ name: "gate", template: "headers", within: cwd });

  const { code, findings } = await doctor({}, join(cwd, "gate"));

  expect(code, JSON.stringify(findings)).toBe(0);
  expect(find(findings, "project")).toMatchObject({ verdict: "good", found: "gate" });
  expect(find(findings, "SDK")).toMatchObject({ verdict: "good", found: SDK });
});

test("an SDK that is not there any more is found, and --fix writes the path of this one", async () => {
  const { folder } = createProject({ name: "gate", template: "headers", within: cwd, sdk: "/nowhere/sdk" });

  const before = await doctor({}, folder);
  expect(before.code).toBe(1);
  expect(find(before.findings, "SDK")).toMatchObject({
    verdict: "wrong",
    found: "/nowhere/sdk is not there",
    fix: "`sluice doctor --fix` writes the path of this sluice's SDK into Cargo.toml.",
  });

  const after = await sluice(["doctor", "--fix"], { cwd: folder });
  expect(after.code, after.stdout).toBe(0);
  expect(readFileSync(join(folder, "Cargo.toml"), "utf8")).toContain(`sluice-filter = { path = "${SDK}" }`);
});

test("an SDK of another contract is told by its first difference", async () => {
  const sdk = sdkWith((wit) =>
    wit.replace("remove-header: func(name: string)", "remove-header: func(name: list<u8>)"),
  );
  const { folder } = createProject({ name: "gate", template: "headers", within: cwd, sdk });

  const { code, findings } = await doctor({}, folder);

  expect(code).toBe(1);
  expect(find(findings, "SDK")).toMatchObject({
    verdict: "wrong",
    found: `${sdk} has another contract than this host: of sluice:filter/types@0.1.0, request.remove-header is (name: string): void there, and (name: Uint8Array): void in the component`,
  });
});

test("an own copy of the SDK with the same contract stays where it is", async () => {
  const sdk = sdkWith((wit) => wit);
  const { folder } = createProject({ name: "gate", template: "headers", within: cwd, sdk });
  const before = readFileSync(join(folder, "Cargo.toml"), "utf8");

  const { code, stdout } = await sluice(["doctor", "--fix"], { cwd: folder });

  expect(code, stdout).toBe(0);
  expect(readFileSync(join(folder, "Cargo.toml"), "utf8")).toBe(before);
});

test("a project without a filter is wrong, and it is said what makes one", async () => {
  writeFileSync(
    join(cwd, "Cargo.toml"),
    '[package]\nname = "plain"\nedition = "2024"\n[lib]\npath = "lib.rs"\n',
  );
  writeFileSync(join(cwd, "lib.rs"), "");

  const { code, findings } = await doctor();

  expect(code).toBe(1);
  expect(find(findings, "project")).toMatchObject({
    verdict: "wrong",
    found: "no filter among its crates",
    fix: expect.stringContaining("crate-type"),
  });
});

test("the contract that components are held against is the one of wit/", async () => {
  expect(await contractFrom(join(ROOT, "wit")), "run scripts/write-contract.ts").toEqual(contract);
});

async function doctor(
  env: Readonly<Record<string, string>> = {},
  folder: string = cwd,
): Promise<{ code: number | null; findings: readonly Finding[] }> {
  const { code, stdout } = await sluice(["doctor", "--json"], { cwd: folder, env });
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
  expect(ok).toBe(code === 0);
  return { code, findings };
}

function find(findings: readonly Finding[], name: string): Finding | undefined {
  return findings.find((finding) => finding.name === name);
}

function stub(name: string, script: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

/** As much of an SDK as cargo and doctor read, with other WIT. */
function sdkWith(change: (wit: string) => string): string {
  const sdk = join(cwd, "own-sdk");
  mkdirSync(join(sdk, "src"), { recursive: true });
  writeFileSync(
    join(sdk, "Cargo.toml"),
    '[package]\nname = "sluice-filter"\nversion = "0.1.0"\nedition = "2024"\n',
  );
  writeFileSync(join(sdk, "src", "lib.rs"), "");
  cpSync(join(ROOT, "wit"), join(sdk, "wit"), { recursive: true });
  const types = join(sdk, "wit", "types.wit");
  writeFileSync(types, change(readFileSync(types, "utf8")));
  return sdk;
}
