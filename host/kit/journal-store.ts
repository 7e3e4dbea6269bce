import type { Exchanged, Part, Space, StoreFault } from "../store/store.ts";
import { SharedStore } from "../store/shared-store.ts";
import type { StillClock } from "./still-clock.ts";

/** The host's own store, which remembers what keys it was given, so that it can be read and emptied. Its time is the exchange's. */
export class JournalStore extends SharedStore {
  readonly #clock: StillClock;
  readonly #keys = new Map<string, { readonly space: Space; readonly key: Part }>();

  constructor(clock: StillClock) {
    super(SharedStore.memory(STORE_BYTES), 1);
    this.#clock = clock;
  }

  override time(): number {
    return Math.floor(this.#clock.performanceMs() * 1e6);
  }

  override set(space: Space, key: Part, value: Part, expires: number, now: number): undefined | StoreFault {
    this.#note(space, key);
    return super.set(space, key, value, expires, now);
  }

  override compareAndSet(
    space: Space,
    key: Part,
    expected: Part | undefined,
    value: Part,
    expires: number,
    now: number,
  ): Exchanged | StoreFault {
    this.#note(space, key);
    return super.compareAndSet(space, key, expected, value, expires, now);
  }

  override add(space: Space, key: Part, amount: bigint, expires: number, now: number): bigint | StoreFault {
    this.#note(space, key);
    return super.add(space, key, amount, expires, now);
  }

  override take(...args: Parameters<SharedStore["take"]>): number | StoreFault {
    this.#note(args[0], args[1]);
    return super.take(...args);
  }

  /** What is under the keys of a space, in the order in which they came. */
  contents(of: Space): [key: Buffer, value: Buffer][] {
    const found: [Buffer, Buffer][] = [];
    for (const { space, key } of this.#keys.values()) {
      if (space.high !== of.high || space.low !== of.low) continue;
      const value = this.get(space, key, this.time());
      if (value instanceof Uint8Array) found.push([Buffer.from(key.bytes), Buffer.from(value)]);
    }
    return found;
  }

  /** As it was when it was made. */
  clear(): void {
    for (const { space, key } of this.#keys.values()) this.delete(space, key);
    this.#keys.clear();
  }

  #note(space: Space, { bytes, at, length }: Part): void {
    const own = Buffer.from(bytes.subarray(at, at + length));
    this.#keys.set(`${space.high} ${space.low} ${own.toString("latin1")}`, {
      space,
      key: { bytes: own, at: 0, length },
    });
  }
}

/** The least that the host's own configuration allows. */
const STORE_BYTES = 4 * 1_048_576;
