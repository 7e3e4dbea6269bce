import { resolve } from "node:path";
import { AdminClient } from "../control/admin-client.ts";
import { AdminError } from "../control/admin-address.ts";
import type { SwapRequest, SwapResult } from "../control/control.ts";
import { type AdminTarget, findAdmin } from "./admin-target.ts";
import { printable } from "./complaint.ts";
import { DONE } from "./exit-code.ts";

export interface SwapOptions extends AdminTarget {
  readonly config?: string | undefined;
  readonly sha256?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Asks a running host for a swap and says what changed, once the new artifact serves. */
export async function swap(filter: string, file: string, options: SwapOptions): Promise<number> {
  const request: SwapRequest = {
    // The host runs in a folder of its own.
    component: resolve(file),
    ...(options.sha256 !== undefined && { sha256: readDigest(options.sha256) }),
    ...(options.config !== undefined && { config: readJson(options.config) }),
  };
  const client = new AdminClient(await findAdmin(options));
  try {
    const result = await client.swap(filter, request);
    process.stdout.write(`${options.json ? JSON.stringify(result) : printable(describe(result))}\n`);
    return DONE;
  } catch (error) {
    // Scripts look for the code, people read the sentence: both get theirs.
    if (options.json && error instanceof AdminError && error.code !== undefined) {
      process.stdout.write(`${JSON.stringify({ code: error.code, detail: error.message })}\n`);
    }
    throw error;
  } finally {
    await client.close();
  }
}

function describe({ filter, from, to, configChanged, generation, durationMs }: SwapResult): string {
  const what = from === to ? short(from) : `${short(from)} → ${short(to)}`;
  const how = configChanged ? " with a new config" : from === to ? " as before" : "";
  return `${filter}: ${what}${how}, generation ${generation}, ${Math.round(durationMs)} ms`;
}

function short(digest: string): string {
  return digest.slice(0, 12);
}

function readDigest(text: string): string {
  const digest = text.toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new AdminError("--sha256 takes the 64 hex digits of a SHA-256.");
  return digest;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new AdminError(`--config is no JSON: ${(error as SyntaxError).message}.`, undefined, {
      cause: error,
    });
  }
}
