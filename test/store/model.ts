import { spaceOf } from "../../host/store/shared-store.ts";
import type { Exchanged, Part, Space, Store, StoreFault } from "../../host/store/store.ts";

/** A store as one would write it without threads: what the real one has to agree with. */
export class Model {
  readonly #entries = new Map<string, { value: string | bigint; expires: number }>();

  #live(key: string, now: number): { value: string | bigint; expires: number } | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expires > now ? entry : undefined;
  }

  get(key: string, now: number): string | undefined {
    return this.#live(key, now)?.value.toString();
  }

  set(key: string, value: string, expires: number, _now: number): undefined {
    this.#entries.set(key, { value, expires });
  }

  delete(key: string): undefined {
    this.#entries.delete(key);
  }

  exchange(key: string, expected: string | undefined, value: string, expires: number, now: number): unknown {
    const present = this.get(key, now);
    if (present !== expected) return { found: present };
    this.set(key, value, expires, now);
    return "stored";
  }

  add(key: string, amount: bigint, expires: number, now: number): bigint | StoreFault {
    const entry = this.#live(key, now);
    if (entry === undefined) {
      this.#entries.set(key, { value: amount, expires });
      return amount;
    }
    if (typeof entry.value === "string") return "wrong-type";
    const sum = entry.value + amount;
    if (BigInt.asIntN(64, sum) !== sum) return "overflow";
    entry.value = sum;
    return sum;
  }
}

const SPACE: Space = spaceOf("test");

/** A real store with texts for keys and values. */
export class Texts {
  readonly #store: Store;
  readonly #space: Space;

  constructor(store: Store, space: Space = SPACE) {
    this.#store = store;
    this.#space = space;
  }

  get(key: string, now = 0): string | undefined {
    const value = this.#store.get(this.#space, part(key), now);
    return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value;
  }

  set(
    key: string,
    value: string,
    expires: number = Number.POSITIVE_INFINITY,
    now = 0,
  ): undefined | StoreFault {
    return this.#store.set(this.#space, part(key), part(value), expires, now);
  }

  delete(key: string): undefined | StoreFault {
    return this.#store.delete(this.#space, part(key), 0);
  }

  exchange(key: string, expected: string | undefined, value: string, expires: number, now: number): unknown {
    const before = expected === undefined ? undefined : part(expected);
    const result: Exchanged | StoreFault = this.#store.compareAndSet(
      this.#space,
      part(key),
      before,
      part(value),
      expires,
      now,
    );
    if (typeof result === "string") return result;
    return { found: result.found === undefined ? undefined : Buffer.from(result.found).toString("latin1") };
  }

  add(key: string, amount: bigint, expires: number = Number.POSITIVE_INFINITY, now = 0): bigint | StoreFault {
    return this.#store.add(this.#space, part(key), amount, expires, now);
  }

  take(key: string, interval: number, burst: number, cost: number, now: number): number | StoreFault {
    return this.#store.take(this.#space, part(key), { interval, room: interval * burst, cost }, now);
  }
}

/** In the middle of other bytes, as it is in a guest's memory. */
export function part(text: string): Part {
  return { bytes: Buffer.from(`before${text}behind`, "latin1"), at: 6, length: text.length };
}
