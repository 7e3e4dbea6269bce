import { createHash, randomBytes } from "node:crypto";
import { ShardLock } from "./shard-lock.ts";
import { BLOCK_WORDS } from "./entry-data.ts";
import { HEAD_WORDS, type NewEntry, Shard, type ShardPlace } from "./shard.ts";
import {
  type CellRate,
  type Exchanged,
  type Part,
  type Space,
  type Store,
  type StoreFault,
  STORED,
} from "./store.ts";

/**
 * The store that comes with the host: shared memory of all its threads, of a fixed size.
 *
 * Keys are spread over shards, each with a lock of its own, so that workers seldom meet. What a thread that ends within a
 * change leaves behind is put in order by whoever sees its end: the change has happened or it has not.
 */
export class SharedStore implements Store {
  readonly #shards: readonly Shard[];
  readonly #locks: readonly ShardLock[];
  readonly #mask: number;
  readonly #seed: number;
  readonly #owner: number;
  /** From this thread's `performance.now()` to milliseconds since the store was made. */
  readonly #offsetMs: number;
  /** A lock may have been left held by an exception: a guest can use up the stack at any point. */
  #broken = false;

  /** `owner` is the id of this thread, unlike that of any other one before it. */
  constructor(buffer: SharedArrayBuffer, owner: number) {
    const words = new Int32Array(buffer);
    const views = {
      words,
      bytes: new Uint8Array(buffer),
      times: new Float64Array(buffer),
      numbers: new BigInt64Array(buffer),
    };
    const places = placesIn(buffer.byteLength);
    this.#shards = places.map((place) => new Shard(views, place));
    this.#locks = places.map(({ at }) => new ShardLock(words, at, owner));
    this.#mask = places.length - 1;
    this.#seed = words[SEED] as number;
    this.#owner = owner;
    const began = views.numbers[BEGAN >>> 1] as bigint;
    this.#offsetMs = Number(process.hrtime.bigint() - began) / 1e6 - performance.now();
  }

