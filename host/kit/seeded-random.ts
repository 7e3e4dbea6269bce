import type { RandomSource } from "../filter/imports/random.ts";

/** Randomness that is the same for the same seed. What hash tables are seeded with is a sequence of its own: it depends on what a filter's crates do. */
export class SeededRandom implements RandomSource {
  #state = 0n;
  #seeds = 0n;

  constructor(seed: number) {
    this.restart(seed);
  }

  /** From the first number again. */
  restart(seed: number): void {
    this.#state = BigInt.asUintN(64, BigInt(seed));
    this.#seeds = BigInt.asUintN(64, ~this.#state);
  }

  bytes(count: number): Uint8Array {
    const bytes = Buffer.alloc(Math.ceil(count / 8) * 8);
    for (let at = 0; at < count; at += 8) bytes.writeBigUInt64LE(this.u64(), at);
    return bytes.subarray(0, count);
  }

  u64(): bigint {
    this.#state = BigInt.asUintN(64, this.#state + STEP);
    return mixed(this.#state);
  }

  seed(): bigint {
    this.#seeds = BigInt.asUintN(64, this.#seeds + STEP);
    return mixed(this.#seeds);
  }

  /** A whole number from 0 up to and without `bound`. */
  below(bound: number): number {
    return Number(this.u64() % BigInt(bound));
  }
}

/** SplitMix64 (Steele, Lea, Flood 2014). */
function mixed(state: bigint): bigint {
  let it = BigInt.asUintN(64, (state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
  it = BigInt.asUintN(64, (it ^ (it >> 27n)) * 0x94d049bb133111ebn);
  return it ^ (it >> 31n);
}

const STEP = 0x9e3779b97f4a7c15n;
