import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ArtifactRefused } from "./contract.ts";

/** The meter: a WebAssembly module itself, which wasm-pack has made of `meter/`. */
export interface Rewriter {
  /** Rewrites a core module; throws a string that says why it cannot be. */
  meter(module: Uint8Array, memoryPages: number, fuel: number): Uint8Array;
  /** The same without fuel, to measure what that costs. */
  unmetered(module: Uint8Array, memoryPages: number, fuel: number): Uint8Array;
  /** Where code of a core module is in its sources: lines of a text for each place, which is a function and an offset in turn. */
  symbolize(module: Uint8Array, places: Uint32Array): string[];
}

/** Beside the folder of this program's code, whether that is `host/` or `dist/`. */
const FOLDER = new URL("../../meter/pkg/", import.meta.url);

/** Tells this meter from others, so that what another one has rewritten is not taken for its own. */
export async function rewriterVersion(): Promise<string> {
  return createHash("sha256")
    .update(await readMeter())
    .digest("hex")
    .slice(0, 12);
}

export async function loadRewriter(): Promise<Rewriter> {
  const bytes = await readMeter();
  const script = (await import(new URL("meter.js", FOLDER).href)) as MeterScript;
  script.initSync({ module: bytes });
  return script;
}

/** What a module may consume while it is instantiated, before the host can say how much. */
export const START_FUEL = 10_000_000;

interface MeterScript extends Rewriter {
  initSync(options: { readonly module: Uint8Array }): unknown;
}

async function readMeter(): Promise<Uint8Array> {
  const url = new URL("meter_bg.wasm", FOLDER);
  try {
    return await readFile(url);
  } catch (error) {
    throw new ArtifactRefused(
      `no component can be loaded: ${url.pathname} is missing, which \`node scripts/build-meter.ts\` makes`,
      { cause: error },
    );
  }
}
