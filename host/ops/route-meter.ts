import type { Wish } from "../timeline.ts";
import { addCells, cellsOf, EXCHANGE_BOUNDS, observe, OVERHEAD_BOUNDS } from "./buckets.ts";

/** An exchange that stands for those of its bucket, and that somebody can look up. */
export interface Exemplar {
  readonly requestId: string;
  /** Undefined where it has no trace. */
  readonly traceId: string | undefined;
  readonly seconds: number;
  /** Unix milliseconds. */
  readonly at: number;
}

/** What a route counts of an exchange. The exchange itself implements it, so that nothing is allocated for the metrics. */
export interface EndedExchange {
  /** What the client was sent; 0 when no head went out. */
  readonly status: number;
  readonly durationMs: number;
  readonly requestId: string;
  /** One that is kept or traced can be looked up afterwards. */
  readonly timeline:
    | { readonly wish: Wish; readonly trace: { readonly traceId: string } | undefined }
    | undefined;
}

export interface RouteSnapshot {
  readonly name: string;
  /** Only the statuses that were seen; 0 is an exchange whose client was sent no head. */
  readonly statuses: readonly (readonly [status: number, count: number])[];
  /** One cell per bound of `EXCHANGE_BOUNDS`, one for what is longer, then the sum in seconds. */
  readonly durations: Float64Array;
  /** The newest of each bucket. */
  readonly exemplars: readonly (Exemplar | undefined)[];
  /** As `durations`, by `OVERHEAD_BOUNDS`. */
  readonly overheads: Float64Array;
}

/** Status codes have three digits and begin with 1 to 5; cell 0 is for everything else. */
const STATUS_FIRST = 100;
const STATUS_LAST = 599;

/** As many as there are cells. */
export const STATUSES: number = STATUS_LAST - STATUS_FIRST + 2;

/** Of so many exchanges the overhead of one is measured. */
export const MEASURED_OF = 4;

/** What one route has done. */
export class RouteMeter {
  readonly #statuses = new Float64Array(STATUSES);
  readonly #durations = cellsOf(EXCHANGE_BOUNDS);
  readonly #overheads = cellsOf(OVERHEAD_BOUNDS);
  #turn = 0;
  readonly #exemplars: (Exemplar | undefined)[] = new Array(EXCHANGE_BOUNDS.length + 1).fill(undefined);

  /**
   * The head of a response goes out, in an exchange that began at `beganMs` by `performance.now()`; so much of the time since
   * went in calls of filters and waits for servers. One more look at the clock costs as much as all counters: not every one is measured.
   */
  headSent(beganMs: number, elsewhereMs: number): void {
    this.#turn = (this.#turn + 1) % MEASURED_OF;
    if (this.#turn !== 1) return;
    observe(this.#overheads, 0, OVERHEAD_BOUNDS, (performance.now() - beganMs - elsewhereMs) / 1_000);
  }

  ended({ status, durationMs, requestId, timeline }: EndedExchange): void {
    const seconds = durationMs / 1_000;
    const bucket = this.record(status, seconds);
    if (timeline === undefined || (timeline.wish === "passing" && timeline.trace === undefined)) return;
    this.#exemplars[bucket] = { requestId, traceId: timeline.trace?.traceId, seconds, at: Date.now() };
  }

  /** Counts an exchange that has ended, and gives the bucket of its duration. `status` 0: the client was sent no head. */
  record(status: number, seconds: number): number {
    const cell = status >= STATUS_FIRST && status <= STATUS_LAST ? status - STATUS_FIRST + 1 : 0;
    this.#statuses[cell]! += 1;
    return observe(this.#durations, 0, EXCHANGE_BOUNDS, seconds);
  }

  snapshot(name: string): RouteSnapshot {
    const statuses: [number, number][] = [];
    this.#statuses.forEach((count, cell) => {
      if (count > 0) statuses.push([cell === 0 ? 0 : cell + STATUS_FIRST - 1, count]);
    });
    return {
      name,
      statuses,
      durations: this.#durations.slice(),
      exemplars: [...this.#exemplars],
      overheads: this.#overheads.slice(),
    };
  }
}

/** The sum of two snapshots of the same route. */
export function addRoutes(one: RouteSnapshot, other: RouteSnapshot): RouteSnapshot {
  const statuses = new Map(one.statuses);
  for (const [status, count] of other.statuses) statuses.set(status, (statuses.get(status) ?? 0) + count);
  return {
    name: one.name,
    statuses: [...statuses],
    durations: addCells(one.durations, other.durations),
    exemplars: one.exemplars.map((exemplar, bucket) => newer(exemplar, other.exemplars[bucket])),
    overheads: addCells(one.overheads, other.overheads),
  };
}

function newer(one: Exemplar | undefined, other: Exemplar | undefined): Exemplar | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.at >= other.at ? one : other;
}
