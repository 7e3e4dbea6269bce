import type { TimeSource } from "../filter/call-time.ts";

/** A clock that goes on only when it is told to. */
export class StillClock implements TimeSource {
  #wallMs: number;
  #sinceMs = 0;

  constructor(at: Date | number | string = STANDARD_TIME) {
    this.#wallMs = instant(at);
  }

  /** Of both clocks: what the wall clock is set to does not touch the other one, which never goes back. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`a clock cannot go on by ${ms} ms`);
    this.#wallMs += ms;
    this.#sinceMs += ms;
  }

  set(at: Date | number | string): void {
    this.#wallMs = instant(at);
  }

  /** To where it began. */
  restart(at: Date | number | string = STANDARD_TIME): void {
    this.#wallMs = instant(at);
    this.#sinceMs = 0;
  }

  wallMs(): number {
    return Math.floor(this.#wallMs);
  }

  monotonicNs(): bigint {
    return BigInt(Math.round(this.performanceMs() * 1e6));
  }

  performanceMs(): number {
    return STARTED_MS + this.#sinceMs;
  }
}

/** What a case begins with that names no time. */
export const STANDARD_TIME = "2026-01-01T00:00:00Z";

/** A filter that subtracts from its clock must not come to a time before it. */
const STARTED_MS = 86_400_000;

function instant(at: Date | number | string): number {
  const ms = at instanceof Date ? at.getTime() : typeof at === "number" ? at : Date.parse(at);
  if (!Number.isFinite(ms)) throw new RangeError(`${String(at)} is no time`);
  return ms;
}
