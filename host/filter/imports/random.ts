import { randomFillSync } from "node:crypto";
import { type GuestMemory, GuestTrap } from "../guest-memory.ts";
import type { CoreImports } from "./core.ts";

export function coreRandom(memory: () => GuestMemory): CoreImports {
  return {
    "sluice:filter/random@0.1.0": {
      bytes: (length: number, out: number) => memory().storeBytes(randomList(length >>> 0), out),
      next: randomU64,
    },
  };
}

export function referenceRandom(): Record<string, Record<string, unknown>> {
  return { "sluice:filter/random": { bytes: (length: number) => randomList(length), next: randomU64 } };
}

/** Traps for more than a filter has any use for: the host's memory would pay for it. The bytes are the caller's to use at once. */
export function randomList(length: number | bigint): Uint8Array {
  if (length > RANDOM_BYTES_MAX)
    throw new GuestTrap(`${length} random bytes are more than ${RANDOM_BYTES_MAX}`, "size");
  const count = Number(length);
  return count > POOL_BYTES ? randomFillSync(new Uint8Array(count)) : POOL.slice(take(count), used);
}

export function randomU64(): bigint {
  return VIEW.getBigUint64(take(8), true);
}

/** Asking the generator costs the same for eight bytes as for thousands. What was handed out is never handed out again. */
function take(count: number): number {
  if (used + count > POOL_BYTES) {
    randomFillSync(POOL);
    used = 0;
  }
  used += count;
  return used - count;
}

const RANDOM_BYTES_MAX = 65_536;
const POOL_BYTES = 4_096;
const POOL = new Uint8Array(POOL_BYTES);
const VIEW = new DataView(POOL.buffer);
let used = POOL_BYTES;
