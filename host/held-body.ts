import { keptView } from "./http1/socket-reader.ts";
import type { FieldList } from "./message.ts";

/** Takes a body. */
export interface BodyReceiver {
  write(chunk: Buffer): unknown;
  endBody(trailers: FieldList): void;
}

/** A body, or a part of one, that has to be kept: as it came where its pieces are few or large, and copied together where they are not. */
export class HeldBody {
  /** In bytes. */
  length = 0;
  /** Not to be changed. */
  readonly chunks: Buffer[] = [];
  /** What came after it. */
  trailers: FieldList = NONE;
  #slab: Buffer = EMPTY;
  /** The last chunk is the part of the slab from here on. */
  #from = 0;
  #used = 0;
  #open = false;

  /** The first time that a chunk is kept has to be within the call in which it came. */
  push(chunk: Buffer): void {
    const { length } = chunk;
    if (length === 0) return;
    this.length += length;
    if (length > SHORT_BYTES_MAX || this.chunks.length < FEW) {
      this.chunks.push(keptView(chunk));
      this.#open = false;
    } else this.#copy(chunk);
  }

  /** All of it in one piece. */
  whole(): Buffer {
    const [only] = this.chunks;
    return this.chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.chunks, this.length);
  }

  /** Gives it all to a receiver, which is told nothing when there is nothing. */
  sendTo(receiver: BodyReceiver | undefined): void {
    if (this.length === 0 && this.trailers.length === 0) return;
    for (const chunk of this.chunks) receiver?.write(chunk);
    receiver?.endBody(this.trailers);
  }

  /** A sender that makes a chunk of every byte must not make the host keep an object for each. */
  #copy(chunk: Buffer): void {
    if (this.#slab.length - this.#used < chunk.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
      this.#open = false;
    }
    if (!this.#open) {
      this.#from = this.#used;
      this.chunks.push(EMPTY);
      this.#open = true;
    }
    this.#used += chunk.copy(this.#slab, this.#used);
    this.chunks[this.chunks.length - 1] = this.#slab.subarray(this.#from, this.#used);
  }
}

const FEW = 16;
const SHORT_BYTES_MAX = 4_096;
const SLAB_BYTES = 16_384;

const EMPTY = Buffer.alloc(0);
const NONE: FieldList = [];
