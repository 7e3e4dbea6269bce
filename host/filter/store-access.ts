import { STORE_OPERATION } from "../ops/filter-work.ts";
import type { CellRate, Exchanged, Part, Space, Store, StoreFault } from "../store/store.ts";
import type { RemoteStore } from "../store/remote-store.ts";
import type { CallTime } from "./call-time.ts";
import type { FilterLimits } from "./contract.ts";

/** The store as a filter's configuration grants it: without a grant it cannot be imported, and the spaces are nobody's. */
export interface StoreGrant {
  readonly store: Store;
  /** Where its keys are. */
  readonly space: Space;
  /** Where its allowances are. */
  readonly rates: Space;
  /** The store on a server, which then stands in the place of the other one. */
  readonly remote: RemoteGrant | undefined;
  /** How often each operation was asked for, in the order of `STORE_OPERATION`; where somebody counts them. */
  readonly counts?: Float64Array;
}

export interface RemoteGrant {
  readonly store: RemoteStore;
  /** The names of its spaces. */
  readonly space: string;
  readonly rates: string;
}

/** What one instance does with the store: its spaces, its limits, and the time of its call. Lifetimes and periods are in milliseconds. */
export class StoreAccess {
  readonly #grant: StoreGrant;
  readonly #limits: FilterLimits;
  readonly #time: CallTime;
  readonly #counts: Float64Array;
  /** Undefined where the store is this process's own. */
  readonly remote: RemoteAccess | undefined;

