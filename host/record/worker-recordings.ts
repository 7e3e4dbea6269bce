import type { ClientAddress } from "../client-address.ts";
import type { Outcome } from "../filter/contract.ts";
import type { ExchangeRecord } from "../trial/record.ts";
import type { Taker } from "../trial/taker.ts";
import type { Tap } from "../trial/tap.ts";
import { encodeRecord } from "./record-file.ts";
import type { RecordRequest } from "./record-request.ts";
import type { Recordable, Recorded } from "./recordable.ts";
import { Redaction } from "./redaction.ts";

/** Records of a worker on their way to the main thread. */
export interface RecordedLines {
  readonly kind: "recorded";
  readonly recording: number;
  /** Each a record as JSON. */
  readonly lines: readonly string[];
}

/** The recordings of one worker: what is recorded is redacted here, and no other thread gets it otherwise. */
export class WorkerRecordings {
  readonly #post: (lines: RecordedLines) => void;
  readonly #running = new Map<number, { readonly recorder: Recorder; readonly of: Recordable }>();

  constructor(post: (lines: RecordedLines) => void) {
    this.#post = post;
  }

  begin(recording: number, of: Recordable, filter: string, request: RecordRequest): void {
    const recorded = of.filter(filter);
    if (recorded === undefined) throw new Error(`there is no filter ${filter} to be recorded`);
    const recorder = new Recorder(recorded, request, (lines) =>
      this.#post({ kind: "recorded", recording, lines }),
    );
    this.#running.set(recording, { recorder, of });
    of.add({ tapped: recorded.tapped, taker: recorder });
  }

  /** Gives how many exchanges could not be recorded. What is under way is posted before. */
  end(recording: number): number {
    const running = this.#running.get(recording);
    if (running === undefined) return 0;
    this.#running.delete(recording);
    running.of.remove(running.recorder);
    running.recorder.flush();
    return running.recorder.dropped;
  }
}

/** Records exchanges of one filter: so many, and no more at once than can be written down before the next turn. */
class Recorder implements Taker {
  dropped = 0;
  readonly #request: RecordRequest;
  readonly #redaction: Redaction;
  readonly #post: (lines: readonly string[]) => void;
  #left: number;
  #batch: { readonly record: ExchangeRecord; readonly address: ClientAddress }[] = [];
  #batchBytes = 0;
  #posting = false;

  constructor(recorded: Recorded, request: RecordRequest, post: (lines: readonly string[]) => void) {
    this.#request = request;
    this.#redaction = new Redaction(request, recorded.clean);
    this.#post = post;
    this.#left = request.exchangesMax;
  }

  wants(): boolean {
    return this.#left > 0 && Math.random() * 100 < this.#request.samplePercent;
  }

  take(tap: Tap | undefined, outcome: Outcome): void {
    if (tap === undefined || this.#left === 0) return;
    if (this.#batch.length >= BATCH_MAX || this.#batchBytes >= BATCH_BYTES_MAX) {
      this.dropped += 1;
      return;
    }
    this.#left -= 1;
    this.#batch.push({ record: tap.record(outcome), address: tap.clientAddress });
    this.#batchBytes += tap.bytes;
    if (this.#posting) return;
    this.#posting = true;
    setImmediate(() => this.flush());
  }

  flush(): void {
    this.#posting = false;
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length === 0) return;
    const { bodies } = this.#request;
    const lines = batch.map(({ record, address }) =>
      encodeRecord(this.#redaction.record(record, address), bodies),
    );
    this.#post(lines);
  }
}

/** Within one turn of the event loop: some milliseconds of redacting. */
const BATCH_MAX = 64;
const BATCH_BYTES_MAX = 4_194_304;
