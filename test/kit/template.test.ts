import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { codeOf, digestOf, modulesOf } from "../../host/filter/sections.ts";
import { says } from "../../host/kit/cargo.ts";
import type { ComponentReport } from "../../host/kit/report.ts";
import { createProject } from "../../host/kit/project.ts";
import { packSdk } from "../../scripts/pack.ts";
import { sluice } from "../cli/command.ts";

const ROOT = join(import.meta.dirname, "..", "..");

/** Outside of this repository, and the same at each run: cargo would keep what it builds for each folder. */
const FOLDER = join(tmpdir(), `sluice-kit-${createHash("sha256").update(ROOT).digest("hex").slice(0, 12)}`);
const SDK = join(FOLDER, "sdk");

/** What the crates have in common is built once for all templates. */
const TARGET_DIRECTORY = join(process.env["CARGO_TARGET_DIR"] ?? join(ROOT, "target"), "kit");
const env = { CARGO_TARGET_DIR: TARGET_DIRECTORY };

const LINTERS =
  says("cargo", ["fmt", "--version"]) !== undefined && says("cargo", ["clippy", "--version"]) !== undefined;

/** For a first build of all that filters depend on, on a machine that is busy. */
const BUILD_MS_MAX = 300_000;

beforeAll(() => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  // The packed one: it must get along without this repository.
  packSdk(SDK);
});

describe.each([
  { template: "headers", config: {}, phases: ["request", "response"], grants: [] },
  { template: "auth", config: { tokens: {} }, phases: ["request"], grants: [] },
  {
    template: "body",
    config: { find: "a", replace: "b" },
    phases: ["request", "response", "response-body stream"],
    grants: [],
  },
  { template: "http-client", config: { upstream: "users" }, phases: ["request"], grants: ["http"] },
] as const)("the template $template", ({ template, config, phases, grants }) => {
  const name = `own-${template}`;
  const folder = join(FOLDER, name);

  beforeAll(() => {
    createProject({ name, template, within: FOLDER, sdk: SDK });
    // The versions that this repository is tested with, so that no registry is asked for newer ones.
    copyFileSync(join(ROOT, "Cargo.lock"), join(folder, "Cargo.lock"));
  });

  test("passes its native tests as it is", { timeout: BUILD_MS_MAX }, async () => {
    const { stdout } = await cargo(folder, "test", "--lib");

    expect(stdout).toMatch(/test result: ok\. [1-9]\d* passed; 0 failed/);
  });

  // Minimal installations of Rust have neither.
  test.runIf(LINTERS)(
    "is formatted, and has nothing that its own CI would refuse",
    { timeout: BUILD_MS_MAX },
    async () => {
      // What they find is in the error.
      await expect(cargo(folder, "fmt", "--check")).resolves.toMatchObject({ stdout: "" });
      const strict = ["--quiet", "--all-targets", "--", "--deny", "warnings"];
      await expect(cargo(folder, "clippy", ...strict)).resolves.toMatchObject({ stdout: "" });
    },
  );

  test("builds a component that a host loads", { timeout: BUILD_MS_MAX }, async () => {
    // Warm for the command, which is bounded more tightly.
    await cargo(folder, "build", "--release", "--target", "wasm32-wasip2", ...AS_SLUICE_BUILDS);
    const words = ["build", "--out", "target/sluice", "--config", JSON.stringify(config), "--json"];
    const { code, stdout, stderr } = await sluice(words, { cwd: folder, env });

    expect({ code, refusals: stderr.match(/^sluice: .*$/m) }, stderr).toEqual({ code: 0, refusals: null });
    const report = JSON.parse(stdout) as ComponentReport;
    const file = join(folder, report.file);
    expect(report).toMatchObject({ refused: null, path: "direct", phases: { known: true, phases } });
    expect(report.grants.map(({ grant }) => grant)).toEqual(grants);
    expect(report.digest).toBe(createHash("sha256").update(readFileSync(file)).digest("hex"));
    expect(report.crates?.map((crate) => crate.name)).toContain(name.replaceAll("-", "_"));

    expect(statSync(file).size, "names and lines are in what is served").toBeLessThan(300_000);
    const debug = file.replace(/\.wasm$/, ".debug.wasm");
    expect(codesOf(debug), "the code with names and lines is other code").toEqual(codesOf(file));

    expect(await sluice(["check"], { cwd: folder }), "its sluice.yaml does not run it").toMatchObject({
      code: 0,
    });
  });
});

const AS_SLUICE_BUILDS = [
  "--config",
  "profile.release.strip=false",
  "--config",
  'profile.release.debug="line-tables-only"',
];

function cargo(cwd: string, ...args: string[]): Promise<{ stdout: string }> {
  return promisify(execFile)("cargo", args, { cwd, env: { ...process.env, ...env } });
}

function codesOf(file: string): string[] {
  return modulesOf(readFileSync(file)).map((module) => digestOf(codeOf(module)));
}
