import { WRITE_BYTES_MAX } from "../core-wasi.ts";
import { Pollable } from "./waiting.ts";

/** A stream with nothing in it, in the shape that jco calls (`wasi:io/streams.input-stream`). */
export class InputStream {
  read(): never {
    throw new StreamClosed();
  }
  blockingRead(): never {
    return this.read();
  }
  subscribe(): Pollable {
    return new Pollable();
  }
}

/** A stream that hands on at once what it is given (`wasi:io/streams.output-stream`). The bytes are the guest's memory: `write` copies what it keeps. */
export class OutputStream {
  readonly #write: (bytes: Uint8Array) => void;
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }
  checkWrite(): bigint {
    return WRITE_BYTES_MAX;
  }
  write(bytes: Uint8Array): void {
    this.#write(bytes);
  }
  blockingWriteAndFlush(bytes: Uint8Array): void {
    this.#write(bytes);
  }
  flush(): void {}
  blockingFlush(): void {}
  subscribe(): Pollable {
    return new Pollable();
  }
}

/** WASI `stream-error.closed`, as jco takes a result's error: from the exception's payload. */
class StreamClosed extends Error {
  readonly payload = { tag: "closed" };
}
