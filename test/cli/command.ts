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

/** Runs `sluice` with these words as a process of its own, and waits for its end. */
export async function sluice(words: readonly string[], surroundings: Surroundings): Promise<Outcome> {
  const child = startSluice(words, surroundings);
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
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [...node, MAIN, ...words], { cwd, stdio: ["ignore", "pipe", "pipe"] });
}
