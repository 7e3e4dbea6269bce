import type { Instance } from "./contract.ts";

/** When a filter is left alone, and for how long. */
export interface QuarantineLimits {
  /** So many failures are borne; one more among the last `of` exchanges is too many. */
  readonly failures: number;
  readonly of: number;
  /** How long the first time; twice as long each time that a probe fails. */
  readonly baseMs: number;
  readonly maxMs: number;
}

/** What is told of a quarantine, for log, metrics and status. */
export interface QuarantineOwner {
  /** It began, or a probe has failed; `forMs` is the time until the next probe. */
  quarantined(forMs: number, failures: number, of: number): void;
  released(): void;
}

/** Thrown in the place of an instance. There is one for all, as it says nothing else: making one costs more than a call. */
export class FilterQuarantined extends Error {
  override readonly name = "FilterQuarantined";
}

export const QUARANTINED: FilterQuarantined = new FilterQuarantined("the filter is quarantined");

/**
 * Whether a filter that keeps failing is still called, in one worker.
 *
 * It watches the last `of` exchanges. One failure too many shuts it: until some time has passed nothing is called, and the filter's
 * policy applies. Then a single exchange probes it. A success opens it as if nothing had been, a failure shuts it for twice as long.
 */
export class Quarantine {
  readonly #limits: QuarantineLimits;
  readonly #owner: QuarantineOwner;
  readonly #now: () => number;
  /** A ring of the last exchanges: 1 for a failure. */
  readonly #outcomes: Uint8Array;
  #at = 0;
  #failed = 0;
  #shut = false;
  /** While shut: when the next probe may begin. */
  #untilMs = 0;
  /** How often in a row it was shut, which doubles the time. */
  #strikes = 0;
  /** Exchanges since it was opened again; a whole ring of them makes the strikes forgotten. */
  #calm = 0;
  #probe: Instance | undefined;

  /** `now` gives milliseconds, and never goes back. */
  constructor(limits: QuarantineLimits, owner: QuarantineOwner, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#owner = owner;
    this.#now = now;
    this.#outcomes = new Uint8Array(limits.of);
  }

  get shut(): boolean {
    return this.#shut;
  }

  /** Whether this exchange may have an instance. While shut, one that may is a probe. */
  admits(): boolean {
    if (!this.#shut) return true;
    const now = this.#now();
    if (now < this.#untilMs) return false;
    // An exchange may last for hours: when this one has not ended by then, another one probes.
    this.#untilMs = now + this.#backOffMs();
    this.#probe = undefined;
    return true;
  }

  /** An exchange got this instance. While shut only a probe gets one. */
  lent(instance: Instance): void {
    if (this.#shut) this.#probe = instance;
  }

  /** An exchange has given back its instance. */
  passed(instance: Instance): void {
    if (!this.#shut) {
      this.#record(0);
      if (this.#strikes > 0) this.#calmer();
    } else if (instance === this.#probe) this.#open();
  }

  /** A call has failed; without an instance, none could be made. */
  failed(instance: Instance | undefined): void {
    if (this.#shut) {
      if (instance === this.#probe) this.#shutFor();
      return;
    }
    this.#record(1);
    if (this.#failed > this.#limits.failures) this.#shutFor();
  }

  #record(outcome: 0 | 1): void {
    const outcomes = this.#outcomes;
    this.#failed += outcome - (outcomes[this.#at] as number);
    outcomes[this.#at] = outcome;
    this.#at = this.#at + 1 === outcomes.length ? 0 : this.#at + 1;
  }

  #calmer(): void {
    this.#calm += 1;
    if (this.#calm >= this.#limits.of) this.#strikes = 0;
  }

  #shutFor(): void {
    const forMs = this.#backOffMs();
    this.#shut = true;
    this.#probe = undefined;
    this.#strikes += 1;
    this.#untilMs = this.#now() + forMs;
    this.#owner.quarantined(forMs, this.#failed, this.#limits.of);
  }

  #open(): void {
    this.#shut = false;
    this.#probe = undefined;
    this.#outcomes.fill(0);
    this.#failed = 0;
    this.#calm = 0;
    this.#owner.released();
  }

  #backOffMs(): number {
    // Far fewer doublings than would leave the range of numbers, and more than any pair of bounds needs.
    return Math.min(this.#limits.baseMs * 2 ** Math.min(this.#strikes, 30), this.#limits.maxMs);
  }
}
