import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";

const MAIN = fileURLToPath(new URL("../../host/cli/main.ts", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  /** The folder that the command runs in. */
  readonly cwd: string;
  /** Options for Node itself. */
  readonly node?: readonly string[];
}

/** Shorter than a test may take, so that a command which does not end fails its test and outlives nothing. */
const COMMAND_MS_MAX = 25_000;

/** Runs `sluice` with these words as a process of its own, and waits for its end. */
export async function sluice(words: readonly string[], surroundings: Surroundings): Promise<Outcome> {
  const child = startSluice(words, surroundings, COMMAND_MS_MAX);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

export function startSluice(
  words: readonly string[],
  { cwd, node = [] }: Surroundings,
  timeout?: number,
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [...node, MAIN, ...words], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    timeout,
    killSignal: "SIGKILL",
  });
}
