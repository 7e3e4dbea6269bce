import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { TracesConfig } from "../config/config.ts";
import type { TraceHeaders } from "../config/trace-headers.ts";
import type { SpanCounts } from "../ops/host-samples.ts";
import type { SpanExport } from "./span-export.ts";
import type { TracedExchange } from "./traced-exchange.ts";

/** The main thread's end of tracing: gives the sampled exchanges of all workers to the collector of the live configuration. */
export class Tracing {
  readonly counts: SpanCounts = { sent: 0, full: 0, failed: 0 };
  readonly #logger: Logger;
  #config: TracesConfig | null = null;
  #headers: TraceHeaders = {};
  /** OpenTelemetry's SDK takes a tenth of a second to load and 16 MB: only who traces has it. */
  #export: Promise<SpanExport | undefined> | undefined;
  /** Those of earlier configurations, which still send what they have. */
  readonly #closing = new Set<Promise<void>>();
  #untold = 0;
  #toldMs = -Infinity;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** From now on. What has come so far goes where it was to go. */
  use(config: TracesConfig | null, headers: TraceHeaders): void {
    if (isDeepStrictEqual([config, headers], [this.#config, this.#headers])) return;
    void this.#leave();
    this.#config = config;
    this.#headers = headers;
    // A generation of an earlier version of this host may have none.
    if (config) this.#export = this.#open(config, headers);
  }

  heard(exchanges: readonly TracedExchange[]): void {
    void this.#export?.then((to) => to?.take(exchanges)).catch((error: unknown) => this.#broke(error));
  }

  /** Sends what there is, but does not wait long for a collector that is slow. */
  async close(): Promise<void> {
    void this.#leave();
    this.#config = null;
    await Promise.all(this.#closing);
  }

  #open(config: TracesConfig, headers: TraceHeaders): Promise<SpanExport | undefined> {
    const owner = {
      sent: (spans: number) => {
        this.counts.sent += spans;
      },
      full: (spans: number) => {
        this.counts.full += spans;
        this.#tell(spans, "the queue is full");
      },
      failed: (spans: number, why: string) => {
        this.counts.failed += spans;
        this.#tell(spans, why);
      },
    };
    return import("./span-export.ts")
      .then(({ SpanExport }) => new SpanExport(config, headers, owner))
      .catch((error: unknown) => this.#broke(error));
  }

  async #leave(): Promise<void> {
    const left = this.#export;
    this.#export = undefined;
    if (left === undefined) return;
    const closing = left.then((it) => it?.close(CLOSE_MS));
    this.#closing.add(closing);
    await closing;
    this.#closing.delete(closing);
  }

  /** Whatever it is, the host goes on without spans. */
  #broke(error: unknown): undefined {
    this.#logger.error({ error: String(error) }, "spans cannot be made");
  }

  #tell(spans: number, why: string): void {
    this.#untold += spans;
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < TELL_MS) return;
    this.#toldMs = nowMs;
    this.#logger.warn({ spans: this.#untold, why }, "spans dropped");
    this.#untold = 0;
  }
}

const CLOSE_MS = 2_000;
/** A collector that is down for a day is one line a minute. */
const TELL_MS = 60_000;
