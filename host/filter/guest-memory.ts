import type { HeldBody } from "../held-body.ts";
import type { FieldList } from "../message.ts";

/** A guest's linear memory, through views that outlive its growth, and the canonical ABI's strings and lists in it. */
export class GuestMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #realloc: Realloc;
  #bytes: Buffer;
  #view: DataView;
  /** False while the guest allocates for us: it must not call the host then (canonical ABI, `may_leave`). */
  mayLeave = true;
  readonly #names: (CachedName | undefined)[] = new Array(NAME_SLOTS).fill(undefined);

  constructor(memory: WebAssembly.Memory, realloc: Realloc) {
    this.#memory = memory;
    this.#realloc = realloc;
    this.#bytes = Buffer.from(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  get size(): number {
    return this.bytes.length;
  }

  // Growth detaches the old buffer, whose views then have length 0.
  get bytes(): Buffer {
    if (this.#bytes.length === 0) this.#refresh();
    return this.#bytes;
  }

  get view(): DataView {
    if (this.#bytes.length === 0) this.#refresh();
    return this.#view;
  }

  /** Room for `length` bytes, which the guest owns from now on. */
  allocate(length: number, alignment: number): number {
    if (length === 0) return alignment;
    this.mayLeave = false;
    const at = this.#realloc(0, 0, alignment, length) >>> 0;
    this.mayLeave = true;
    if (at % alignment !== 0 || at + length > this.bytes.length)
      throw new GuestTrap("cabi_realloc gave a place outside of the memory");
    return at;
  }

  /** Bytes as Latin-1: one code unit each. Text that the contract keeps to ASCII is read this way, too. */
  latin1(at: number, length: number): string {
    const bytes = this.bytes;
    const start = at >>> 0;
    const end = start + (length >>> 0);
    if (end > bytes.length) throw new GuestTrap("a string lies outside of the memory");
    if (length > SHORT) return bytes.latin1Slice(start, end);
    let text = "";
    for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number);
    return text;
  }

  utf8(at: number, length: number): string {
    const bytes = this.bytes;
    const start = at >>> 0;
    const end = start + (length >>> 0);
    if (end > bytes.length) throw new GuestTrap("a string lies outside of the memory");
    return bytes.utf8Slice(start, end);
  }

  /**
   * A field name. A guest's names are mostly literals, so the last ones are kept by their place; the bytes there are
   * compared each time, since nothing stops a guest from changing them.
   */
  name(at: number, length: number): CachedName {
    const start = at >>> 0;
    const slot = (start >>> 2) & (NAME_SLOTS - 1);
    const cached = this.#names[slot];
    if (
      cached !== undefined &&
      cached.at === start &&
      cached.raw.length === length &&
      this.#equals(start, cached.raw)
    )
      return cached;
    const raw = this.latin1(at, length);
    const fresh = { at: start, raw, lower: raw.toLowerCase() };
    this.#names[slot] = fresh;
    return fresh;
  }

  /** Traps unless so many bytes are there. */
  check(at: number, length: number): void {
    if (at + length > this.bytes.length) throw new GuestTrap("a list lies outside of the memory");
  }

  /** A copy: guest memory changes under a view. */
  copy(at: number, length: number): Uint8Array {
    const bytes = this.bytes;
    const start = at >>> 0;
    const end = start + (length >>> 0);
    if (end > bytes.length) throw new GuestTrap("a list lies outside of the memory");
    // A plain view: slicing a Buffer goes by way of its class, which costs more than the copy.
    return new Uint8Array(this.#memory.buffer, start, end - start).slice();
  }

  /** Stores a Latin-1 string as `list<u8>` or ASCII `string`: its place and length go to `out`. */
  storeLatin1(text: string, out: number): void {
    const length = text.length;
    const at = this.allocate(length, 1);
    const bytes = this.bytes;
    if (length > SHORT) bytes.latin1Write(text, at, length);
    else for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
    this.storePair(at, length, out);
  }

  storeUtf8(text: string, out: number): void {
    const length = Buffer.byteLength(text);
    const at = this.allocate(length, 1);
    this.bytes.utf8Write(text, at, length);
    this.storePair(at, length, out);
  }

  storeBytes(data: Uint8Array, out: number): void {
    const at = this.allocate(data.byteLength, 1);
    this.bytes.set(data, at);
    this.storePair(at, data.byteLength, out);
  }

  /** A chunk of a body, which the guest owns from now on: the one copy that it costs. */
  lowerBytes(data: Uint8Array): number {
    const at = this.allocate(data.byteLength, 1);
    if (data.byteLength > 0) this.bytes.set(data, at);
    return at;
  }

  /** The same of a body that came in pieces. */
  lowerBody(body: HeldBody): number {
    const at = this.allocate(body.length, 1);
    const { bytes } = this;
    let to = at;
    for (const chunk of body.chunks) {
      bytes.set(chunk, to);
      to += chunk.length;
    }
    return at;
  }

  /** list<tuple<string, list<u8>>>: 16 bytes an element. */
  storeFields(list: FieldList, out: number): void {
    const count = list.length >>> 1;
    const at = this.allocate(count * 16, 4);
    for (let index = 0; index < list.length; index++) this.storeLatin1(list[index] as string, at + index * 8);
    this.storePair(at, count, out);
  }

  /** The two words of a list or string. */
  storePair(at: number, length: number, out: number): void {
    const view = this.view;
    view.setUint32(out, at, true);
    view.setUint32(out + 4, length, true);
  }

  #equals(at: number, text: string): boolean {
    const bytes = this.bytes;
    for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
    return true;
  }

  #refresh(): void {
    this.#bytes = Buffer.from(this.#memory.buffer);
    this.#view = new DataView(this.#memory.buffer);
  }
}

export type Realloc = (old: number, oldLength: number, alignment: number, length: number) => number;

/** Thrown out of a host function: the guest asked for what the contract makes a trap. Its instance is done for. */
export class GuestTrap extends Error {
  override readonly name = "GuestTrap";
  readonly reason: TrapReason;

  constructor(sentence: string, reason: TrapReason = "contract") {
    super(sentence);
    this.reason = reason;
  }
}

/** `contract`: an argument that the contract refuses, like a pointer beyond the memory. */
export type TrapReason = "trap" | "contract" | "size" | "handle" | "reentry";

/** A field name as the guest wrote it, and in lower case. */
export interface CachedName {
  readonly at: number;
  readonly raw: string;
  readonly lower: string;
}

const NAME_SLOTS = 64;

/** Up to here a loop beats the native call that copies a string. */
const SHORT = 24;
