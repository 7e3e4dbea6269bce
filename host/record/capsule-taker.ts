import type { CapsuleConfig } from "../config/config.ts";
import type { Outcome } from "../filter/contract.ts";
import { type Frame, framesOf } from "../filter/fault.ts";
import type { FilterFailureReason } from "../ops/meter.ts";
import type { Taker } from "../trial/taker.ts";
import type { Tap } from "../trial/tap.ts";
import { encodeRecord } from "./record-file.ts";
import type { Recorded } from "./recordable.ts";
import { Redaction } from "./redaction.ts";

/** A failure of a filter with all that it was given, on its way to the main thread, which knows the rest. */
export interface CapsuleMessage {
  readonly kind: "capsule";
  readonly filter: string;
  readonly digest: string;
  readonly reason: FilterFailureReason;
  readonly frames: readonly Frame[];
  /** The record as JSON. */
  readonly exchange: string;
}

/** Waits for a filter to fail, and keeps what it was given then: for each reason so often and no more. */
export class CapsuleTaker implements Taker {
  readonly #recorded: Recorded;
  readonly #redaction: Redaction;
  readonly #bodies: boolean;
  readonly #bytesMax: number;
  readonly #post: (message: CapsuleMessage) => void;
  /** By reason: when there may be the next one. */
  readonly #next = new Map<string, number>();

  constructor(
    recorded: Recorded,
    { bodies, bytesMax, headers }: CapsuleConfig,
    post: (message: CapsuleMessage) => void,
  ) {
    this.#recorded = recorded;
    this.#redaction = new Redaction({ headers, bodies }, recorded.clean);
    this.#bodies = bodies;
    this.#bytesMax = bytesMax;
    this.#post = post;
  }

  /** When it fails it is too late to begin. */
  wants(): boolean {
    return true;
  }

  take(tap: Tap | undefined, outcome: Outcome): void {
    if (tap?.failure !== undefined) this.failedLate(tap, outcome);
  }

  failedLate(tap: Tap, outcome: Outcome): void {
    const { failure } = tap;
    // That it was not called is nothing that calling it again could show.
    if (failure === undefined || failure.reason === "busy" || failure.reason === "quarantined") return;
    const now = performance.now();
    if (now < (this.#next.get(failure.reason) ?? 0)) return;
    this.#next.set(failure.reason, now + CAPSULE_EVERY_MS);
    const record = tap.record(outcome);
    const { clientAddress } = tap;
    // The exchange is over for its client first.
    setImmediate(() => {
      const { filter } = this.#recorded.tapped;
      const exchange = encodeRecord(this.#redaction.record(record, clientAddress), this.#bodies);
      if (exchange.length > this.#bytesMax) return;
      this.#post({
        kind: "capsule",
        filter: filter.name,
        digest: filter.digest,
        reason: failure.reason,
        frames: framesOf(failure.error),
        exchange,
      });
    });
  }
}

/** One of each kind says it all, and a filter that fails in each exchange must not fill a disk. */
export const CAPSULE_EVERY_MS = 60_000;
