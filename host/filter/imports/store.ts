import type { Exchanged, Part, StoreFault } from "../../store/store.ts";
import { STORED } from "../../store/store.ts";
import { type GuestMemory, GuestTrap } from "../guest-memory.ts";
import type { Services } from "../services.ts";
import type { CoreImports } from "./core.ts";

/** Bytes that are named anew for each call: nothing keeps a `Part`. */
class Range implements Part {
  bytes: Uint8Array = NOTHING;
  at = 0;
  length = 0;

  of(bytes: Uint8Array, at: number, length: number): this {
    this.bytes = bytes;
    this.at = at;
    this.length = length;
    return this;
  }

  /** A list in the guest's memory. */
  in(guest: GuestMemory, at: number, length: number): this {
    guest.check(at >>> 0, length >>> 0);
    return this.of(guest.bytes, at >>> 0, length >>> 0);
  }
}

export function coreStore(memory: () => GuestMemory, services: Services): CoreImports {
  const [key, value, expected] = [new Range(), new Range(), new Range()];
  return {
    "sluice:filter/store@0.1.0": {
      get: (at: number, length: number, out: number) => {
        const guest = memory();
        const found = services.store.get(key.in(guest, at, length));
        if (typeof found === "string") return storeFault(guest, found, out, out + 4);
        guest.view.setUint8(out, 0);
        storeOption(guest, found, out + 4);
      },
      set: (
        at: number,
        length: number,
        from: number,
        size: number,
        life: number,
        ms: bigint,
        out: number,
      ) => {
        const guest = memory();
        const lifetime = lifetimeOf(life, ms);
        const fault = services.store.set(key.in(guest, at, length), value.in(guest, from, size), lifetime);
        if (fault !== undefined) storeFault(guest, fault, out, out + 4);
        else guest.view.setUint8(out, 0);
      },
      delete: (at: number, length: number, out: number) => {
        const guest = memory();
        const fault = services.store.delete(key.in(guest, at, length));
        if (fault !== undefined) storeFault(guest, fault, out, out + 4);
        else guest.view.setUint8(out, 0);
      },
      "compare-and-set": (
        at: number,
        length: number,
        hasExpected: number,
        expectedAt: number,
        expectedLength: number,
        from: number,
        size: number,
        life: number,
        ms: bigint,
        out: number,
      ) => {
        const guest = memory();
        const result = services.store.compareAndSet(
          key.in(guest, at, length),
          hasExpected === 0 ? undefined : expected.in(guest, expectedAt, expectedLength),
          value.in(guest, from, size),
          lifetimeOf(life, ms),
        );
        storeExchanged(guest, result, out);
      },
      add: (at: number, length: number, amount: bigint, life: number, ms: bigint, out: number) => {
        const guest = memory();
        const result = services.store.add(key.in(guest, at, length), amount, lifetimeOf(life, ms));
        if (typeof result === "string") return storeFault(guest, result, out, out + 8);
        const { view } = guest;
        view.setUint8(out, 0);
        view.setBigInt64(out + 8, result, true);
      },
    },
  };
}

export function referenceStore(services: Services): Record<string, Record<string, unknown>> {
  const whole = (bytes: Uint8Array): Part => new Range().of(bytes, 0, bytes.length);
  return {
    "sluice:filter/store": {
      get: (key: Uint8Array) => answered(services.store.get(whole(key))),
      set: (key: Uint8Array, value: Uint8Array, lifetime: JcoLifetime) =>
        answered(services.store.set(whole(key), whole(value), msOf(lifetime))),
      delete: (key: Uint8Array) => answered(services.store.delete(whole(key))),
      compareAndSet: (
        key: Uint8Array,
        expected: Uint8Array | undefined,
        value: Uint8Array,
        lifetime: JcoLifetime,
      ) => {
        const before = expected === undefined ? undefined : whole(expected);
        const result = services.store.compareAndSet(whole(key), before, whole(value), msOf(lifetime));
        if (result === STORED) return { tag: "stored" };
        return { tag: "found", val: answered(result).found };
      },
      add: (key: Uint8Array, amount: bigint, lifetime: JcoLifetime) =>
        answered(services.store.add(whole(key), amount, msOf(lifetime))),
    },
  };
}

/** A fault as jco takes a result's error: from the exception's payload. */
export class StoreRefused extends Error {
  readonly payload: object;

  constructor(fault: StoreFault) {
    super(fault);
    const sentence = SENTENCES[fault];
    this.payload = sentence === undefined ? { tag: fault } : { tag: "other", val: sentence };
  }
}

/** `result<_, store.error>` with an error, whose variant begins at `at`. */
export function storeFault(guest: GuestMemory, fault: StoreFault, out: number, at: number): void {
  const { view } = guest;
  view.setUint8(out, 1);
  const sentence = SENTENCES[fault];
  view.setUint8(at, sentence === undefined ? FAULTS.indexOf(fault) : FAULTS.length);
  if (sentence !== undefined) guest.storeUtf8(sentence, at + 4);
}

export function storeExchanged(guest: GuestMemory, result: Exchanged | StoreFault, out: number): void {
  if (typeof result === "string" && result !== STORED) return storeFault(guest, result, out, out + 4);
  guest.view.setUint8(out, 0);
  guest.view.setUint8(out + 4, result === STORED ? 0 : 1);
  if (result !== STORED) storeOption(guest, result.found, out + 8);
}

/** option<list<u8>>. */
export function storeOption(guest: GuestMemory, value: Uint8Array | undefined, out: number): void {
  guest.view.setUint8(out, value === undefined ? 0 : 1);
  if (value !== undefined) guest.storeBytes(value, out + 4);
}

/** Milliseconds; infinite without a bound. */
export function lifetimeOf(tag: number, ms: bigint): number {
  if (tag === 0) return Number.POSITIVE_INFINITY;
  // Beyond the half of what it holds, a u64 comes as a number below zero.
  if (tag === 1) return Number(ms < 0n ? BigInt.asUintN(64, ms) : ms);
  throw new GuestTrap(`${tag} is no case of a lifetime`);
}

type JcoLifetime = { readonly tag: "unbounded" } | { readonly tag: "ms"; readonly val: bigint };

function msOf(lifetime: JcoLifetime): number {
  return lifetime.tag === "ms" ? Number(lifetime.val) : Number.POSITIVE_INFINITY;
}

function answered<Answer>(answer: Answer | StoreFault): Exclude<Answer, StoreFault> {
  if (isFault(answer)) throw new StoreRefused(answer);
  return answer as Exclude<Answer, StoreFault>;
}

function isFault(answer: unknown): answer is StoreFault {
  return typeof answer === "string";
}

/** WIT `store.error`, in the order of its cases; what is none of them is its `other`. */
const FAULTS: readonly StoreFault[] = ["full", "too-large", "wrong-type", "unavailable"];

const SENTENCES: Readonly<Partial<Record<StoreFault, string>>> = {
  overflow: "the counter is full",
  "bad-rate": "limit, period and burst are at least 1",
};

const NOTHING = new Uint8Array(0);
