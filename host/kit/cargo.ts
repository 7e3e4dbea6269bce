import { spawn, spawnSync } from "node:child_process";
import { KitError } from "./kit-error.ts";

/** What filters are compiled for. */
export const TARGET = "wasm32-wasip2";

/** What a program that may be missing or fail says; undefined when it does. */
export function says(command: string, args: readonly string[], input = ""): string | undefined {
  const { status, stdout } = spawnSync(command, args, {
    input,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "ignore"],
  });
  return status === 0 ? stdout : undefined;
}

/** A crate that becomes a component. */
export interface FilterCrate {
  readonly package: string;
  /** Of the artifact: underscores, as rustc names it. */
  readonly name: string;
  readonly manifest: string;
  /** The SDK that its manifest asks for; undefined when it asks for none. */
  readonly sdk: { readonly requirement: string; readonly path: string | undefined } | undefined;
}

export interface Workspace {
  readonly targetDirectory: string;
  readonly crates: readonly FilterCrate[];
}

/** What cargo knows of the project of a folder. Throws a `KitError` when that is none, or refused. */
export function workspaceOf(folder: string): Workspace {
  const { error, status, stdout, stderr } = spawnSync(
    "cargo",
    ["metadata", "--no-deps", "--format-version", "1"],
    { cwd: folder, encoding: "utf8", maxBuffer: METADATA_BYTES_MAX },
  );
  if (error !== undefined) throw noCargo(error);
  // Cargo's own sentence has the place.
  if (status !== 0)
    throw new KitError(`cargo refuses this project: ${stderr.trim().replace(/^error: /, "")}`);
  const { target_directory: targetDirectory, packages } = JSON.parse(stdout) as Metadata;
  return { targetDirectory, crates: packages.flatMap(filtersOf) };
}

/**
 * Builds a crate's component with names and lines in it, cargo's own progress on the terminal, and gives its path. Rejects with a `KitError`
 * after cargo has said why it does not build. `signal` ends cargo and what it has begun.
 */
export function buildComponent(folder: string, crate: FilterCrate, signal?: AbortSignal): Promise<string> {
  // Names and lines are taken out of what is served, so that the code is built once, and is the same by nature.
  const profile = [
    "--config",
    "profile.release.strip=false",
    "--config",
    'profile.release.debug="line-tables-only"',
  ];
  const what = ["--release", "--target", TARGET, "--package", crate.package, "--lib"];
  const child = spawn(
    "cargo",
    ["build", ...what, ...profile, "--message-format", "json-render-diagnostics"],
    {
      cwd: folder,
      stdio: ["inherit", "pipe", "inherit"],
      // In a group of its own, cargo can be ended together with its compilers.
      detached: signal !== undefined,
    },
  );
  const end = (): void => endGroup(child.pid);
  signal?.addEventListener("abort", end);
  return new Promise((resolve, reject) => {
    let messages = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      messages += text;
    });
    child.on("error", (error) => reject(noCargo(error)));
    child.on("close", (status) => {
      signal?.removeEventListener("abort", end);
      const file = status === 0 ? componentIn(messages, crate) : undefined;
      if (file !== undefined) return resolve(file);
      reject(
        new KitError(
          `${crate.package} does not build; cargo says why above. \`sluice doctor\` checks the tools.`,
        ),
      );
    });
  });
}

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGTERM");
  } catch {
    // It has ended by itself.
  }
}

interface Metadata {
  readonly target_directory: string;
  readonly packages: readonly MetadataPackage[];
}

interface MetadataPackage {
  readonly name: string;
  readonly manifest_path: string;
  /** Of a library the kinds are its crate types; of an example it is `example`, whatever comes of it. */
  readonly targets: readonly { readonly name: string; readonly kind: readonly string[] }[];
  readonly dependencies: readonly { readonly name: string; readonly req: string; readonly path?: string }[];
}

function filtersOf(found: MetadataPackage): FilterCrate[] {
  const sdk = found.dependencies.find(({ name }) => name === "sluice-filter");
  return found.targets
    .filter((target) => target.kind.includes("cdylib"))
    .map((target) => ({
      package: found.name,
      name: target.name.replaceAll("-", "_"),
      manifest: found.manifest_path,
      sdk: sdk && { requirement: sdk.req, path: sdk.path },
    }));
}

/** The file that cargo's messages name, whether it was built now or is fresh. */
function componentIn(messages: string, crate: FilterCrate): string | undefined {
  return messages
    .split("\n")
    .filter((line) => line.startsWith('{"reason":"compiler-artifact"'))
    .map((line) => JSON.parse(line) as ArtifactMessage)
    .filter(({ manifest_path: manifest }) => manifest === crate.manifest)
    .flatMap(({ filenames }) => filenames)
    .find((name) => name.endsWith(`${crate.name}.wasm`));
}

interface ArtifactMessage {
  readonly manifest_path: string;
  readonly filenames: readonly string[];
}

function noCargo(cause: Error): KitError {
  return new KitError(
    "cargo is not in PATH: install Rust as https://rustup.rs says, or open a new shell if you just have.",
    { cause },
  );
}

/** Large workspaces have long metadata. */
const METADATA_BYTES_MAX = 64 * 1024 * 1024;
