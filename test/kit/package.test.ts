import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packSdk } from "../../scripts/pack.ts";

const ROOT = join(import.meta.dirname, "..", "..");

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
