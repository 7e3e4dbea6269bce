import type { Part } from "./store.ts";

/** The memory of a store, seen in the ways that it is used. Bytes of a number are in its own order: no other machine sees them. */
export interface StoreViews {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly times: Float64Array;
  readonly numbers: BigInt64Array;
}

/** The data of entries: a key and behind it a value, from one block of a chain to the next. */
export class EntryData {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #origin: number;

  /** `origin` is the word at which block 0 would be; blocks are numbered from 1. */
  constructor({ words, bytes }: StoreViews, origin: number) {
    this.#words = words;
    this.#bytes = bytes;
    this.#origin = origin;
  }

  /** A copy. */
  read(entry: number, offset: number, length: number): Uint8Array {
    const data = new Uint8Array(length);
    this.#eachSpan(entry, offset, length, (from, done, count) =>
      data.set(this.#bytes.subarray(from, from + count), done),
    );
    return data;
  }

  write(entry: number, offset: number, { bytes, at, length }: Part): void {
    if (offset + length > HEAD_DATA_BYTES) {
      this.#eachSpan(entry, offset, length, (to, done, count) =>
        this.#bytes.set(bytes.subarray(at + done, at + done + count), to),
      );
      return;
    }
    // A loop beats a copy by a native call where there is so little.
    const to = ((this.#origin + entry * BLOCK_WORDS + HEAD_DATA) << 2) + offset;
    for (let index = 0; index < length; index++) this.#bytes[to + index] = bytes[at + index] as number;
  }

  beginsLike(entry: number, { bytes, at, length }: Part): boolean {
    const from = (this.#origin + entry * BLOCK_WORDS + HEAD_DATA) << 2;
    const short = length < HEAD_DATA_BYTES ? length : HEAD_DATA_BYTES;
    for (let index = 0; index < short; index++)
      if (this.#bytes[from + index] !== bytes[at + index]) return false;
    if (length <= HEAD_DATA_BYTES) return true;
    const rest = this.read(entry, HEAD_DATA_BYTES, length - HEAD_DATA_BYTES);
    return rest.every((byte, index) => byte === bytes[at + HEAD_DATA_BYTES + index]);
  }

  /** The places in memory of a part of the data. */
  #eachSpan(
    entry: number,
    offset: number,
    length: number,
    visit: (at: number, done: number, count: number) => void,
  ): void {
    let block = entry;
    let skip = offset;
    let start = HEAD_DATA << 2;
    let room = HEAD_DATA_BYTES;
    let done = 0;
    while (done < length) {
      const at = this.#origin + block * BLOCK_WORDS;
      if (skip < room) {
        const count = Math.min(room - skip, length - done);
        visit((at << 2) + start + skip, done, count);
        done += count;
        skip = 0;
      } else {
        skip -= room;
      }
      block = this.#words[at + NEXT] as number;
      start = TAIL_DATA << 2;
      room = TAIL_DATA_BYTES;
    }
  }
}

export const BLOCK_WORDS = 32;
export const BLOCK_BYTES: number = BLOCK_WORDS * 4;

/** How many blocks so many bytes of key and value take. */
export function blocksFor(bytes: number): number {
  return bytes <= HEAD_DATA_BYTES ? 1 : 1 + Math.ceil((bytes - HEAD_DATA_BYTES) / TAIL_DATA_BYTES);
}

/** The word of any block that names the next one of its chain. */
export const NEXT = 1;

/** The word of an entry's first block at which data begins, and that of the blocks behind it. */
const HEAD_DATA = 14;
const TAIL_DATA = 2;

const HEAD_DATA_BYTES: number = (BLOCK_WORDS - HEAD_DATA) * 4;
const TAIL_DATA_BYTES: number = (BLOCK_WORDS - TAIL_DATA) * 4;
