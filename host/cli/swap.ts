import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { AdminClient } from "../control/admin-client.ts";
import { AdminError } from "../control/admin-address.ts";
import type { SwapRequest, SwapResult } from "../control/control.ts";
import type { TrialRequest } from "../trial/trial.ts";
import { type AskOptions, asking, printJson } from "./asking.ts";
import { printable } from "./complaint.ts";
import { DONE } from "./exit-code.ts";
import { withProgress } from "./live-line.ts";
import { followTrial } from "./trial.ts";
import { readTrial, type TrialOptions } from "./trial-options.ts";
import { short } from "./wording.ts";

/** What becomes of a filter. */
export interface VersionOptions {
  readonly config?: string | undefined;
  readonly sha256?: string | undefined;
}

export interface SwapOptions extends AskOptions, VersionOptions, TrialOptions {}

/** Asks a running host for a swap and says what changed, once the new artifact serves or its trial has begun. */
export function swap(filter: string, source: string | undefined, options: SwapOptions): Promise<number> {
  return asking(options, async (client) => {
    const trial = readTrial(options);
    const request: SwapRequest = {
      ...readVersion(source, options),
      ...(trial !== undefined && { trial }),
    };
    const result = await withProgress(`swapping ${filter}`, client.swap(filter, request));
    if (trial === undefined) {
      if (options.json) printJson(result);
      else process.stdout.write(printable(describe(result)));
      return DONE;
    }
    return begun(client, result, trial, options);
  });
}

/** The version that a command is about: a file, an artifact of a registry, or the present one, with another config or read again. */
export function readVersion(source: string | undefined, { config, sha256 }: VersionOptions): SwapRequest {
  return {
    // The host runs in a folder of its own.
    ...(source !== undefined && { component: source.startsWith("oci://") ? source : resolve(source) }),
    ...(sha256 !== undefined && { sha256: readDigest(sha256) }),
    ...(config !== undefined && { config: readConfig(config) }),
  };
}

async function begun(
  client: AdminClient,
  result: SwapResult,
  trial: TrialRequest,
  { json, wait }: SwapOptions,
): Promise<number> {
  const { filter } = result;
  if (!json) process.stdout.write(printable(describeTrial(result, trial)));
  if (wait) return followTrial(client, filter, json ?? false);
  if (json) printJson(result);
  else {
    process.stdout.write(
      printable(
        `see how it goes: sluice trial ${filter}; end it: sluice promote ${filter}, or sluice rollback --trial ${filter}\n`,
      ),
    );
  }
  return DONE;
}

function describe({ filter, from, to, configChanged, generation, durationMs }: SwapResult): string {
  const what = from === to ? short(from) : `${short(from)} → ${short(to)}`;
  const how = configChanged ? " with a new config" : from === to ? " as before" : "";
  return `${filter}: ${what}${how}, generation ${generation}, ${Math.round(durationMs)} ms\n`;
}

function describeTrial(
  { filter, from, to, configChanged, generation, durationMs }: SwapResult,
  trial: TrialRequest,
): string {
  const what = trial.kind === "canary" ? `canary of ${trial.percent} %` : "shadow";
  const how = configChanged ? " with a new config" : "";
  return `${filter}: ${what}, ${short(to)}${how} beside ${short(from)}, generation ${generation}, ${Math.round(durationMs)} ms\n`;
}

function readDigest(text: string): string {
  const digest = text.toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new AdminError("--sha256 takes the 64 hex digits of a SHA-256.");
  return digest;
}

/** JSON, or `@` and a file with it. */
function readConfig(text: string): unknown {
  const json = text.startsWith("@") ? readText(text.slice(1)) : text;
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw new AdminError(`--config is no JSON: ${(error as SyntaxError).message}.`, undefined, {
      cause: error,
    });
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new AdminError(
      `--config names ${file}, which cannot be read: ${code ?? String(error)}.`,
      undefined,
      {
        cause: error,
      },
    );
  }
}
