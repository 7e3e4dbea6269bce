/**
 * Builds the meter into `meter/pkg`, from where the host loads it:
 *
 *   node scripts/build-meter.ts
 *
 * wasm-pack builds it, and wasm-bindgen for wasm-pack. npm has brought wasm-pack, unless the machine cannot reach the server that its
 * installer downloads from; then cargo builds both, once, into `.tools`. Nothing is built again whose sources are the same.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join, relative } from "node:path";
import { type BuildEnvironment, BuildError, ROOT, read, show } from "./build-step.ts";

const CRATE = join(ROOT, "meter");
const PACKAGE = join(CRATE, "pkg");
const STAMP = "built-from";
const TOOLS = join(ROOT, ".tools");
const TARGET = "wasm32-unknown-unknown";

/** Blocks, as `buildFilters` does; throws a `BuildError`. */
export function buildMeter(): void {
  const stamp = sources();
  if (stampOf(PACKAGE) === stamp) return;
  const started = performance.now();
  show(
    join(ROOT, "scripts", "wasm-targets.sh"),
    [TARGET],
    "The wasm target of Rust is missing; why is said above.",
  );
  const environment = tools();

  // Built beside its place, so that nobody loads half of it.
  const fresh = `${PACKAGE}.${process.pid}`;
  const options = ["--release", "--target", "web", "--out-dir", fresh, "--out-name", "meter"];
  try {
    show(
      "wasm-pack",
      [
        "build",
        ...options,
        "--no-pack",
        "--no-gitignore",
        "--no-typescript",
        "--mode",
        environment.mode,
        CRATE,
      ],
      "The meter did not build; why is said above.",
      environment.variables,
    );
    writeFileSync(join(fresh, STAMP), stamp);
    rmSync(PACKAGE, { recursive: true, force: true });
    renameSync(fresh, PACKAGE);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  console.log(`meter: ${relative(ROOT, PACKAGE)} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
}

/** What the package is made of, as a digest. */
function sources(): string {
  const hash = createHash("sha256");
  const folder = join(CRATE, "src");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".rs"))
    .sort()
    .map((name) => join(folder, name));
  for (const file of [...files, join(CRATE, "Cargo.toml"), join(ROOT, "Cargo.toml")])
    hash.update(file.slice(ROOT.length)).update("\0").update(readFileSync(file)).update("\0");
  // Of the lock only what the package depends on: other crates come and go.
  for (const name of ["addr2line", "gimli", "rustc-demangle", "wasm-bindgen", "wasm-encoder", "wasmparser"])
    hash.update(`${name} ${locked(name)}\0`);
  return hash.digest("hex");
}

/** The newest version of a crate in Cargo.lock. */
function locked(name: string): string {
  const lock = readFileSync(join(ROOT, "Cargo.lock"), "utf8");
  const found = [...lock.matchAll(new RegExp(`name = "${name}"\nversion = "([^"]+)"`, "g"))];
  const version = found.at(-1)?.[1];
  if (version === undefined) throw new BuildError(`Cargo.lock has no ${name}.`);
  return version;
}

function stampOf(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, STAMP), "utf8");
  } catch {
    return undefined;
  }
}

/** Where wasm-pack and wasm-bindgen are, and whether wasm-pack may fetch the other itself. */
function tools(): { readonly variables: BuildEnvironment; readonly mode: "normal" | "no-install" } {
  const path = [join(TOOLS, "bin"), join(ROOT, "node_modules", ".bin"), process.env["PATH"]].join(delimiter);
  const variables: BuildEnvironment = { ...process.env, PATH: path };
  const wanted = locked("wasm-bindgen");
  const hasBindgen = read("wasm-bindgen", ["--version"], variables)?.trim() === `wasm-bindgen ${wanted}`;
  if (read("wasm-pack", ["--version"], variables) !== undefined) {
    if (hasBindgen) return { variables, mode: "no-install" };
    // Where npm could download wasm-pack, wasm-pack can download wasm-bindgen. If it cannot, it has cargo build it.
    if (read(join(ROOT, "node_modules", ".bin", "wasm-pack"), ["--version"], variables) !== undefined)
      return { variables, mode: "normal" };
  } else {
    install("wasm-pack", WASM_PACK, variables);
  }
  if (!hasBindgen) install("wasm-bindgen-cli", wanted, variables);
  // Some hundred MB that nobody needs again; both have used them.
  rmSync(TOOLS_TARGET, { recursive: true, force: true });
  return { variables, mode: "no-install" };
}

const TOOLS_TARGET = join(ROOT, "target", "tools");

const WASM_PACK = "0.15.1";

/**
 * Has cargo build a tool. Without optimization: that takes half of the time, and the tools have little to do. The versions that the
 * tool was released with are preferred, but a registry need not have all of them.
 */
function install(crate: string, version: string, variables: BuildEnvironment): void {
  const folder = relative(process.cwd(), TOOLS) || ".";
  console.log(`meter: cargo builds ${crate} ${version} into ${folder}, once: 1 to 3 minutes`);
  mkdirSync(TOOLS, { recursive: true });
  const environment = { ...variables, CARGO_TARGET_DIR: TOOLS_TARGET, CARGO_PROFILE_DEV_DEBUG: "false" };
  const options = [
    "install",
    crate,
    "--version",
    version,
    "--debug",
    "--no-track",
    "--force",
    "--root",
    TOOLS,
  ];
  try {
    show("cargo", [...options, "--locked"], "", environment);
  } catch {
    show("cargo", options, `${crate} did not build; why is said above.`, environment);
  }
}

if (import.meta.main) {
  try {
    buildMeter();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
