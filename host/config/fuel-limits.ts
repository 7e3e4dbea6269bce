import type { FuelConfig } from "./config.ts";
import type { Bound } from "./limits.ts";

const KIB = 1_024;
const MIB = 1_024 * KIB;
const GIB = 1_024 * MIB;

/** What a filter may consume. Each filter may have bounds of its own, as what it does decides what it needs. */
export const FUELED: Readonly<Record<keyof FuelConfig, Bound>> = {
  fuel: {
    option: "fuel",
    unit: "count",
    min: 1_000,
    max: 2_000_000_000,
    default: 30_000_000,
    meaning: "What one call of the filter may consume; a unit is about one machine instruction.",
    reason:
      "A filter that reads and writes a few headers takes some thousands; an endless loop ends after 2 to 30 milliseconds of CPU time.",
  },
  memoryBytesMax: {
    option: "memory",
    unit: "bytes",
    min: 64 * KIB,
    max: 4 * GIB,
    default: 16 * MIB,
    meaning: "The memory of each instance.",
    reason: "Rust begins with one MiB, most of it stack; a few MiB of a body and what is made of it fit.",
  },
};
