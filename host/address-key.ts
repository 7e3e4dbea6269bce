import { createHmac, randomBytes } from "node:crypto";
import type { AddressHasher } from "./client-address.ts";

/**
 * The key that clients' addresses are hashed with. It is in memory that all threads of the process share, and nowhere else: the main thread
 * makes another one each day at midnight, UTC, and with the old one goes the way from names in logs back to clients.
 */
export class AddressKey implements AddressHasher {
  readonly #day: Int32Array;
  readonly #shared: Uint8Array;
  /** A copy, so that no hash is made of one half of a key and another of the next. */
  #key = Buffer.alloc(KEY_BYTES);
  #keyDay = -1;

  constructor(memory: SharedArrayBuffer) {
    this.#day = new Int32Array(memory, 0, 1);
    this.#shared = new Uint8Array(memory, DAY_BYTES, KEY_BYTES);
  }

  /** For the main thread; the first key is in it. */
  static memory(nowMs: number = Date.now()): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(DAY_BYTES + KEY_BYTES);
    new AddressKey(memory).renew(nowMs);
    return memory;
  }

  /** In days since 1970. */
  get day(): number {
    return Atomics.load(this.#day, 0);
  }

  /** For the main thread, to be called now and then: makes another key when another day has begun. */
  renew(nowMs: number): void {
    const day = Math.floor(nowMs / DAY_MS);
    if (day === this.day) return;
    this.#shared.set(randomBytes(KEY_BYTES));
    // Whoever sees the day sees the key.
    Atomics.store(this.#day, 0, day);
  }

  hash(text: string): string {
    const { day } = this;
    if (day !== this.#keyDay) {
      this.#key = Buffer.from(this.#shared);
      this.#keyDay = day;
    }
    return createHmac("sha256", this.#key)
      .update(text)
      .digest()
      .subarray(0, NAME_BYTES)
      .toString("base64url");
  }
}

const DAY_BYTES = 4;
const KEY_BYTES = 32;
const DAY_MS = 86_400_000;

/** Enough that no two clients of a day have the same name. */
const NAME_BYTES = 12;
