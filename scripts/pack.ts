/**
 * Puts into `dist/` what the package has besides the host's own code, before npm packs it:
 *
 *   node scripts/pack.ts
 *
 * - `dist/sdk`: the SDK, as a crate that stands alone
 * - `dist/filters`: the filters that come with the host
 *
 * and builds the meter, which the host cannot load a component without.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildFilters, FILTERS_DIRECTORY } from "./build-filters.ts";
import { BuildError, output, ROOT } from "./build-step.ts";

const SDK = "sluice-filter";
const MACROS = "sluice-filter-macros";

/**
 * Writes the SDK into a folder, as a crate that needs nothing of this repository: cargo itself resolves what manifests inherit from the
 * workspace, and what is a link here is a file there. Only the crate of the attribute, which is in no registry, is named by its path within the
 * folder.
 */
export function packSdk(to: string): void {
  const folder = mkdtempSync(join(tmpdir(), "sluice-sdk-"));
  try {
    output(
      "cargo",
      // A crate's lockfile is for programs; without it nothing has to be asked of a registry.
      ["package", "--package", SDK, "--package", MACROS, "--target-dir", folder, ...UNVERIFIED],
      "The SDK cannot be packed; cargo says why above.",
    );
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to, { recursive: true });
    unpack(join(folder, "package"), SDK, to);
    unpack(join(folder, "package"), MACROS, join(to, "macros"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const manifest = join(to, "Cargo.toml");
  const table = `[dependencies.${MACROS}]\n`;
  const text = readFileSync(manifest, "utf8");
  if (!text.includes(table))
    throw new BuildError(`${manifest} has no ${table.trim()}: cargo writes it otherwise now.`);
  writeFileSync(manifest, text.replace(table, `${table}path = "macros"\n`));
}

const UNVERIFIED = ["--no-verify", "--allow-dirty", "--exclude-lockfile", "--quiet"];

/** A crate is an archive with one folder in it. */
function unpack(crates: string, name: string, to: string): void {
  const file = readdirSync(crates).find((found) => new RegExp(`^${name}-\\d.*\\.crate$`).test(found)) ?? name;
  mkdirSync(to, { recursive: true });
  output(
    "tar",
    ["-xzf", join(crates, file), "-C", to, "--strip-components", "1"],
    `${file} cannot be unpacked; tar says why above.`,
  );
  // How its manifest looked in this repository, and at which commit.
  for (const name of ["Cargo.toml.orig", ".cargo_vcs_info.json"]) rmSync(join(to, name), { force: true });
}

function packFilters(to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of buildFilters({ filters: "stock" }))
    copyFileSync(join(FILTERS_DIRECTORY, `${name}.wasm`), join(to, `${name}.wasm`));
}

if (import.meta.main) {
  try {
    packSdk(join(ROOT, "dist", "sdk"));
    packFilters(join(ROOT, "dist", "filters"));
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
