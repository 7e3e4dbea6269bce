import type { FieldList } from "../message.ts";
import { CR, HEX, HTAB, LF, SEMICOLON, SP, VALUE } from "./bytes.ts";
import type { HeadParser } from "./head-parser.ts";

/** What a decoder tells while it is fed. */
export interface BodySink {
  /** A piece of the body. It is a view of the bytes that were fed: whoever keeps it copies it. */
  bodyChunk(chunk: Buffer): void;
  /** The body is over. `trailers` are flat; empty without any. */
  bodyEnded(trailers: FieldList): void;
}

/** Bounds on what surrounds a chunked body. */
export interface BodyLimits {
  /** One chunk's extensions, and all that a sender may say beside the data. */
  readonly extensionBytesMax: number;
  readonly trailerBytesMax: number;
}

/**
 * Cuts a body out of a connection's bytes (RFC 9112 §6.3, §7.1), strictly: what is out of order is refused at its byte, so
 * that no two readers of this connection can see different messages.
 */
export class BodyDecoder {
  readonly #parser: HeadParser;
  readonly #limits: BodyLimits;
  #state: State = DONE;
  /** Bytes of the body, or of the present chunk, that are still to come. */
  #left = 0;
  /** Of the present chunk's line. */
  #digits = 0;
  #extension = 0;
  /** The trailer section, as far as it has come. */
  #section: Buffer[] = [];
  #sectionBytes = 0;
  #lineEmpty = true;
  #afterCr = false;
  error: string | undefined;

  constructor(parser: HeadParser, limits: BodyLimits) {
    this.#parser = parser;
    this.#limits = limits;
  }

  /** Whether the body is over, or there is none. */
  get done(): boolean {
    return this.#state === DONE;
  }

  /** Whether the body goes on until the connection ends. */
  get untilEnd(): boolean {
    return this.#state === UNTIL_END;
  }

  beginLength(length: number): void {
    this.error = undefined;
    this.#left = length;
    this.#state = length === 0 ? DONE : LENGTH;
  }

  beginChunked(): void {
    this.error = undefined;
    this.#line();
  }

  beginUntilEnd(): void {
    this.error = undefined;
    this.#state = UNTIL_END;
  }

