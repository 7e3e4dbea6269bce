import type { Config, FilterConfig, Json } from "../config/config.ts";
import { settingsOf } from "../filter/settings.ts";
import type { RedactionRules } from "../record/redaction.ts";
import {
  encodeEnd,
  encodeHeader,
  RECORD_FILE_FORM,
  type RecordHeader,
  type RecordingReason,
} from "../record/record-file.ts";
import { RECORDING_BYTES_MAX, type RecordRequest } from "../record/record-request.ts";
import type { RecordedLines } from "../record/worker-recordings.ts";
import { redacted } from "./config-view.ts";
import { Refusal } from "./control.ts";
import type { Members } from "./members.ts";
import { VERSION } from "./version.ts";

/** The lines of a recording, while it is made; who stops to ask for them ends it. */
export type Recording = AsyncIterable<string>;

/** The recordings that are under way, of all workers together. */
export class Recordings {
  readonly #members: Members;
  readonly #running = new Map<number, Running>();
  #last = 0;
  /** Exchanges, of all recordings so far. */
  readonly kept: { written: number; dropped: number } = { written: 0, dropped: 0 };

  constructor(members: Members) {
    this.#members = members;
  }

  /** Resolves when every worker records. Rejects with RECORDING_REFUSED when there are too many. */
  async begin(header: RecordHeader, request: RecordRequest): Promise<Recording> {
    if (this.#running.size >= RUNNING_MAX)
      throw new Refusal(
        "RECORDING_REFUSED",
        `${RUNNING_MAX} recordings are under way, which is all that may be`,
      );
    this.#last += 1;
    const recording = this.#last;
    const running = new Running(header, request, async () => {
      const dropped = await this.#members.ask<"record-end">({ kind: "record-end", recording });
      this.#running.delete(recording);
      const count = dropped.reduce((sum, [, one]) => sum + one, 0);
      this.kept.dropped += count;
      return count;
    });
    this.#running.set(recording, running);
    await this.#members.ask<"record">({ kind: "record", recording, filter: header.filter, request });
    return running;
  }

  heard({ recording, lines }: RecordedLines): void {
    this.kept.written += this.#running.get(recording)?.add(lines) ?? 0;
  }

  /** What they record is served no more. */
  end(reason: RecordingReason): void {
    for (const running of this.#running.values()) running.end(reason);
  }
}

class Running implements AsyncIterable<string> {
  readonly #request: RecordRequest;
  readonly #stop: () => Promise<number>;
  readonly #timer: NodeJS.Timeout;
  #waiting: string[];
  #wake: (() => void) | undefined;
  #recorded = 0;
  #bytes = 0;
  #ended: RecordingReason | undefined;
  #whole = false;

  constructor(header: RecordHeader, request: RecordRequest, stop: () => Promise<number>) {
    this.#request = request;
    this.#stop = stop;
    this.#waiting = [`${encodeHeader(header)}\n`];
    this.#timer = setTimeout(() => this.end("time"), request.forMs);
  }

  /** Gives how many of them it has taken. */
  add(lines: readonly string[]): number {
    const before = this.#recorded;
    for (const line of lines) {
      // What comes after the end was under way when it came to that.
      if (this.#recorded >= this.#request.exchangesMax || this.#bytes + line.length > RECORDING_BYTES_MAX) {
        this.end(this.#recorded >= this.#request.exchangesMax ? "exchanges" : "bytes");
        break;
      }
      this.#recorded += 1;
      this.#bytes += line.length;
      this.#waiting.push(`${line}\n`);
    }
    if (this.#recorded >= this.#request.exchangesMax) this.end("exchanges");
    this.#wake?.();
    return this.#recorded - before;
  }

  end(reason: RecordingReason): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    clearTimeout(this.#timer);
    void this.#finish(reason);
  }

  async #finish(reason: RecordingReason): Promise<void> {
    const dropped = await this.#stop();
    const end = { recorded: this.#recorded, dropped, reason };
    this.#waiting.push(`${encodeEnd(end)}\n`);
    this.#whole = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<string> {
    try {
      for (;;) {
        if (this.#waiting.length > 0) yield this.#waiting.splice(0).join("");
        else if (this.#whole) return;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      this.end("stopped");
    }
  }
}

/** What is said of a filter in a file of records: nothing that may be a secret. */
export function headerOf(
  { number, config }: { readonly number: number; readonly config: Config },
  entry: FilterConfig,
  digest: string,
  rules: RedactionRules,
  hidden: ReadonlySet<string>,
): RecordHeader {
  const { grant, onFailure } = entry;
  const { granted, limits } = settingsOf(entry, config.limits, config.timeouts);
  const shown = redacted({ filters: { it: { config: entry.config } } }, hidden) as {
    filters: { it: { config: Json } };
  };
  return {
    form: RECORD_FILE_FORM,
    version: VERSION,
    filter: entry.name,
    digest,
    config: shown.filters.it.config,
    generation: number,
    at: Date.now(),
    onFailure,
    limits: { fuel: limits.fuel, memoryBytesMax: entry.limits.memoryBytesMax },
    grant: {
      names: granted,
      clientAddress: grant.clientAddress !== false,
      secrets: grant.secrets ?? [],
      http: grant.http ?? [],
    },
    headers: rules.headers,
    bodies: rules.bodies,
  };
}

/** At the same time: each costs every exchange of its filter. */
const RUNNING_MAX = 4;
