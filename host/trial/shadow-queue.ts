import type { MessagePort } from "node:worker_threads";
import type { ExchangeRecord } from "./record.ts";

/** A copy of an exchange on its way to the thread of shadows. */
export interface ShadowCopy {
  /** Of its trial: `trialKey`. */
  readonly trial: string;
  readonly record: ExchangeRecord;
}

/** What a worker posts to that thread, which answers with the same number when it is done with them. */
export interface ShadowBatch {
  readonly bytes: number;
  readonly copies: readonly ShadowCopy[];
}

export interface ShadowDone {
  readonly bytes: number;
  readonly copies: number;
}

/**
 * A worker's end of the way to the thread of shadows. It never waits: when that thread is behind, nothing is copied for it.
 */
export class ShadowQueue {
  #port: MessagePort | undefined;
  #batch: ShadowCopy[] = [];
  #batchBytes = 0;
  #posting = false;
  /** What that thread is not done with. */
  #copies = 0;
  #bytes = 0;

  /** There is a thread, or another one in the place of one that was lost. */
  connect(port: MessagePort): void {
    this.#port?.close();
    this.#port = port;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#copies = 0;
    this.#bytes = 0;
    port.on("message", ({ bytes, copies }: ShadowDone) => {
      if (port !== this.#port) return;
      this.#bytes -= bytes;
      this.#copies -= copies;
    });
    port.on("close", () => {
      if (port === this.#port) this.#port = undefined;
    });
  }

  /** Whether a copy that is made now would be taken. */
  get admits(): boolean {
    return this.#port !== undefined && this.#copies < COPIES_MAX && this.#bytes < BYTES_MAX;
  }

  /** Whether that thread is done with all that it was given. */
  get idle(): boolean {
    return this.#copies === 0;
  }

  /** `bytes`: about as many as the record has. */
  add(trial: string, record: ExchangeRecord, bytes: number): void {
    this.#batch.push({ trial, record });
    this.#batchBytes += bytes;
    this.#copies += 1;
    this.#bytes += bytes;
    if (this.#posting) return;
    this.#posting = true;
    setImmediate(() => this.#post());
  }

  #post(): void {
    this.#posting = false;
    const batch: ShadowBatch = { bytes: this.#batchBytes, copies: this.#batch };
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.copies.length > 0) this.#port?.postMessage(batch);
  }
}

/** Of one worker, under way: some hundredths of a second of a candidate's work. */
const COPIES_MAX = 256;
const BYTES_MAX = 4_194_304;
