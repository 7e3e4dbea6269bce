import { addCells, cellsOf, observe, WAIT_BOUNDS } from "./buckets.ts";

/** What a call of a filter came to, as `FilterWork.called` takes it: small integers, so that a call is an index and no lookup. */
export const DECISION = {
  /** It let the message go on. */
  pass: 0,
  /** It put something in the place of a body. */
  replace: 1,
  /** It kept a chunk. */
  hold: 2,
  /** It answered. */
  reply: 3,
  /** It broke the exchange off. */
  reset: 4,
  fail: 5,
} as const;

export type DecisionNumber = (typeof DECISION)[keyof typeof DECISION];

/** What came of a filter's own HTTP requests: an answer, or the cases of WIT `http-client.error`. */
export const HTTP_RESULTS = [
  "ok",
  "not-granted",
  "busy",
  "unreachable",
  "timed-out",
  "too-large",
  "cancelled",
  "invalid",
  "other",
] as const;

export type HttpResult = (typeof HTTP_RESULTS)[number];

/** What a filter asks of the store and of allowances, as `FilterWork.stored` counts it. */
export const STORE_OPERATION = { get: 0, set: 1, delete: 2, "compare-and-set": 3, add: 4, take: 5 } as const;

/** Whoever has instances. */
export interface MemorySource {
  /** Of linear memory, in all instances that are alive. */
  readonly memoryBytes: number;
}

/** Plain data: it crosses threads by structured clone. */
export interface WorkSnapshot {
  /** By phase. */
  readonly fuel: Float64Array;
  /** In the order of `DECISION`. */
  readonly decisions: Float64Array;
  /** One cell per bound of `WAIT_BOUNDS`, one for what is longer, then the sum in seconds. */
  readonly waits: Float64Array;
  /** In the order of `HTTP_RESULTS`. */
  readonly requests: Float64Array;
  /** In the order of `STORE_OPERATION`. */
  readonly stored: Float64Array;
  readonly memoryBytes: number;
}

/** What one filter's calls have come to and used. */
export class FilterWork {
  /** In the order of `STORE_OPERATION`; whoever carries out an operation counts it. */
  readonly stored: Float64Array = new Float64Array(Object.keys(STORE_OPERATION).length);
  readonly #fuel: Float64Array;
  readonly #decisions = new Float64Array(Object.keys(DECISION).length);
  readonly #waits = cellsOf(WAIT_BOUNDS);
  readonly #requests = new Float64Array(HTTP_RESULTS.length);
  readonly #memories = new Set<MemorySource>();

  constructor(phases: number) {
    this.#fuel = new Float64Array(phases);
  }

  /** Counts a call that has returned or failed. */
  called(phase: number, fuel: number, decision: DecisionNumber): void {
    this.#fuel[phase]! += fuel;
    this.#decisions[decision]! += 1;
  }

  /** An exchange has waited so long for an instance, in vain or not. */
  waited(seconds: number): void {
    observe(this.#waits, 0, WAIT_BOUNDS, seconds);
  }

  /** A request of its own is over, or was never sent. */
  requested(result: HttpResult): void {
    this.#requests[HTTP_RESULTS.indexOf(result)]! += 1;
  }

  /** Its memory counts until `forget`. */
  watch(memory: MemorySource): void {
    this.#memories.add(memory);
  }

  forget(memory: MemorySource): void {
    this.#memories.delete(memory);
  }

  snapshot(): WorkSnapshot {
    let memoryBytes = 0;
    for (const memory of this.#memories) memoryBytes += memory.memoryBytes;
    return {
      fuel: this.#fuel.slice(),
      decisions: this.#decisions.slice(),
      waits: this.#waits.slice(),
      requests: this.#requests.slice(),
      stored: this.stored.slice(),
      memoryBytes,
    };
  }
}

/** The sum of two snapshots of the same filter. */
export function addWork(one: WorkSnapshot, other: WorkSnapshot): WorkSnapshot {
  return {
    fuel: addCells(one.fuel, other.fuel),
    decisions: addCells(one.decisions, other.decisions),
    waits: addCells(one.waits, other.waits),
    requests: addCells(one.requests, other.requests),
    stored: addCells(one.stored, other.stored),
    memoryBytes: one.memoryBytes + other.memoryBytes,
  };
}
