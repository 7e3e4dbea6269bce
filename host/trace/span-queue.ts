import { setTimeout as elapsed } from "node:timers/promises";
import { ExportResultCode } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { SpanBatchConfig } from "../config/config.ts";

/** What becomes of spans, for metrics and log. */
export interface SpanQueueOwner {
  sent(spans: number): void;
  /** So many did not fit. */
  full(spans: number): void;
  /** The collector did not take so many. */
  failed(spans: number, why: string): void;
}

/**
 * The spans that wait for the collector: so many and no more, one request at a time. It differs from the SDK's own in that nothing is
 * dropped in silence, and in that an end is an end, whatever the collector does.
 */
export class SpanQueue implements SpanProcessor {
  readonly #exporter: SpanExporter;
  readonly #bounds: SpanBatchConfig;
  readonly #owner: SpanQueueOwner;
  #waiting: ReadableSpan[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #closed = false;

  constructor(exporter: SpanExporter, bounds: SpanBatchConfig, owner: SpanQueueOwner) {
    this.#exporter = exporter;
    this.#bounds = bounds;
    this.#owner = owner;
  }

  /** Whether so many more fit. When they do not, they are counted as dropped. */
  admits(spans: number): boolean {
    if (!this.#closed && this.#waiting.length + spans <= this.#bounds.queueMax) return true;
    this.#owner.full(spans);
    return false;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    this.#waiting.push(span);
    this.#arrange();
  }

  async forceFlush(): Promise<void> {
    while (this.#sending !== undefined || this.#waiting.length > 0) await (this.#sending ?? this.#send());
  }

  async shutdown(): Promise<void> {
    await this.close(this.#bounds.exportMs);
  }

  async close(mostMs: number): Promise<void> {
    this.#closed = true;
    const late = new AbortController();
    await Promise.race([
      this.forceFlush(),
      elapsed(mostMs, undefined, { signal: late.signal }).catch(() => {}),
    ]);
    late.abort();
    clearTimeout(this.#timer);
    const left = this.#waiting.splice(0).length;
    if (left > 0) this.#owner.failed(left, "the collector was too slow at the end");
    // It waits for what is under way, and nobody waits for that.
    void this.#exporter.shutdown().catch(() => {});
  }

  /** A whole batch goes at once, less than that after a while. */
  #arrange(): void {
    if (this.#sending !== undefined) return;
    if (this.#waiting.length >= this.#bounds.spansMax) void this.#send();
    else this.#timer ??= setTimeout(() => void this.#send(), this.#bounds.delayMs).unref();
  }

  #send(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const spans = this.#waiting.splice(0, this.#bounds.spansMax);
    this.#sending = this.#deliver(spans).finally(() => {
      this.#sending = undefined;
      if (this.#waiting.length > 0) this.#arrange();
    });
    return this.#sending;
  }

  async #deliver(spans: ReadableSpan[]): Promise<void> {
    const late = new AbortController();
    const answer = new Promise<string | undefined>((resolve) =>
      this.#exporter.export(spans, ({ code, error }) =>
        resolve(code === ExportResultCode.SUCCESS ? undefined : reasonOf(error)),
      ),
    );
    // A collector that sends its answer byte by byte keeps the exporter waiting for longer than it should.
    const slow = elapsed(this.#bounds.exportMs + GRACE_MS, "no answer in time", {
      signal: late.signal,
      ref: false,
    }).catch(() => undefined);
    const why = await Promise.race([answer, slow]);
    late.abort();
    if (why === undefined) this.#owner.sent(spans.length);
    else this.#owner.failed(spans.length, why);
  }
}

/** A collector's own words are cut; a code says more than they do. */
function reasonOf(error: (Error & { readonly code?: string | number }) | undefined): string {
  return String(error?.code ?? error?.message ?? "no reason given").slice(0, REASON_LENGTH);
}

const GRACE_MS = 1_000;
const REASON_LENGTH = 200;
