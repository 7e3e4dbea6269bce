import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Server as NetServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { descriptorOf } from "../../host/control/inherited-sockets.ts";

export const MAIN: string = fileURLToPath(new URL("../../host/cli/main.ts", import.meta.url));

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
  /** Listening sockets that it is given, as systemd does, with their names. Here they are closed. */
  readonly sockets?: readonly (readonly [name: string, socket: NetServer])[];
  readonly env?: Readonly<Record<string, string>>;
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
  { cwd, node = [], sockets = [], env = {} }: Surroundings,
  timeout?: number,
): ChildProcessByStdio<null, Readable, Readable> {
  const command = [process.execPath, ...node, MAIN, ...words];
  const given = {
    LISTEN_FDS: String(sockets.length),
    LISTEN_FDNAMES: sockets.map(([name]) => name).join(":"),
  };
  // The process that gets the sockets is named by its id, which only a shell that it replaces can know.
  const [file = "", ...args] =
    sockets.length === 0 ? command : ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", ...command];
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env, ...(sockets.length === 0 ? {} : given) },
    stdio: ["ignore", "pipe", "pipe", ...sockets.map(([, socket]) => descriptorOf(socket))],
    timeout,
    killSignal: "SIGKILL",
  }) as ChildProcessByStdio<null, Readable, Readable>;
  for (const [, socket] of sockets) socket.close();
  return child;
}
