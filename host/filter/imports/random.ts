import { randomFillSync } from "node:crypto";
import { type GuestMemory, GuestTrap } from "../guest-memory.ts";
import type { Services } from "../services.ts";
import type { CoreImports } from "./core.ts";

/** Where randomness comes from. */
export interface RandomSource {
  /** So many bytes, the caller's to use at once. */
  bytes(count: number): Uint8Array;
  u64(): bigint;
  /** Half of what a guest's hash tables are seeded with. */
  seed(): bigint;
}

export function coreRandom(memory: () => GuestMemory, services: Services): CoreImports {
  return {
    "sluice:filter/random@0.1.0": {
      bytes: (length: number, out: number) =>
        memory().storeBytes(randomList(services.random, length >>> 0), out),
      next: () => services.random.u64(),
    },
  };
}

export function referenceRandom(services: Services): Record<string, Record<string, unknown>> {
  return {
    "sluice:filter/random": {
      bytes: (length: number) => randomList(services.random, length),
      next: () => services.random.u64(),
    },
  };
}

/** Traps for more than a filter has any use for: the host's memory would pay for it. */
export function randomList(random: RandomSource, length: number | bigint): Uint8Array {
  if (length > RANDOM_BYTES_MAX)
    throw new GuestTrap(`${length} random bytes are more than ${RANDOM_BYTES_MAX}`, "size");
  return random.bytes(Number(length));
}

/** The operating system's generator. */
export const SYSTEM_RANDOM: RandomSource = {
  bytes: (count) =>
    count > POOL_BYTES ? randomFillSync(new Uint8Array(count)) : POOL.slice(take(count), used),
  u64: randomU64,
  seed: randomU64,
};

function randomU64(): bigint {
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
