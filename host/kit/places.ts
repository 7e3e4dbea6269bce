import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * What comes with this command, as paths of folders and files. In the repository the code is in `host/kit/`, and the SDK is what cargo
 * builds there; in the package it is in `dist/kit/`, and `scripts/pack.ts` has put beside it an SDK that stands alone.
 */
const IN_REPOSITORY = import.meta.url.endsWith(".ts");

/** The crate `sluice-filter`. */
export const SDK: string = place(IN_REPOSITORY ? "../../filters/sdk" : "../sdk");

export const TEMPLATES: string = place("../../templates");

/** Adds targets to a Rust that lacks them. */
export const WASM_TARGETS: string = place("../../scripts/wasm-targets.sh");

/** The version of this command, which is the SDK's, too. */
export function sluiceVersion(): string {
  return (JSON.parse(readFileSync(place("../../package.json"), "utf8")) as { version: string }).version;
}

/** The oldest Rust that builds the SDK, `1.90`. */
export function rustVersionMin(): string {
  for (const manifest of [`${SDK}/Cargo.toml`, place("../../Cargo.toml")]) {
    const found = /^rust-version = "([\d.]+)"$/m.exec(readFileSync(manifest, "utf8"))?.[1];
    if (found !== undefined) return found;
  }
  throw new Error(`${SDK} says no rust-version`);
}

function place(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
