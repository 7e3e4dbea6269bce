/**
 * Builds the meter, and the filters of this repository into `.sluice/filters/<name>.wasm`, where the examples' configurations and the
 * tests look for them:
 *
 *   node scripts/build-filters.ts
 *
 * What cargo finds unchanged is not built again, and a file whose bytes would be the same is not touched: a running
 * proxy watches that directory, and would swap.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { buildMeter } from "./build-meter.ts";
import { BuildError, output, ROOT, show } from "./build-step.ts";

const TARGET = "wasm32-wasip2";

/** A crate of the workspace that is no filter. */
const METER = "sluice-meter";

/** Where the built filters are. */
export const FILTERS_DIRECTORY: string = join(ROOT, ".sluice", "filters");

export interface BuildOptions {
  /** The filters of the quickstart alone, those that come with the host, or also those that only tests and examples use. */
  readonly filters: "quickstart" | "stock" | "all";
}

/** A newcomer's first start need not wait for more. The first filter is here, as the README goes on with it. */
const QUICKSTART: readonly string[] = ["filter-api-key", "filter-headers", "first-filter"];

/**
 * Brings the filters up to date, with cargo's own progress on the terminal. Gives their names; throws a `BuildError`.
 *
 * Blocks, as nothing can go on without them; an interrupt from the terminal ends cargo and this process alike.
 */
export function buildFilters(options: BuildOptions): string[] {
  const started = performance.now();
  const { crates, targetDirectory } = filterCrates(options);
  buildMeter();
  show(
    join(ROOT, "scripts", "wasm-targets.sh"),
    [TARGET],
    "The wasm target of Rust is missing; why is said above.",
  );

  const packages = crates.flatMap((crate) => ["--package", crate.package]);
  show(
    "cargo",
    ["build", "--release", "--target", TARGET, ...packages],
    "The filters did not build; why is said above.",
  );

  mkdirSync(FILTERS_DIRECTORY, { recursive: true });
  const names = crates.map((crate) => crate.name);
  const built = join(targetDirectory, TARGET, "release");
  const changed = names.filter((name) =>
    refresh(join(built, `${name}.wasm`), join(FILTERS_DIRECTORY, `${name}.wasm`)),
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `filters: ${names.length} in ${relative(ROOT, FILTERS_DIRECTORY)}, ${changed.length} changed (${seconds} s)`,
  );
  return names;
}

interface FilterCrate {
  readonly package: string;
  /** Of the artifact: underscores, as rustc names it. */
  readonly name: string;
}

/** The workspace's crates that become components: a filter is whatever else than the meter builds a `cdylib`. */
function filterCrates({ filters }: BuildOptions): { crates: FilterCrate[]; targetDirectory: string } {
  const stdout = output(
    "cargo",
    ["metadata", "--no-deps", "--format-version", "1"],
    "Cargo.toml is refused; see above.",
  );
  const metadata = JSON.parse(stdout) as CargoMetadata;
  const crates = metadata.packages
    .filter(({ name }) => name !== METER)
    .filter((found) => isWanted(found, filters))
    .flatMap((found) =>
      found.targets
        .filter((target) => target.crate_types.includes("cdylib"))
        .map((target) => ({ package: found.name, name: target.name.replaceAll("-", "_") })),
    );
  return { crates, targetDirectory: metadata.target_directory };
}

function isWanted(found: CargoPackage, filters: BuildOptions["filters"]): boolean {
  if (filters === "all") return true;
  if (filters === "quickstart") return QUICKSTART.includes(found.name);
  return dirname(dirname(found.manifest_path)) === join(ROOT, "filters");
}

interface CargoMetadata {
  readonly target_directory: string;
  readonly packages: readonly CargoPackage[];
}

interface CargoPackage {
  readonly name: string;
  readonly manifest_path: string;
  readonly targets: readonly { readonly name: string; readonly crate_types: readonly string[] }[];
}

/** Copies a file whose bytes differ; renamed into place, so that nobody reads a half-written one. */
function refresh(from: string, to: string): boolean {
  const bytes = readFileSync(from);
  if (bytes.equals(existing(to))) return false;
  const staged = `${to}.${process.pid}.staged`;
  writeFileSync(staged, bytes);
  renameSync(staged, to);
  return true;
}

function existing(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

if (import.meta.main) {
  try {
    buildFilters({ filters: "all" });
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