  constructor(grant: StoreGrant, limits: FilterLimits, time: CallTime) {
    this.#counts = grant.counts ?? uncounted();
    this.remote =
      grant.remote === undefined ? undefined : new RemoteAccess(grant.remote, limits, this.#counts);
    this.#grant = grant;
    this.#limits = limits;
    this.#time = time;
  }

  get(key: Part): Uint8Array | undefined | StoreFault {
    this.#counts[STORE_OPERATION.get]! += 1;
    if (this.#tooLarge(key)) return "too-large";
    return this.#grant.store.get(this.#grant.space, key, this.#now);
  }

  set(key: Part, value: Part, lifetimeMs: number): undefined | StoreFault {
    this.#counts[STORE_OPERATION.set]! += 1;
    if (this.#tooLarge(key, value)) return "too-large";
    const now = this.#now;
    return this.#grant.store.set(this.#grant.space, key, value, now + lifetimeMs * MS, now);
  }

  delete(key: Part): undefined | StoreFault {
    this.#counts[STORE_OPERATION.delete]! += 1;
    if (this.#tooLarge(key)) return "too-large";
    return this.#grant.store.delete(this.#grant.space, key, this.#now);
  }

  compareAndSet(
    key: Part,
    expected: Part | undefined,
    value: Part,
    lifetimeMs: number,
  ): Exchanged | StoreFault {
    this.#counts[STORE_OPERATION["compare-and-set"]]! += 1;
    if (this.#tooLarge(key, value)) return "too-large";
    const now = this.#now;
    const expires = now + lifetimeMs * MS;
    return this.#grant.store.compareAndSet(this.#grant.space, key, expected, value, expires, now);
  }

  add(key: Part, amount: bigint, lifetimeMs: number): bigint | StoreFault {
    this.#counts[STORE_OPERATION.add]! += 1;
    if (this.#tooLarge(key)) return "too-large";
    const now = this.#now;
    return this.#grant.store.add(this.#grant.space, key, amount, now + lifetimeMs * MS, now);
  }

  /** How many more could come at once now; below zero, in how many milliseconds it would be allowed. */
  take(key: Part, limit: number, periodMs: number, burst: number, cost: number): number | StoreFault {
    this.#counts[STORE_OPERATION.take]! += 1;
    const rate = rateOf(limit, periodMs, burst, cost);
    if (rate === undefined) return "bad-rate";
    if (this.#tooLarge(key)) return "too-large";
    return allowance(this.#grant.store.take(this.#grant.rates, key, rate, this.#now));
  }

  get #now(): number {
    return this.#grant.store.time(this.#time.performanceMs);
  }

  #tooLarge(key: Part, value?: Part): boolean {
    const { storeKeyBytesMax, storeValueBytesMax } = this.#limits;
    return key.length > storeKeyBytesMax || (value !== undefined && value.length > storeValueBytesMax);
  }
}

/** The same with the store on a server: each call is waited for. Keys and values are copies, no views of a guest's memory. */
export class RemoteAccess {
  readonly #grant: RemoteGrant;
  readonly #limits: FilterLimits;
  readonly #counts: Float64Array;

  constructor(grant: RemoteGrant, limits: FilterLimits, counts: Float64Array = uncounted()) {
    this.#grant = grant;
    this.#limits = limits;
    this.#counts = counts;
  }

  async get(key: Buffer): Promise<Uint8Array | undefined | StoreFault> {
    this.#counts[STORE_OPERATION.get]! += 1;
    return this.#tooLarge(key) ? "too-large" : await this.#grant.store.get(this.#grant.space, key);
  }

  async set(key: Buffer, value: Buffer, lifetimeMs: number): Promise<undefined | StoreFault> {
    this.#counts[STORE_OPERATION.set]! += 1;
    if (this.#tooLarge(key, value)) return "too-large";
    return await this.#grant.store.set(this.#grant.space, key, value, lifetimeMs);
  }

  async delete(key: Buffer): Promise<undefined | StoreFault> {
    this.#counts[STORE_OPERATION.delete]! += 1;
    return this.#tooLarge(key) ? "too-large" : await this.#grant.store.delete(this.#grant.space, key);
  }

  async compareAndSet(
    key: Buffer,
    expected: Buffer | undefined,
    value: Buffer,
    lifetimeMs: number,
  ): Promise<Exchanged | StoreFault> {
    this.#counts[STORE_OPERATION["compare-and-set"]]! += 1;
    if (this.#tooLarge(key, value)) return "too-large";
    return await this.#grant.store.compareAndSet(this.#grant.space, key, expected, value, lifetimeMs);
  }

  async add(key: Buffer, amount: bigint, lifetimeMs: number): Promise<bigint | StoreFault> {
    this.#counts[STORE_OPERATION.add]! += 1;
    if (this.#tooLarge(key)) return "too-large";
    return await this.#grant.store.add(this.#grant.space, key, amount, lifetimeMs);
  }

  async take(
    key: Buffer,
    limit: number,
    periodMs: number,
    burst: number,
    cost: number,
  ): Promise<number | StoreFault> {
    this.#counts[STORE_OPERATION.take]! += 1;
    const rate = rateOf(limit, periodMs, burst, cost);
    if (rate === undefined) return "bad-rate";
    if (this.#tooLarge(key)) return "too-large";
    return allowance(await this.#grant.store.take(this.#grant.rates, key, rate));
  }

  #tooLarge(key: Buffer, value?: Buffer): boolean {
    const { storeKeyBytesMax, storeValueBytesMax } = this.#limits;
    return key.length > storeKeyBytesMax || (value !== undefined && value.length > storeValueBytesMax);
  }
}

function uncounted(): Float64Array {
  return new Float64Array(Object.keys(STORE_OPERATION).length);
}

function rateOf(limit: number, periodMs: number, burst: number, cost: number): CellRate | undefined {
  if (limit < 1 || periodMs < 1 || burst < 1) return undefined;
  const interval = Math.max(1, Math.floor((periodMs * MS) / limit));
  return { interval, room: interval * burst, cost };
}

/** In milliseconds, as far as the contract's numbers go. */
function allowance(left: number | StoreFault): number | StoreFault {
  if (typeof left === "string") return left;
  return left >= 0 ? Math.min(left, COUNT_MAX) : -Math.min(Math.ceil(-left / MS), WAIT_MS_MAX);
}

/** The store's unit of time is a nanosecond. */
const MS = 1e6;

/** What the contract's u32 and u64 hold, the latter as far as a number is exact. */
const COUNT_MAX = 0xffff_ffff;
const WAIT_MS_MAX = Number.MAX_SAFE_INTEGER;