  /** Memory that a store can live in. The system gives it when it is used. */
  static memory(bytes: number): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(Math.floor(bytes / 8) * 8);
    // Whoever chooses keys must not choose the shard or the bucket that they fall into.
    new Int32Array(buffer)[SEED] = randomBytes(4).readInt32LE();
    new BigInt64Array(buffer)[BEGAN >>> 1] = process.hrtime.bigint();
    return buffer;
  }

  time(performanceMs: number): number {
    return Math.floor((performanceMs + this.#offsetMs) * 1e6);
  }

  get(space: Space, key: Part, now: number): Uint8Array | undefined | StoreFault {
    const hash = this.#hash(space, key);
    const lock = this.#lock(hash);
    try {
      if (!lock.take()) return "unavailable";
      const shard = this.#shard(hash);
      const entry = live(shard, space, key, hash, now);
      const value = entry === 0 ? undefined : bytesOf(shard, entry);
      lock.release();
      return value;
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  set(space: Space, key: Part, value: Part, expires: number, now: number): undefined | StoreFault {
    const hash = this.#hash(space, key);
    const lock = this.#lock(hash);
    try {
      if (!lock.take()) return "unavailable";
      const shard = this.#shard(hash);
      const old = shard.find(space, key, hash);
      const made = { kind: BYTES, value, number: 0n, expires };
      const fault = put(shard, old, space, key, hash, made, now);
      lock.release();
      return fault;
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  delete(space: Space, key: Part): undefined | StoreFault {
    const hash = this.#hash(space, key);
    const lock = this.#lock(hash);
    try {
      if (!lock.take()) return "unavailable";
      const shard = this.#shard(hash);
      const entry = shard.find(space, key, hash);
      if (entry !== 0) shard.remove(entry);
      lock.release();
      return undefined;
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  compareAndSet(
    space: Space,
    key: Part,
    expected: Part | undefined,
    value: Part,
    expires: number,
    now: number,
  ): Exchanged | StoreFault {
    const hash = this.#hash(space, key);
    const lock = this.#lock(hash);
    try {
      if (!lock.take()) return "unavailable";
      const shard = this.#shard(hash);
      const old = shard.find(space, key, hash);
      const present = old === 0 || shard.expires(old) <= now ? undefined : bytesOf(shard, old);
      let result: Exchanged | StoreFault = { found: present };
      if (equal(present, expected)) {
        const made = { kind: BYTES, value, number: 0n, expires };
        result = put(shard, old, space, key, hash, made, now) ?? STORED;
      }
      lock.release();
      return result;
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  add(space: Space, key: Part, amount: bigint, expires: number, now: number): bigint | StoreFault {
    const hash = this.#hash(space, key);
    const lock = this.#lock(hash);
    try {
      if (!lock.take()) return "unavailable";
      const result = added(this.#shard(hash), space, key, hash, amount, expires, now);
      lock.release();
      return result;
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  take(space: Space, key: Part, rate: CellRate, now: number): number | StoreFault {
    const hash = this.#hash(space, key);
    const lock = this.#lock(hash);
    try {
      if (!lock.take()) return "unavailable";
      const result = taken(this.#shard(hash), space, key, hash, rate, now);
      lock.release();
      return result;
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  repair(): void {
    if (this.#broken) this.recover(this.#owner);
    this.#broken = false;
  }

  /** Puts in order what a thread that is no more has held. */
  recover(owner: number): void {
    this.#locks.forEach((lock, index) => {
      if (!lock.heldBy(owner)) return;
      (this.#shards[index] as Shard).rebuild();
      lock.release();
    });
  }

  /** As far as it can be told without stopping anybody. */
  usage(): { readonly entries: number; readonly bytes: number } {
    let entries = 0;
    let bytes = 0;
    for (const shard of this.#shards) {
      entries += shard.entries;
      bytes += shard.usedBytes;
    }
    return { entries, bytes };
  }

  #shard(hash: number): Shard {
    return this.#shards[(hash >>> SHARD_SHIFT) & this.#mask] as Shard;
  }

  #lock(hash: number): ShardLock {
    if (this.#broken) this.repair();
    return this.#locks[(hash >>> SHARD_SHIFT) & this.#mask] as ShardLock;
  }

  /** MurmurHash3. */
  #hash(space: Space, { bytes, at, length }: Part): number {
    let hash = this.#seed ^ space.low;
    const whole = at + (length & ~3);
    let index = at;
    for (; index < whole; index += 4) {
      const word =
        (bytes[index] as number) |
        ((bytes[index + 1] as number) << 8) |
        ((bytes[index + 2] as number) << 16) |
        ((bytes[index + 3] as number) << 24);
      hash ^= scrambled(word);
      hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
    }
    let rest = 0;
    for (let last = at + length - 1; last >= index; last--) rest = (rest << 8) | (bytes[last] as number);
    hash ^= scrambled(rest) ^ length;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) | 0;
  }
}

/** The space of a name: no two names have one in common. */
export function spaceOf(name: string): Space {
  const digest = createHash("sha256").update(name).digest();
  return { high: digest.readInt32LE(0), low: digest.readInt32LE(4) };
}

function live(shard: Shard, space: Space, key: Part, hash: number, now: number): number {
  const entry = shard.find(space, key, hash);
  return entry !== 0 && shard.expires(entry) > now ? entry : 0;
}

function put(
  shard: Shard,
  old: number,
  space: Space,
  key: Part,
  hash: number,
  made: NewEntry,
  now: number,
): undefined | StoreFault {
  return shard.put(old, space, key, hash, made, now) ? undefined : "full";
}

function added(
  shard: Shard,
  space: Space,
  key: Part,
  hash: number,
  amount: bigint,
  expires: number,
  now: number,
): bigint | StoreFault {
  const entry = shard.find(space, key, hash);
  if (entry !== 0 && shard.expires(entry) > now) {
    if (shard.kind(entry) !== COUNTER) return "wrong-type";
    const sum = shard.number(entry) + amount;
    if (sum > COUNTER_MAX || sum < COUNTER_MIN) return "overflow";
    shard.setNumber(entry, sum);
    return sum;
  }
  if (entry !== 0 && shard.kind(entry) === COUNTER) {
    // Until the second write it has still expired.
    shard.setNumber(entry, amount);
    shard.prolong(entry, expires);
    return amount;
  }
  const made = { kind: COUNTER, value: NOTHING, number: amount, expires };
  return put(shard, entry, space, key, hash, made, now) ?? amount;
}

/** An allowance is one number: the time at which it would be whole again, and from which on nobody has to remember it. */
function taken(
  shard: Shard,
  space: Space,
  key: Part,
  hash: number,
  { interval, room, cost }: CellRate,
  now: number,
): number | StoreFault {
  const entry = shard.find(space, key, hash);
  const whole = entry === 0 ? now : Math.max(shard.expires(entry), now);
  const next = whole + interval * cost;
  const ahead = next - now;
  if (ahead > room + SLACK_NS) return room - ahead;
  if (cost > 0) {
    // An allowance that is whole again is like none, and its place is taken for the new one.
    if (entry !== 0) shard.prolong(entry, next);
    else {
      const made = { kind: ALLOWANCE, value: NOTHING, number: 0n, expires: next };
      const fault = put(shard, 0, space, key, hash, made, now);
      if (fault !== undefined) return fault;
    }
  }
  return Math.max(0, Math.floor((room - ahead) / interval));
}

function bytesOf(shard: Shard, entry: number): Uint8Array {
  return shard.kind(entry) === COUNTER ? Buffer.from(shard.number(entry).toString()) : shard.value(entry);
}

function equal(present: Uint8Array | undefined, expected: Part | undefined): boolean {
  if (present === undefined || expected === undefined) return present === expected;
  const { bytes, at, length } = expected;
  return Buffer.compare(present, bytes.subarray(at, at + length)) === 0;
}

function scrambled(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

/** As many shards as find room for the longest value, and no more than there can be threads. */
function placesIn(bytes: number): ShardPlace[] {
  const words = Math.floor(bytes / 4) - MEMORY_HEAD_WORDS;
  const count = 2 ** Math.min(6, Math.max(0, Math.floor(Math.log2(bytes / SHARD_BYTES_MIN))));
  const each = Math.floor(words / count) & ~1;
  const buckets = 2 ** Math.floor(Math.log2(each / BLOCK_WORDS));
  const blocks = Math.floor((each - HEAD_WORDS - buckets) / BLOCK_WORDS);
  return Array.from({ length: count }, (_, index) => ({
    at: MEMORY_HEAD_WORDS + index * each,
    buckets,
    blocks,
  }));
}

const SHARD_BYTES_MIN = 4 * 1_048_576;

// Words of the memory's head.
const SEED = 0;
/** Two words. */
const BEGAN = 2;
const MEMORY_HEAD_WORDS = 16;

/** Buckets take the low bits of a hash, shards some of the others. */
const SHARD_SHIFT = 24;

const BYTES = 0;
const COUNTER = 1;
const ALLOWANCE = 2;

/** Beyond some months a double has no whole nanoseconds any more. */
const SLACK_NS = 16;

const COUNTER_MAX = 2n ** 63n - 1n;
const COUNTER_MIN = -(2n ** 63n);

const NOTHING: Part = { bytes: new Uint8Array(0), at: 0, length: 0 };
