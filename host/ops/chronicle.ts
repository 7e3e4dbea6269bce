import type { TimelinesConfig } from "../config/config.ts";
import { FAILURES } from "../failure.ts";
import type { Timeline, Wish } from "../timeline.ts";
import { isDebugSigned } from "./debug-signature.ts";
import { bounded, type ExchangeEntry, pathOf } from "./exchange-log.ts";
import type { TimelineView } from "./timeline-view.ts";

/** An exchange that has ended, as its worker knows it. */
export interface ChronicleEntry extends ExchangeEntry {
  readonly timeline: Timeline | undefined;
}

/**
 * The exchanges that one worker keeps for who asks what happened: those that were sampled or asked for, those that failed, and those
 * that clients have got wrong, which must not push out the others.
 *
 * Each is kept as JSON: one text holds nothing else of its exchange in memory, and crosses to the main thread as it is.
 */
export class Chronicle {
  readonly #worker: number;
  #config: TimelinesConfig;
  #debugKey: Uint8Array | null = null;
  readonly #sampled: Ring;
  readonly #failed: Ring;
  readonly #mistaken: Ring;
  /** How many exchanges go by until the next one that is sampled. */
  #left: number;
  /** When this thread's own clock stood at 0; milliseconds since 1970. */
  #originMs = Date.now() - performance.now();

  constructor(worker: number, config: TimelinesConfig) {
    this.#worker = worker;
    this.#config = config;
    this.#sampled = new Ring(config.keep);
    this.#failed = new Ring(config.keep);
    this.#mistaken = new Ring(config.keep);
    this.#left = this.#gap();
  }

  /** From now on. What is kept stays, as far as there is room for it. */
  use(config: TimelinesConfig, debugKey: Uint8Array | null): void {
    this.#debugKey = debugKey;
    if (config.keep === this.#config.keep && config.samplePercent === this.#config.samplePercent) return;
    this.#config = config;
    for (const ring of [this.#sampled, this.#failed, this.#mistaken]) ring.resize(config.keep);
    this.#left = this.#gap();
  }

  /** What a timeline of an exchange that begins is wanted for; undefined when it is not. `debug`: its debug header, or "". */
  wish(debug: string): Wish | undefined {
    if (debug !== "" && this.#debugKey !== null && isDebugSigned(this.#debugKey, debug, Date.now()))
      return "told";
    if (this.#left > 0) {
      this.#left -= 1;
      return undefined;
    }
    this.#left = this.#gap();
    return "kept";
  }

  ended(entry: ChronicleEntry): void {
    const { timeline, failure } = entry;
    const isWanted = timeline !== undefined && timeline.wish !== "passing";
    const isFailed = failure !== undefined || entry.status >= 500;
    if ((!isWanted && !isFailed) || this.#config.keep === 0) return;
    const kept = {
      requestId: entry.requestId,
      text: textOf(viewOf(entry, this.#worker, this.#beganAt(entry))),
    };
    if (isWanted) this.#sampled.add(kept);
    if (!isFailed) return;
    const isMistake = failure !== undefined && FAILURES[failure.code].fault === "client";
    (isMistake ? this.#mistaken : this.#failed).add(kept);
  }

  /** All that are kept, or the one of this id, each a `TimelineView` in JSON. One that is kept twice is there twice. */
  list(requestId: string | null): readonly string[] {
    const all = [...this.#sampled.all, ...this.#failed.all, ...this.#mistaken.all];
    if (requestId === null) return all.map(({ text }) => text);
    const found = all.find((kept) => kept.requestId === requestId);
    return found === undefined ? [] : [found.text];
  }

  /** By the clock of the wall, which counts whole milliseconds and may be set: exchanges that began one after the other stay so. */
  #beganAt({ durationMs }: ChronicleEntry): number {
    const now = performance.now();
    const originMs = Date.now() - now;
    if (Math.abs(originMs - this.#originMs) > CLOCKS_APART_MS) this.#originMs = originMs;
    return this.#originMs + now - durationMs;
  }

  /** Drawn once for each exchange that is sampled, so that all others cost a subtraction: how long a coin of this bias shows tails. */
  #gap(): number {
    const { keep, samplePercent } = this.#config;
    if (keep === 0 || samplePercent === 0) return Number.POSITIVE_INFINITY;
    return samplePercent >= 100
      ? 0
      : Math.floor(Math.log1p(-Math.random()) / Math.log1p(-samplePercent / 100));
  }
}

/** All that is kept of an exchange. */
function viewOf(entry: ChronicleEntry, worker: number, at: number): TimelineView {
  const { failure, timeline } = entry;
  return {
    requestId: entry.requestId,
    worker,
    at,
    durationMs: entry.durationMs,
    route: entry.routeName ?? null,
    method: entry.method,
    path: bounded(pathOf(entry.target)),
    status: entry.status,
    requestBytes: entry.requestBytes,
    responseBytes: entry.responseBytes,
    generation: entry.generation,
    failure: failure === undefined ? null : { code: failure.code, detail: bounded(failure.detail) },
    repliedBy: entry.repliedBy ?? null,
    versions: entry.versions ?? null,
    steps: timeline?.steps ?? null,
    more: timeline?.more ?? 0,
  };
}

/** One whose filters have edited hundreds of fields is kept without its steps. */
function textOf(view: TimelineView): string {
  const text = JSON.stringify(view);
  if (text.length <= TEXT_LENGTH_MAX) return text;
  return JSON.stringify({ ...view, steps: null, more: (view.steps?.length ?? 0) + view.more });
}

const TEXT_LENGTH_MAX = 32_768;

/** What rounding cannot be. */
const CLOCKS_APART_MS = 2;

interface Kept {
  readonly requestId: string;
  readonly text: string;
}

/** The last so many. */
class Ring {
  #kept: Kept[] = [];
  #next = 0;
  #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  add(kept: Kept): void {
    this.#kept[this.#next] = kept;
    this.#next = (this.#next + 1) % this.#size;
  }

  /** Newest first. */
  get all(): readonly Kept[] {
    return [...this.#kept.slice(0, this.#next).toReversed(), ...this.#kept.slice(this.#next).toReversed()];
  }

  resize(size: number): void {
    if (size === this.#size) return;
    this.#kept = this.all.slice(0, size).toReversed();
    this.#size = size;
    this.#next = size === 0 ? 0 : this.#kept.length % size;
  }
}
