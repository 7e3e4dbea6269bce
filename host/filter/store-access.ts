import type { Exchanged, Part, Space, Store, StoreFault } from "../store/store.ts";
import type { CallTime } from "./call-time.ts";
import type { FilterLimits } from "./contract.ts";

/** The store as a filter's configuration grants it: without a grant it cannot be imported, and the spaces are nobody's. */
export interface StoreGrant {
  readonly store: Store;
  /** Where its keys are. */
  readonly space: Space;
  /** Where its allowances are. */
  readonly rates: Space;
}

/** What one instance does with the store: its spaces, its limits, and the time of its call. Lifetimes and periods are in milliseconds. */
export class StoreAccess {
  readonly #grant: StoreGrant;
  readonly #limits: FilterLimits;
  readonly #time: CallTime;

  constructor(grant: StoreGrant, limits: FilterLimits, time: CallTime) {
    this.#grant = grant;
    this.#limits = limits;
    this.#time = time;
  }

  get(key: Part): Uint8Array | undefined | StoreFault {
    if (this.#tooLarge(key)) return "too-large";
    return this.#grant.store.get(this.#grant.space, key, this.#now);
  }

  set(key: Part, value: Part, lifetimeMs: number): undefined | StoreFault {
    if (this.#tooLarge(key, value)) return "too-large";
    const now = this.#now;
    return this.#grant.store.set(this.#grant.space, key, value, now + lifetimeMs * MS, now);
  }

  delete(key: Part): undefined | StoreFault {
    if (this.#tooLarge(key)) return "too-large";
    return this.#grant.store.delete(this.#grant.space, key, this.#now);
  }

  compareAndSet(
    key: Part,
    expected: Part | undefined,
    value: Part,
    lifetimeMs: number,
  ): Exchanged | StoreFault {
    if (this.#tooLarge(key, value)) return "too-large";
    const now = this.#now;
    const expires = now + lifetimeMs * MS;
    return this.#grant.store.compareAndSet(this.#grant.space, key, expected, value, expires, now);
  }

  add(key: Part, amount: bigint, lifetimeMs: number): bigint | StoreFault {
    if (this.#tooLarge(key)) return "too-large";
    const now = this.#now;
    return this.#grant.store.add(this.#grant.space, key, amount, now + lifetimeMs * MS, now);
  }

  /** How many more could come at once now; below zero, in how many milliseconds it would be allowed. */
  take(key: Part, limit: number, periodMs: number, burst: number, cost: number): number | StoreFault {
    if (limit < 1 || periodMs < 1 || burst < 1) return "bad-rate";
    if (this.#tooLarge(key)) return "too-large";
    const interval = Math.max(1, Math.floor((periodMs * MS) / limit));
    const rate = { interval, room: interval * burst, cost };
    const left = this.#grant.store.take(this.#grant.rates, key, rate, this.#now);
    if (typeof left === "string") return left;
    return left >= 0 ? Math.min(left, COUNT_MAX) : -Math.min(Math.ceil(-left / MS), WAIT_MS_MAX);
  }

  get #now(): number {
    return this.#grant.store.time(this.#time.performanceMs);
  }

  #tooLarge(key: Part, value?: Part): boolean {
    const { storeKeyBytesMax, storeValueBytesMax } = this.#limits;
    return key.length > storeKeyBytesMax || (value !== undefined && value.length > storeValueBytesMax);
  }
}

/** The store's unit of time is a nanosecond. */
const MS = 1e6;

/** What the contract's u32 and u64 hold, the latter as far as a number is exact. */
const COUNT_MAX = 0xffff_ffff;
const WAIT_MS_MAX = Number.MAX_SAFE_INTEGER;
