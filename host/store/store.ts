/** Whose keys they are: filters share a space, or have one alone. Made of the space's name by `spaceOf`. */
export interface Space {
  readonly high: number;
  readonly low: number;
}

/** WIT `store.error`; the last two are cases of its `other`. */
export type StoreFault = "full" | "too-large" | "wrong-type" | "unavailable" | "overflow" | "bad-rate";

/**
 * What filters share, behind the imports `store` and `rate-limit`.
 *
 * Keys and values come as a part of somebody's bytes, which are read before a method returns and never kept: they are a
 * guest's memory. A fault is a string, so that no call of a guest needs an exception or an object for its answer. `now` is
 * what `time` gives; `expires` is in the same unit, or infinite.
 */
export interface Store {
  /** This thread's `performance.now()` as the store's own time. */
  time(performanceMs: number): number;
  get(space: Space, key: Part, now: number): Uint8Array | undefined | StoreFault;
  set(space: Space, key: Part, value: Part, expires: number, now: number): undefined | StoreFault;
  delete(space: Space, key: Part, now: number): undefined | StoreFault;
  /** Stores the value if what is there equals `expected`; `undefined`: if nothing is. */
  compareAndSet(
    space: Space,
    key: Part,
    expected: Part | undefined,
    value: Part,
    expires: number,
    now: number,
  ): Exchanged | StoreFault;
  /** `expires` counts for a new counter alone. */
  add(space: Space, key: Part, amount: bigint, expires: number, now: number): bigint | StoreFault;
  /** Takes from an allowance: how many more could come at once now, or below zero the time until it would be allowed. */
  take(space: Space, key: Part, rate: CellRate, now: number): number | StoreFault;
  /** After an exception out of any method, from where the stack has room again. */
  repair(): void;
}

/** Some bytes within others. */
export interface Part {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly length: number;
}

export const STORED = "stored";

/** WIT `store.exchanged`. */
export type Exchanged = typeof STORED | { readonly found: Uint8Array | undefined };

/** A rate of the generic cell rate algorithm, in the store's unit of time. */
export interface CellRate {
  /** What one unit of cost takes of the time. */
  readonly interval: number;
  /** How far ahead of the time an allowance may be. */
  readonly room: number;
  readonly cost: number;
}
