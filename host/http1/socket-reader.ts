import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

/** Whose bytes are read. */
export interface ReadSink {
  /** More of one message is on its way: the next read may be a large one. */
  readonly flowing: boolean;
  /** A view that is good until the call returns. */
  received(data: Buffer): void;
}

/**
 * What a socket is read into. Left alone, Node makes a buffer for every read, and the garbage of long bodies costs more than
 * their bytes: here connections that wait share one buffer, and one that carries a body has its own as long as that lasts.
 */
export class SocketReader {
  /** For `onread` of `net.connect`. */
  readonly onread: { buffer: () => Uint8Array; callback: (length: number, buffer: Uint8Array) => boolean };
  #sink: ReadSink | undefined;
  #own: Buffer | undefined;
  /** Set when others read the socket as a stream. */
  #stream: Socket | undefined;

  constructor() {
    this.onread = {
      buffer: () => this.#next(),
      callback: (length, buffer) => this.#read(length, buffer as Buffer),
    };
  }

  feed(sink: ReadSink): void {
    this.#sink = sink;
  }

  /** From here on the socket is a stream like others. */
  handOver(socket: Socket): void {
    this.#sink = undefined;
    this.#stream = socket;
  }

  #next(): Buffer {
    if (this.#sink?.flowing === true) {
      this.#own ??= spare.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
      return this.#own;
    }
    if (this.#own !== undefined && spare.length < SPARE_MAX) spare.push(this.#own);
    this.#own = undefined;
    shared ??= Buffer.allocUnsafeSlow(READ_BYTES);
    return shared;
  }

  #read(length: number, buffer: Buffer): boolean {
    const sink = this.#sink;
    if (sink === undefined) return this.#stream?.push(Buffer.from(buffer.subarray(0, length))) ?? true;
    let into = buffer;
    if (length > COPIED_BYTES_MAX && buffer !== this.#own) {
      // What is longer is written from where it lies, and may have to lie there for a while.
      into = this.#own ??= spare.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
      into.set(buffer.subarray(0, length));
    }
    kept = false;
    sink.received(into.subarray(0, length));
    if (kept) this.#own = undefined;
    return true;
  }
}

/**
 * Writes a view of what is being read, between two texts in Latin-1. What the system cannot take at once is taken from there
 * later: nothing else is read into that buffer. Gives false when there is more waiting than should.
 */
export function writeView(socket: Socket, before: string, data: Buffer, after: string): boolean {
  const waiting = socket.writableLength > 0;
  const corked = before !== "" || after !== "";
  if (corked) socket.cork();
  if (before !== "") socket.write(before, "latin1");
  let room = socket.write(data);
  if (after !== "") room = socket.write(after, "latin1");
  if (corked) socket.uncork();
  // What TLS takes it encrypts at once.
  if (waiting || (socket.writableLength > 0 && !(socket instanceof TLSSocket))) kept = true;
  return room || socket.writableLength === 0;
}

/** A chunk that is to outlive the call in which it came: itself when its buffer can be left to it, a copy otherwise. */
export function keptView(data: Buffer): Buffer {
  if (shared !== undefined && data.buffer === shared.buffer) return Buffer.from(data);
  kept = true;
  return data;
}

/** Up to here a copy into a string costs less than a write of its own. */
export const COPIED_BYTES_MAX = 16_384;

/** What is being read has been left with the system, or with whoever keeps it. */
let kept = false;
let shared: Buffer | undefined;
const spare: Buffer[] = [];

const READ_BYTES = 65_536;
const SPARE_MAX = 64;
