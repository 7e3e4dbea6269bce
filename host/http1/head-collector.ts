import { CR, LF, VALUE } from "./bytes.ts";

/** Collects a head from the pieces in which it comes. Most come in one, which is then not copied. */
export class HeadCollector {
  readonly #bytesMax: number;
  readonly #prefix: string;
  #parts: Buffer | undefined;
  /** The bytes that hold the head, after `collect` gave an end. */
  data: Buffer = EMPTY;

  /** `prefix`: how every head begins, when that is known. */
  constructor(bytesMax: number, prefix = "") {
    this.#bytesMax = bytesMax;
    this.#prefix = prefix;
  }

  /** Whether a part of a head is here. */
  get begun(): boolean {
    return this.#parts !== undefined;
  }

  /**
   * Takes a piece. Gives where in `data` the head ends, just behind its empty line; INCOMPLETE when more must come;
   * TOO_LONG past the bound; BROKEN for a byte that no later one can mend: a control byte, or a line that ends without CR.
   */
  collect(piece: Buffer): number {
    const before = this.#parts;
    // The end may lie across the border of two pieces.
    const from = before === undefined ? 0 : Math.max(before.length - 3, 0);
    const data = before === undefined ? piece : Buffer.concat([before, piece]);
    this.data = data;
    const end = data.indexOf("\r\n\r\n", from, "latin1");
    if (end >= 0) {
      this.#parts = undefined;
      return end + 4 > this.#bytesMax ? TOO_LONG : end + 4;
    }
    if (data.length > this.#bytesMax) return TOO_LONG;
    // Node's slice throws past the end of the data.
    const begins = data.latin1Slice(0, Math.min(this.#prefix.length, data.length));
    if (isBroken(data, from) || !this.#prefix.startsWith(begins)) return BROKEN;
    // What was given is a view: what waits for more is kept apart from it.
    this.#parts = before === undefined ? Buffer.from(data) : data;
    return INCOMPLETE;
  }

  clear(): void {
    this.#parts = undefined;
    this.data = EMPTY;
  }
}

export const INCOMPLETE = -1;
export const TOO_LONG = -2;
export const BROKEN = -3;

const EMPTY: Buffer = Buffer.alloc(0);

function isBroken(data: Buffer, from: number): boolean {
  for (let at = from; at < data.length; at++) {
    const byte = data[at] as number;
    if (byte === LF ? data[at - 1] !== CR : byte !== CR && VALUE[byte] !== 1) return true;
  }
  return false;
}
