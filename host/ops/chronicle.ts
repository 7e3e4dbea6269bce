import type { TimelinesConfig } from "../config/config.ts";
import { FAILURES } from "../failure.ts";
import type { Step, Timeline, Wish } from "../timeline.ts";
import { isDebugSigned } from "./debug-signature.ts";
import type { ExchangeEntry } from "./exchange-log.ts";
import { bounded, pathOf } from "./target.ts";
import type { TimelineView } from "./timeline-view.ts";

/** An exchange that has ended, as its worker knows it. */
export interface ChronicleEntry extends ExchangeEntry {
  readonly timeline: Timeline | undefined;
}

/**
 * The exchanges that one worker keeps for who asks what happened: those that were sampled or asked for, those that failed, and those
 * that clients have got wrong, which must not push out the others.
 *
 * They cross to the main thread as JSON: it looks through them, and no thread that carries traffic does.
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
    const one = new Kept(viewOf(entry, this.#worker, this.#beganAt(entry)));
    if (isWanted) this.#sampled.add(one);
    if (!isFailed) return;
    const isMistake = failure !== undefined && FAILURES[failure.code].fault === "client";
    (isMistake ? this.#mistaken : this.#failed).add(one);
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

/** All that is kept of an exchange. Nothing of its head: a piece of a text would keep the whole in memory, values and all. */
function viewOf(entry: ChronicleEntry, worker: number, at: number): TimelineView {
  const { failure, timeline } = entry;
  return {
    requestId: entry.requestId,
    worker,
    at,
    durationMs: entry.durationMs,
    route: entry.routeName ?? null,
    method: copyOf(entry.method),
    path: copyOf(bounded(pathOf(entry.target))),
    status: entry.status,
    requestBytes: entry.requestBytes,
    responseBytes: entry.responseBytes,
    generation: entry.generation,
    failure:
      failure === undefined
        ? null
        : { code: failure.code, detail: copyOf(bounded(entry.clientAddress.redactedIn(failure.detail))) },
    repliedBy: entry.repliedBy ?? null,
    versions: entry.versions ?? null,
    steps: timeline?.steps.map(kept) ?? null,
    more: timeline?.more ?? 0,
  };
}

function kept(step: Step): Step {
  return step.kind === "try" || step.changed.length === 0
    ? step
    : {
        ...step,
        changed: step.changed.slice(0, CHANGED_MAX).map((name) => copyOf(name.slice(0, NAME_LENGTH_MAX))),
      };
}

/** Filters may edit hundreds of fields, and choose long names for them: nobody reads that, and there are many exchanges. */
const CHANGED_MAX = 32;
const NAME_LENGTH_MAX = 64;

function copyOf(text: string): string {
  return Buffer.from(text).toString();
}

/** An exchange that is kept. It is written out when somebody asks for it, once: that costs more than all the rest. */
class Kept {
  readonly requestId: string;
  #view: TimelineView | undefined;
  #text = "";

  constructor(view: TimelineView) {
    this.requestId = view.requestId;
    this.#view = view;
  }

  /** One whose filters have edited hundreds of fields comes without its steps. */
  get text(): string {
    const view = this.#view;
    if (view === undefined) return this.#text;
    this.#view = undefined;
    this.#text = JSON.stringify(view);
    if (this.#text.length > TEXT_LENGTH_MAX)
      this.#text = JSON.stringify({ ...view, steps: null, more: (view.steps?.length ?? 0) + view.more });
    return this.#text;
  }
}

/** So many of them as may be asked for at once are no more than the command line takes. */
const TEXT_LENGTH_MAX = 30_000;

/** What rounding cannot be. */
const CLOCKS_APART_MS = 2;

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
