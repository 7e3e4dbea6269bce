import type { Outcome } from "../filter/contract.ts";
import type { ShadowMeter, TrialMeter } from "../ops/trial-meter.ts";
import { trialKey } from "../ops/trial-meter.ts";
import type { ShadowQueue } from "./shadow-queue.ts";
import type { Tap } from "./tap.ts";

/** Somebody who wants records of a filter's exchanges. */
export interface Taker {
  /** Whether an exchange that begins now is recorded for it. */
  wants(): boolean;
  /** An exchange that has reached the filter is over; undefined when it was not recorded. */
  take(tap: Tap | undefined, outcome: Outcome): void;
  /** The filter has failed after that. */
  failedLate?(tap: Tap, outcome: Outcome): void;
}

/** Copies exchanges for a candidate in the shadow. */
export class ShadowTaker implements Taker {
  readonly #meter: TrialMeter;
  readonly #queue: ShadowQueue;

  constructor(meter: TrialMeter, queue: ShadowQueue) {
    this.#meter = meter;
    this.#queue = queue;
  }

  wants(): boolean {
    return this.#queue.admits;
  }

  take(tap: Tap | undefined, outcome: Outcome): void {
    if (tap === undefined || !this.#queue.admits) (this.#meter.shadow as ShadowMeter).dropped += 1;
    else this.#queue.add(trialKey(this.#meter), tap.record(outcome), tap.bytes);
  }
}
