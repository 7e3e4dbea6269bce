import { readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { RunningHost } from "../../test/cli/running-host.ts";

/** Memory of the host's process, in MiB, as the system counts it. */
export function residentMiB(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1024;
}

/** The most memory that a process has until it is stopped. */
export class MemoryWatch {
  peakMiB = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      this.peakMiB = Math.max(this.peakMiB, residentMiB(pid));
    }, 100);
  }

  stop(): number {
    clearInterval(this.#timer);
    return this.peakMiB;
  }
}

/** One number of the host's metrics. */
export async function metricOf(host: RunningHost, name: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  get({ socketPath: join(host.folder, "admin.sock"), path: "/metrics" }, (response) => {
    text(response).then(resolve, reject);
  }).on("error", reject);
  const line = (await promise).split("\n").find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? Number.NaN);
}
