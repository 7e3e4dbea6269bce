import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createProject, sdkPath } from "../../host/kit/project.ts";
import { sluice } from "../cli/command.ts";

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "sluice-new-"));
});

afterEach(() => rmSync(cwd, { recursive: true }));

test("a new project says what is in it and what to do next", async () => {
  const { code, stdout, stderr } = await sluice(["new", "gate-keeper"], { cwd });

  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("gate-keeper: 10 files, from the template headers\n");
  expect(stdout).toContain("  cd gate-keeper\n  cargo test\n  sluice build\n");
  expect(filesOf(join(cwd, "gate-keeper"))).toEqual([
    ".cargo/config.toml",
    ".github/workflows/ci.yml",
    ".gitignore",
    "Cargo.toml",
    "README.md",
    "cases/responses.yaml",
    "clippy.toml",
    "sluice.yaml",
    "src/lib.rs",
    "src/tests.rs",
  ]);
});

test.each(["headers", "auth", "body", "http-client"] as const)(
  "every gap of the template %s is filled",
  (template) => {
    const { folder, files } = createProject({ name: "gate-keeper", template, within: cwd });

    for (const file of files) expect(read(folder, file), file).not.toMatch(/\{\{[a-z-]+\}\}/);
    expect(read(folder, "Cargo.toml")).toContain('name = "gate-keeper"\n');
    expect(read(folder, "sluice.yaml")).toContain("component: target/sluice/gate_keeper.wasm\n");
    expect(read(folder, "README.md"), "the README does not say what the filter does").toContain("config:");
    expect(read(folder, ".cargo/config.toml"), "cargo test would not run natively").not.toMatch(
      /^target *=/m,
    );
  },
);

describe("nothing is overwritten", () => {
  test("not a project that is there", async () => {
    await sluice(["new", "gate"], { cwd });
    writeFileSync(join(cwd, "gate", "src", "lib.rs"), "// mine");

    const { code, stderr } = await sluice(["new", "gate", "--template", "auth"], { cwd });

    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^sluice: \S+\/gate is there already, and nothing is overwritten: take another name\.\n$/,
    );
    expect(read(cwd, "gate/src/lib.rs")).toBe("// mine");
  });

  test("not an empty folder and not a file either", () => {
    mkdirSync(join(cwd, "folder"));
    writeFileSync(join(cwd, "file"), "mine");

    for (const name of ["folder", "file"])
      expect(() => createProject({ name, template: "body", within: cwd })).toThrow("is there already");
    expect(readdirSync(join(cwd, "folder"))).toEqual([]);
    expect(read(cwd, "file")).toBe("mine");
  });
});

test.each([
  ["Gate", "it takes lower-case letters, digits, - and _, and begins with a letter"],
  ["1st", "it takes lower-case letters, digits, - and _, and begins with a letter"],
  ["../gate", "it takes lower-case letters, digits, - and _, and begins with a letter"],
  ["", "it takes lower-case letters, digits, - and _, and begins with a letter"],
  ["match", "Rust, cargo or a crate that it uses has this name already"],
  ["proc-macro", "Rust, cargo or a crate that it uses has this name already"],
  ["sluice-filter", "Rust, cargo or a crate that it uses has this name already"],
  ["a".repeat(64), "it has more than 63 characters"],
])("%j is no name, and why is said", (name, why) => {
  expect(() => createProject({ name, template: "headers", within: cwd })).toThrow(
    `${JSON.stringify(name)} cannot be the name of a filter: ${why}.`,
  );
  expect(readdirSync(cwd), "something was left behind").toEqual([]);
});

test("a template that is none is refused with those that are there", async () => {
  const { code, stderr } = await sluice(["new", "gate", "--template", "magic"], { cwd });

  expect(code).toBe(1);
  expect(stderr).toContain("Allowed choices are headers, auth, body, http-client");
});

test("a package that is installed for the project is named by a path that holds on other machines", () => {
  const sdk = join(cwd, "node_modules", "sluice", "dist", "sdk");
  mkdirSync(sdk, { recursive: true });
  mkdirSync(join(cwd, "gate"));

  expect(sdkPath(join(cwd, "gate"), sdk)).toBe("../node_modules/sluice/dist/sdk");
  expect(sdkPath(cwd, sdk)).toBe("node_modules/sluice/dist/sdk");
  const elsewhere = join(cwd, "lib", "node_modules", "sluice", "dist", "sdk");
  expect(sdkPath(join(cwd, "gate"), elsewhere), "a global installation is nobody else's").toBe(elsewhere);
});

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

function read(folder: string, file: string): string {
  return readFileSync(join(folder, file), "utf8");
}
