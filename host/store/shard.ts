import { BLOCK_BYTES, BLOCK_WORDS, blocksFor, EntryData, NEXT, type StoreViews } from "./entry-data.ts";
import type { Part, Space } from "./store.ts";

/** Where a shard is, in words, and how large. */
export interface ShardPlace {
  readonly at: number;
  /** A power of two. */
  readonly buckets: number;
  readonly blocks: number;
}

/**
 * A part of a store: a hash table whose entries are chains of blocks of one size, so that memory never falls to pieces.
 *
 * Nothing here locks. A thread may end between any two writes, and then `rebuild` makes a whole table again of the entries:
 * an entry counts from the one write that makes its state ENTRY to the one that takes it away, and of two with one key the
 * later one. Only where there is no room for two the old value goes before the new one comes.
 */
export class Shard {
  readonly #views: StoreViews;
  readonly #words: Int32Array;
  readonly #head: number;
  readonly #buckets: number;
  readonly #bucketMask: number;
  /** One block before the first: blocks are numbered from 1, so that 0 is none. */
  readonly #origin: number;
  readonly #blocks: number;
  readonly #data: EntryData;
  /** The one before the entry that `find` has found, in its bucket. */
  #before = 0;

  constructor(views: StoreViews, place: ShardPlace) {
    this.#views = views;
    this.#words = views.words;
    this.#head = place.at;
    this.#buckets = place.at + HEAD_WORDS;
    this.#bucketMask = place.buckets - 1;
    this.#origin = this.#buckets + place.buckets - BLOCK_WORDS;
    this.#blocks = place.blocks;
    this.#data = new EntryData(views, this.#origin);
  }

  get entries(): number {
    return this.#words[this.#head + ENTRIES] as number;
  }

