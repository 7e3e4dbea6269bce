import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { whyOtherWit } from "../filter/world.ts";
import { rewriterVersion } from "../filter/rewriter.ts";
import { type FilterCrate, says, TARGET, workspaceOf } from "./cargo.ts";
import { KitError } from "./kit-error.ts";
import { rustVersionMin, SDK, sluiceVersion, WASM_TARGETS } from "./places.ts";
import { sdkPath } from "./project.ts";
import { contractFrom } from "./wit-contract.ts";

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  /** `absent`: there is nothing to be looked at, and nothing is wrong with that. */
  readonly verdict: "good" | "wrong" | "absent";
  /** What was found. */
  readonly found: string;
  /** How to put it right: a sentence, where something is wrong. */
  readonly fix?: string;
}

/** Looks at all that a project in this folder is built with. Never throws for what it finds. */
export async function examine(folder: string): Promise<Finding[]> {
  const rustc = rustcFinding();
  return [
    nodeFinding(),
    await hostFinding(),
    rustc,
    cargoFinding(),
    targetFinding(rustc.verdict === "good" || says("rustc", ["--version"]) !== undefined),
    ...(await projectFindings(folder)),
  ];
}

/** Puts right what a program can: the target of Rust, and where the project's SDK is. What it does is on the terminal. */
export async function repair(folder: string): Promise<void> {
  // It answers in 0.1 s when there is nothing to do, and says itself what it cannot do.
  spawnSync("bash", [WASM_TARGETS, TARGET], { stdio: ["ignore", STANDARD_ERROR, STANDARD_ERROR] });
  if (!existsSync(join(folder, "Cargo.toml")) || says("cargo", ["--version"]) === undefined) return;
  // Cargo reads no project whose SDK is not there.
  if (lostSdkOf(folder) !== undefined) repoint(join(folder, "Cargo.toml"));
  for (const crate of filtersOf(folder))
    if ((await sdkFinding(crate, false)).verdict === "wrong") repoint(crate.manifest);
}

const STANDARD_ERROR = 2;

function nodeFinding(): Finding {
  // An older one has been turned away before this is loaded.
  return { name: "node", verdict: "good", found: process.versions.node };
}

/** Whether this installation can load a component at all. */
async function hostFinding(): Promise<Finding> {
  try {
    await rewriterVersion();
    return { name: "sluice", verdict: "good", found: sluiceVersion() };
  } catch (error) {
    const fix = `${(error as Error).message}.`;
    return { name: "sluice", verdict: "wrong", found: `${sluiceVersion()}, not whole`, fix };
  }
}

function rustcFinding(): Finding {
  const name = "rustc";
  const min = rustVersionMin();
  const found = /^release: (\S+)$/m.exec(says("rustc", ["-vV"]) ?? "")?.[1];
  if (found === undefined) return { name, verdict: "wrong", found: "not in PATH", fix: INSTALL };
  if (isOlder(found, min)) {
    const fix = `The SDK needs ${min} or newer: \`rustup update stable\`.`;
    return { name, verdict: "wrong", found, fix };
  }
  return { name, verdict: "good", found };
}

const INSTALL = "Install Rust as https://rustup.rs says, or open a new shell if you just have.";

function cargoFinding(): Finding {
  const found = /^cargo (\S+)/.exec(says("cargo", ["--version"]) ?? "")?.[1];
  if (found === undefined) return { name: "cargo", verdict: "wrong", found: "not in PATH", fix: INSTALL };
  return { name: "cargo", verdict: "good", found };
}