  /**
   * Gives the index of the first byte that is not the body's any more, or -1 when the body is broken: `error` says how.
   *
   * Chunks that came together are told as one piece: their bytes are moved over the lines between them, within `data`.
   */
  feed(data: Buffer, from: number, sink: BodySink): number {
    let at = from;
    let begin = from;
    let fill = from;
    while (at < data.length && this.#state !== DONE) {
      if (this.#state === CHUNK) {
        const end = Math.min(at + this.#left, data.length);
        this.#left -= end - at;
        if (this.#left === 0) this.#state = CHUNK_CR;
        if (fill === begin) {
          begin = at;
          fill = end;
        } else {
          data.copyWithin(fill, at, end);
          fill += end - at;
        }
        at = end;
        continue;
      }
      if (this.#state === LENGTH || this.#state === UNTIL_END) at = this.#plain(data, at, sink);
      else if (this.#state === TRAILERS) {
        tell(sink, data, begin, fill);
        begin = fill;
        at = this.#trailers(data, at, sink);
      } else at = this.#framing(data, at);
      if (at < 0) break;
    }
    tell(sink, data, begin, fill);
    return at;
  }

  /** A body without lines in it. */
  #plain(data: Buffer, at: number, sink: BodySink): number {
    const end = this.#state === UNTIL_END ? data.length : Math.min(at + this.#left, data.length);
    const over = this.#state === LENGTH && this.#left === end - at;
    this.#left -= end - at;
    // The state first: the sink may look whether this was the last piece.
    if (over) this.#state = DONE;
    tell(sink, data, at, end);
    if (over) sink.bodyEnded(NONE);
    return end;
  }

  /** One byte of what stands between two pieces of data. */
  #framing(data: Buffer, at: number): number {
    const byte = data[at] as number;
    switch (this.#state) {
      case SIZE:
        return this.#size(byte, at);
      case EXTENSION:
        this.#extension += 1;
        if (this.#extension > this.#limits.extensionBytesMax)
          return this.#fail("chunk extensions are too long");
        if (byte === CR) this.#state = SIZE_LF;
        else if (VALUE[byte] !== 1) return this.#fail("a chunk extension has a control byte");
        return at + 1;
      case SIZE_LF:
        if (byte !== LF) return this.#fail("CR without LF after a chunk size");
        if (this.#left === 0) {
          this.#state = TRAILERS;
          this.#section = [];
          this.#sectionBytes = 0;
          this.#lineEmpty = true;
          this.#afterCr = false;
        } else this.#state = CHUNK;
        return at + 1;
      case CHUNK_CR:
        if (byte !== CR) return this.#fail("a chunk is longer than its size");
        this.#state = CHUNK_LF;
        return at + 1;
      default:
        if (byte !== LF) return this.#fail("CR without LF after a chunk");
        this.#line();
        return at + 1;
    }
  }

  #size(byte: number, at: number): number {
    const digit = HEX[byte] as number;
    if (digit < 16) {
      this.#digits += 1;
      // Twelve digits are 256 TiB: no body, and still exact in a number.
      if (this.#digits > 12) return this.#fail("a chunk size is out of range");
      this.#left = this.#left * 16 + digit;
      return at + 1;
    }
    if (this.#digits === 0) return this.#fail("a chunk size is no hexadecimal number");
    if (byte === CR) this.#state = SIZE_LF;
    else if (byte === SEMICOLON) this.#state = EXTENSION;
    else
      return this.#fail(
        byte === SP || byte === HTAB
          ? "white space after a chunk size"
          : "a chunk size is no hexadecimal number",
      );
    return at + 1;
  }

  /** Collects the section up to its empty line, which most often is all there is of it. */
  #trailers(data: Buffer, from: number, sink: BodySink): number {
    for (let at = from; at < data.length; at++) {
      this.#sectionBytes += 1;
      if (this.#sectionBytes > this.#limits.trailerBytesMax)
        return this.#fail("the trailer section is too long");
      const byte = data[at] as number;
      if (this.#afterCr) {
        if (byte !== LF) return this.#fail("CR without LF in the trailer section");
        this.#afterCr = false;
        if (this.#lineEmpty) return this.#sectionEnded(data, from, at + 1, sink);
        this.#lineEmpty = true;
      } else if (byte === LF) return this.#fail("LF without CR in the trailer section");
      else if (byte === CR) this.#afterCr = true;
      else this.#lineEmpty = false;
    }
    this.#section.push(Buffer.from(data.subarray(from)));
    return data.length;
  }

  #sectionEnded(data: Buffer, from: number, end: number, sink: BodySink): number {
    let trailers = NONE;
    if (this.#sectionBytes > 2) {
      const section = Buffer.concat([...this.#section, data.subarray(from, end)]);
      if (!this.#parser.trailers(section, 0, section.length))
        return this.#fail(this.#parser.error?.sentence ?? "a broken trailer section");
      trailers = this.#parser.fields;
    }
    this.#section = [];
    this.#state = DONE;
    sink.bodyEnded(trailers);
    return end;
  }

  /** Before a chunk's line. */
  #line(): void {
    this.#state = SIZE;
    this.#left = 0;
    this.#digits = 0;
    this.#extension = 0;
  }

  #fail(sentence: string): -1 {
    this.error = sentence;
    return -1;
  }
}

function tell(sink: BodySink, data: Buffer, from: number, to: number): void {
  if (from < to) sink.bodyChunk(from === 0 && to === data.length ? data : data.subarray(from, to));
}

type State = number;
const DONE = 0;
const LENGTH = 1;
const UNTIL_END = 2;
const SIZE = 3;
const EXTENSION = 4;
const SIZE_LF = 5;
const CHUNK = 6;
const CHUNK_CR = 7;
const CHUNK_LF = 8;
const TRAILERS = 9;

const NONE: FieldList = [];
