import type { Config } from "./config/config.ts";
import { Failure } from "./failure.ts";
import type { Reply } from "./message.ts";
import { failureReply } from "./own-reply.ts";
import { SWEEP_MS, type Timed } from "./sweeper.ts";

/** Bounds on what a worker takes upon itself. */
export interface AdmissionLimits {
  readonly exchangesMax: number;
  /** How late the event loop may be. */
  readonly delayMsMax: number;
}

export function admissionOf({ limits, timeouts }: Config): AdmissionLimits {
  return { exchangesMax: limits.exchangesMax, delayMsMax: timeouts.eventLoopDelayMs };
}

/**
 * Which requests become exchanges. Beyond a number in flight none do; and when the event loop comes late again and again, fewer
 * and fewer, until it is on time: what is refused at once costs little, and what is taken is answered while somebody waits for it.
 *
 * A single late turn tells nothing: it may be a collection of garbage, or another process.
 */
export class Admission implements Timed {
  limits: AdmissionLimits;
  #lookedMs = 0;
  /** Turns in a row that were too late. */
  #late = 0;
  /** Of new requests, which share is refused. */
  #share = 0;
  /** What the share comes to since the last request that was refused: it is spread evenly. */
  #due = 0;

  constructor(limits: AdmissionLimits) {
    this.limits = limits;
  }

  /** Why the next request is refused; undefined when it may come in. */
  refusal(exchangesInFlight: number): Refusal | undefined {
    if (exchangesInFlight >= this.limits.exchangesMax) return FULL;
    if (this.#share === 0) return undefined;
    this.#due += this.#share;
    if (this.#due < 1) return undefined;
    this.#due -= 1;
    return OVERLOADED;
  }

  sweep(nowMs: number): void {
    const delayMs = this.#lookedMs === 0 ? 0 : nowMs - this.#lookedMs - SWEEP_MS;
    this.#lookedMs = nowMs;
    const { delayMsMax } = this.limits;
    if (delayMs > delayMsMax) {
      this.#late += 1;
      if (this.#late >= LATE_TURNS) this.#share = Math.min(SHARE_MAX, this.#share + SHARE_UP);
      return;
    }
    this.#late = 0;
    // Between the half and the whole the share stays as it is, and does not swing.
    if (delayMs < delayMsMax / 2) this.#share = this.#share < SHARE_DOWN ? 0 : this.#share - SHARE_DOWN;
  }
}

/** A refusal and its answer, made once: under load nothing should be made anew. */
export interface Refusal {
  readonly failure: Failure;
  readonly reply: Reply;
}

function refusalOf(failure: Failure): Refusal {
  return { failure, reply: failureReply(failure) };
}

const FULL = refusalOf(new Failure("HOST_FULL", "as many exchanges as limits.exchanges allows"));
const OVERLOADED = refusalOf(new Failure("HOST_OVERLOADED", "the event loop is late"));

const LATE_TURNS = 3;
const SHARE_UP = 0.2;
const SHARE_DOWN = 0.05;

/** Some always come in: by them it is seen that the load has gone. */
const SHARE_MAX = 0.95;