/** Compiling and linking is the proof: after `rustup update` a library may be there that belongs to another compiler. */
function targetFinding(hasRustc: boolean): Finding {
  const name = TARGET;
  if (!hasRustc) return { name, verdict: "absent", found: "not looked at, as there is no rustc" };
  const folder = mkdtempSync(join(tmpdir(), "sluice-doctor-"));
  try {
    const options = ["--target", TARGET, "--crate-type", "cdylib", "-o", join(folder, "probe.wasm"), "-"];
    const built = says("rustc", options, 'pub extern "C" fn probe() {}') !== undefined;
    if (built) return { name, verdict: "good", found: "compiles" };
    const fix = `\`rustup target add ${TARGET}\`, or \`sluice doctor --fix\`, which builds it from source where rustup's server is out of reach.`;
    return { name, verdict: "wrong", found: "does not compile", fix };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function projectFindings(folder: string): Promise<Finding[]> {
  const name = "project";
  if (!existsSync(join(folder, "Cargo.toml")))
    return [{ name, verdict: "absent", found: "none in this folder; `sluice new NAME` makes one" }];
  if (says("cargo", ["--version"]) === undefined)
    return [{ name, verdict: "absent", found: "not looked at, as there is no cargo" }];
  const lost = lostSdkOf(folder);
  if (lost !== undefined)
    return [{ name: "SDK", verdict: "wrong", found: `${lost} is not there`, fix: repointing("Cargo.toml") }];
  let crates: readonly FilterCrate[];
  try {
    crates = filtersOf(folder);
  } catch (error) {
    if (!(error instanceof KitError)) throw error;
    return [{ name, verdict: "wrong", found: "not readable", fix: error.message }];
  }
  if (crates.length === 0) {
    const fix =
      'A filter is a library with `crate-type = ["cdylib", "rlib"]` that depends on `sluice-filter`; `sluice new NAME` makes one.';
    return [{ name, verdict: "wrong", found: "no filter among its crates", fix }];
  }
  const found = crates.map((crate) => crate.package).join(", ");
  const sdks = await Promise.all(crates.map((crate) => sdkFinding(crate, crates.length > 1)));
  return [{ name, verdict: "good", found }, ...sdks];
}

function filtersOf(folder: string): readonly FilterCrate[] {
  return workspaceOf(folder).crates.filter(({ sdk }) => sdk !== undefined);
}

/** Whether a filter is built with an SDK that speaks this host's contract. */
async function sdkFinding(crate: FilterCrate, several: boolean): Promise<Finding> {
  const name = several ? `SDK of ${crate.package}` : "SDK";
  const { path, requirement = "" } = crate.sdk ?? {};
  if (path === undefined) return { name, verdict: "good", found: `${requirement} from the registry` };
  let other: string | undefined;
  try {
    other = whyOtherWit(await contractFrom(join(path, "wit")));
  } catch (error) {
    other = `its wit/ cannot be read: ${error instanceof Error ? error.message.split("\n", 1)[0] : String(error)}`;
  }
  if (other === undefined) return { name, verdict: "good", found: path };
  const found = `${path} has another contract than this host: ${other}`;
  return { name, verdict: "wrong", found, fix: repointing(relative(process.cwd(), crate.manifest)) };
}

function repointing(manifest: string): string {
  return `\`sluice doctor --fix\` writes the path of this sluice's SDK into ${manifest}.`;
}

/** The SDK's path in this folder's own manifest, where nothing is. */
function lostSdkOf(folder: string): string | undefined {
  const path = SDK_LINE.exec(readFileSync(join(folder, "Cargo.toml"), "utf8"))?.[2];
  return path === undefined || existsSync(resolve(folder, path, "Cargo.toml")) ? undefined : path;
}

/** As `sluice new` writes it: what is before the path, and the path. */
const SDK_LINE = /^(sluice-filter\s*=\s*\{[^}\n]*\bpath\s*=\s*)"([^"\n]*)"/m;

/** Writes the path of this command's SDK into a manifest. One that names it in another way than `sluice new` does stays as it is. */
function repoint(manifest: string): void {
  const text = readFileSync(manifest, "utf8");
  const path = sdkPath(dirname(manifest), SDK);
  const fixed = text.replace(SDK_LINE, (_, before: string) => before + JSON.stringify(path));
  if (fixed !== text) writeFileSync(manifest, fixed);
}

/** `1.89.0` is older than `1.90`; what comes behind a hyphen counts for nothing. */
function isOlder(version: string, than: string): boolean {
  const [mine, theirs] = [version, than].map((text) => text.split("-", 1)[0]?.split(".").map(Number) ?? []);
  for (const [at, part] of (theirs ?? []).entries()) {
    const own = mine?.[at] ?? 0;
    if (own !== part) return own < part;
  }
  return false;
}
