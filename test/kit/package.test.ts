import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packSdk } from "../../scripts/pack.ts";

const ROOT = join(import.meta.dirname, "..", "..");

test("npm packs all that the commands need beside the host's code", () => {
  const text = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  // npm 12 names packages, those before have a list of them.
  const [packed] = Object.values(JSON.parse(text) as Record<string, { files: { path: string }[] }>);
  const files = packed?.files.map(({ path }) => path) ?? [];

  const templates = readdirSync(join(ROOT, "templates"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
  expect(files).toEqual(
    expect.arrayContaining(["bin/sluice.js", "scripts/wasm-targets.sh", "wit/world.wit"]),
  );
  expect(files, "npm leaves some templates out").toEqual(expect.arrayContaining(templates));
  expect(
    files.filter((path) => path.startsWith("filters/")),
    "sources of filters that cargo cannot build there",
  ).toEqual([]);
});

test("the packed SDK stands alone", () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-pack-"));
  try {
    packSdk(folder);

    for (const crate of [folder, join(folder, "macros")]) {
      const manifest = readFileSync(join(crate, "Cargo.toml"), "utf8");
      expect(manifest, "cargo would look for the workspace").not.toMatch(/workspace = true|^\[workspace/m);
      expect(manifest).toMatch(/^rust-version = "[\d.]+"$/m);
    }
    expect(readFileSync(join(folder, "Cargo.toml"), "utf8")).toContain('path = "macros"');
    for (const file of ["filter.wit", "imports.wit", "types.wit", "world.wit"])
      expect(readFileSync(join(folder, "wit", file), "utf8")).toBe(
        readFileSync(join(ROOT, "wit", file), "utf8"),
      );
    expect(existsSync(join(folder, "macros", "src", "lib.rs"))).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
