// Named, as the dashboard sees this file's types, and browsers have another one.
import { performance } from "node:perf_hooks";
import { SWEEP_MS, type Timed } from "../sweeper.ts";
import { addCells, cellsOf, LOOP_BOUNDS, observe } from "./buckets.ts";

/** How the event loop of one worker turns. Plain data. */
export interface LoopSnapshot {
  /** From 1 on; the one that takes a lost worker's place has its number. 0 is the thread of shadows. */
  readonly place: number;
  /** One cell per bound of `LOOP_BOUNDS`, one for what is longer, then the sum in seconds. */
  readonly delays: Float64Array;
  /** Time at work, and time at rest. */
  readonly activeSeconds: number;
  readonly idleSeconds: number;
}

/** Sees how late the sweeper's own timer comes: so late comes everything else, too. */
export class LoopMeter implements Timed {
  readonly #place: number;
  readonly #delays = cellsOf(LOOP_BOUNDS);
  #lookedMs = 0;

  constructor(place: number) {
    this.#place = place;
  }

  sweep(): void {
    // The wall clock may be set, which is no delay.
    const now = performance.now();
    if (this.#lookedMs > 0) observe(this.#delays, 0, LOOP_BOUNDS, (now - this.#lookedMs - SWEEP_MS) / 1_000);
    this.#lookedMs = now;
  }

  snapshot(): LoopSnapshot {
    const { active, idle } = performance.eventLoopUtilization();
    return {
      place: this.#place,
      delays: this.#delays.slice(),
      activeSeconds: active / 1_000,
      idleSeconds: idle / 1_000,
    };
  }
}

/** The sum of what several workers have told that had the same place, one after the other. */
export function addLoops(one: LoopSnapshot, other: LoopSnapshot): LoopSnapshot {
  return {
    place: one.place,
    delays: addCells(one.delays, other.delays),
    activeSeconds: one.activeSeconds + other.activeSeconds,
    idleSeconds: one.idleSeconds + other.idleSeconds,
  };
}