  get usedBytes(): number {
    return (this.#words[this.#head + USED] as number) * BLOCK_BYTES;
  }

  /** The entry of a key, expired or not; 0 when there is none. */
  find(space: Space, key: Part, hash: number): number {
    const words = this.#words;
    let before = 0;
    let entry = words[this.#buckets + (hash & this.#bucketMask)] as number;
    while (entry !== 0) {
      const at = this.#origin + entry * BLOCK_WORDS;
      if (words[at + HASH] === hash && words[at + STATE] === ENTRY && this.#isOf(entry, at, space, key)) {
        this.#before = before;
        return entry;
      }
      before = entry;
      entry = words[at + CHAIN] as number;
    }
    return 0;
  }

  kind(entry: number): number {
    return this.#words[this.#origin + entry * BLOCK_WORDS + KIND] as number;
  }

  expires(entry: number): number {
    return this.#views.times[(this.#origin + entry * BLOCK_WORDS + EXPIRES) >>> 1] as number;
  }

  prolong(entry: number, expires: number): void {
    this.#views.times[(this.#origin + entry * BLOCK_WORDS + EXPIRES) >>> 1] = expires;
  }

  number(entry: number): bigint {
    return this.#views.numbers[(this.#origin + entry * BLOCK_WORDS + NUMBER) >>> 1] as bigint;
  }

  setNumber(entry: number, value: bigint): void {
    this.#views.numbers[(this.#origin + entry * BLOCK_WORDS + NUMBER) >>> 1] = value;
  }

  /** A copy of the value. */
  value(entry: number): Uint8Array {
    const at = this.#origin + entry * BLOCK_WORDS;
    return this.#data.read(
      entry,
      this.#words[at + KEY_LENGTH] as number,
      this.#words[at + VALUE_LENGTH] as number,
    );
  }

  /**
   * Puts an entry in the place of `old`, which `find` has found just now; 0 for none. False when there is no room, also not
   * after all that has expired is gone: then nothing has changed.
   */
  put(old: number, space: Space, key: Part, hash: number, made: NewEntry, now: number): boolean {
    const needed = blocksFor(key.length + made.value.length);
    const before = this.#before;
    if (this.#left < needed) {
      // What has expired goes first, then what would be replaced anyway.
      this.#sweep(now, old);
      const own = old === 0 ? 0 : this.#lengthOf(old);
      if (this.#left + own < needed) return false;
      if (this.#left < needed) {
        this.find(space, key, hash);
        this.remove(old);
        this.#insert(needed, space, key, hash, made);
        return true;
      }
      this.#insert(needed, space, key, hash, made);
      if (old !== 0) this.#removeAnywhere(old);
      return true;
    }
    const fresh = this.#insert(needed, space, key, hash, made);
    if (old !== 0) {
      // The new one stands first in the bucket now.
      this.#before = before === 0 ? fresh : before;
      this.remove(old);
    }
    return true;
  }

  /** Removes the entry that `find` has found just now. */
  remove(entry: number): void {
    const words = this.#words;
    const at = this.#origin + entry * BLOCK_WORDS;
    const next = words[at + CHAIN] as number;
    words[at + STATE] = FREE;
    if (this.#before === 0) words[this.#buckets + ((words[at + HASH] as number) & this.#bucketMask)] = next;
    else words[this.#origin + this.#before * BLOCK_WORDS + CHAIN] = next;
    let last = entry;
    let count = 1;
    for (;;) {
      const following = words[this.#origin + last * BLOCK_WORDS + NEXT] as number;
      if (following === 0) break;
      last = following;
      count += 1;
    }
    words[this.#origin + last * BLOCK_WORDS + NEXT] = words[this.#head + FREED] as number;
    words[this.#head + FREED] = entry;
    words[this.#head + USED] = (words[this.#head + USED] as number) - count;
    words[this.#head + ENTRIES] = this.entries - 1;
  }

  /** Makes a whole table of the entries that there are, whatever a thread has left half done. */
  rebuild(): void {
    const words = this.#words;
    for (let bucket = 0; bucket <= this.#bucketMask; bucket++) words[this.#buckets + bucket] = 0;
    // One that was taken from the heap and not counted yet is among them.
    const fresh = Math.min(words[this.#head + FRESH] as number, this.#blocks);
    let entries = 0;
    for (let block = 1; block <= fresh; block++) {
      const at = this.#origin + block * BLOCK_WORDS;
      if (words[at + STATE] !== ENTRY) continue;
      entries += this.#relink(block, at) ? 1 : 0;
    }
    const taken = new Uint8Array(fresh + 1);
    let used = 0;
    for (let block = 1; block <= fresh; block++) {
      if (words[this.#origin + block * BLOCK_WORDS + STATE] !== ENTRY) continue;
      for (let part = block; part !== 0; part = words[this.#origin + part * BLOCK_WORDS + NEXT] as number) {
        taken[part] = 1;
        used += 1;
      }
    }
    let freed = 0;
    for (let block = fresh; block >= 1; block--) {
      if (taken[block] === 1) continue;
      words[this.#origin + block * BLOCK_WORDS + NEXT] = freed;
      freed = block;
    }
    words[this.#head + FREED] = freed;
    words[this.#head + USED] = used;
    words[this.#head + ENTRIES] = entries;
    // Nobody knows any more when the first one expires: it is looked for when there is need of room.
    this.#views.times[(this.#head + FIRST_EXPIRY) >>> 1] = 0;
  }

  get #left(): number {
    return this.#blocks - (this.#words[this.#head + USED] as number);
  }

  /** There is room for it. */
  #insert(needed: number, space: Space, key: Part, hash: number, made: NewEntry): number {
    const words = this.#words;
    const entry = this.#allocate(needed);
    const at = this.#origin + entry * BLOCK_WORDS;
    const sequence = ((words[this.#head + SEQUENCE] as number) + 1) | 0;
    words[this.#head + SEQUENCE] = sequence;
    words[at + HASH] = hash;
    words[at + SPACE_HIGH] = space.high;
    words[at + SPACE_LOW] = space.low;
    words[at + KEY_LENGTH] = key.length;
    words[at + VALUE_LENGTH] = made.value.length;
    words[at + KIND] = made.kind;
    words[at + ORDER] = sequence;
    this.prolong(entry, made.expires);
    this.setNumber(entry, made.number);
    this.#data.write(entry, 0, key);
    if (made.value.length > 0) this.#data.write(entry, key.length, made.value);
    const first = (this.#head + FIRST_EXPIRY) >>> 1;
    if (made.expires < (this.#views.times[first] as number)) this.#views.times[first] = made.expires;
    const bucket = this.#buckets + (hash & this.#bucketMask);
    words[at + CHAIN] = words[bucket] as number;
    words[bucket] = entry;
    words[at + STATE] = ENTRY;
    words[this.#head + ENTRIES] = this.entries + 1;
    return entry;
  }

  /** A chain of blocks, linked by NEXT. */
  #allocate(needed: number): number {
    const words = this.#words;
    let chain = 0;
    for (let count = 0; count < needed; count++) {
      let block = words[this.#head + FREED] as number;
      if (block === 0) {
        block = (words[this.#head + FRESH] as number) + 1;
        words[this.#head + FRESH] = block;
      } else {
        words[this.#head + FREED] = words[this.#origin + block * BLOCK_WORDS + NEXT] as number;
      }
      words[this.#origin + block * BLOCK_WORDS + NEXT] = chain;
      chain = block;
    }
    words[this.#head + USED] = (words[this.#head + USED] as number) + needed;
    return chain;
  }

  /** Removes what has expired, but for `spared`. Looks at nothing when nothing can have. */
  #sweep(now: number, spared: number): void {
    const first = (this.#head + FIRST_EXPIRY) >>> 1;
    if ((this.#views.times[first] as number) > now) return;
    const fresh = this.#words[this.#head + FRESH] as number;
    let next = Number.POSITIVE_INFINITY;
    for (let block = 1; block <= fresh; block++) {
      if (this.#words[this.#origin + block * BLOCK_WORDS + STATE] !== ENTRY) continue;
      const expires = this.expires(block);
      if (expires <= now && block !== spared) this.#removeAnywhere(block);
      else if (expires < next) next = expires;
    }
    this.#views.times[first] = next;
  }

  #removeAnywhere(entry: number): void {
    const words = this.#words;
    const hash = words[this.#origin + entry * BLOCK_WORDS + HASH] as number;
    let before = 0;
    let other = words[this.#buckets + (hash & this.#bucketMask)] as number;
    while (other !== entry) {
      before = other;
      other = words[this.#origin + other * BLOCK_WORDS + CHAIN] as number;
    }
    this.#before = before;
    this.remove(entry);
  }

  /** Puts an entry into its bucket; false when the bucket has a later one of the same key. */
  #relink(entry: number, at: number): boolean {
    const words = this.#words;
    const hash = words[at + HASH] as number;
    const length = words[at + KEY_LENGTH] as number;
    const key = this.#data.read(entry, 0, length);
    const space = { high: words[at + SPACE_HIGH] as number, low: words[at + SPACE_LOW] as number };
    const other = this.find(space, { bytes: key, at: 0, length }, hash);
    const bucket = this.#buckets + (hash & this.#bucketMask);
    if (other !== 0) {
      const otherAt = this.#origin + other * BLOCK_WORDS;
      // Numbers of entries go round.
      const later = (((words[at + ORDER] as number) - (words[otherAt + ORDER] as number)) | 0) > 0;
      if (!later) {
        words[at + STATE] = FREE;
        return false;
      }
      words[otherAt + STATE] = FREE;
      const next = words[otherAt + CHAIN] as number;
      if (this.#before === 0) words[bucket] = next;
      else words[this.#origin + this.#before * BLOCK_WORDS + CHAIN] = next;
    }
    words[at + CHAIN] = words[bucket] as number;
    words[bucket] = entry;
    return other === 0;
  }

  #lengthOf(entry: number): number {
    const at = this.#origin + entry * BLOCK_WORDS;
    return blocksFor((this.#words[at + KEY_LENGTH] as number) + (this.#words[at + VALUE_LENGTH] as number));
  }

  #isOf(entry: number, at: number, space: Space, key: Part): boolean {
    const words = this.#words;
    if (words[at + KEY_LENGTH] !== key.length) return false;
    if (words[at + SPACE_HIGH] !== space.high || words[at + SPACE_LOW] !== space.low) return false;
    return this.#data.beginsLike(entry, key);
  }
}

/** What an entry is made of, beside its key. */
export interface NewEntry {
  readonly kind: number;
  readonly value: Part;
  readonly number: bigint;
  readonly expires: number;
}

/** Words that a shard takes beside its buckets and blocks. */
export const HEAD_WORDS = 16;

// Words of a shard's head. The first one is its lock.
const FREED = 1;
/** How many blocks have ever been used: those behind them are still as the system has given them, and take no memory. */
const FRESH = 2;
const USED = 3;
const ENTRIES = 4;
const SEQUENCE = 5;
/** Two words. Nothing expires before. */
const FIRST_EXPIRY = 6;

// Words of an entry's first block, which end where its data begins. Those behind it have NEXT at the same place.
const STATE = 0;
const CHAIN = 2;
const HASH = 3;
const SPACE_HIGH = 4;
const SPACE_LOW = 5;
const KEY_LENGTH = 6;
const VALUE_LENGTH = 7;
const KIND = 8;
const ORDER = 9;
/** Two words. */
const EXPIRES = 10;
/** Two words. */
const NUMBER = 12;
const FREE = 0;
const ENTRY = 2;
