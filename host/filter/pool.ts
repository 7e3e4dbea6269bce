import type { Instance } from "./contract.ts";

/** Bounds of one filter's instances in one worker. */
export interface PoolLimits {
  readonly instancesMax: number;
  readonly waitMs: number;
}

/** What stands in line for an instance. */
export interface Waiter {
  /** Called once, later: with an instance, or with none when the wait was in vain. */
  granted(instance: Instance | undefined): void;
}

/**
 * The instances of one filter in one worker. Each serves one exchange at a time: taken, used, given back or discarded.
 *
 * Last in, first out: the instance used last is the one whose memory is still in the caches. One is kept ready from the
 * start; more are made as concurrency asks for them.
 */
export class InstancePool {
  readonly #make: () => Instance;
  readonly #limits: PoolLimits;
  readonly #gauge: { instances: number };
  readonly #free: Instance[] = [];
  readonly #waiting: Queued[] = [];
  #count = 0;
  #closed = false;

  /** `make` gives a configured instance, or throws. `gauge` is shared with the filter's pools of other generations. */
  constructor(make: () => Instance, first: Instance, limits: PoolLimits, gauge: { instances: number }) {
    this.#make = make;
    this.#limits = limits;
    this.#gauge = gauge;
    this.#free.push(first);
    this.#alive(1);
  }

  /** An instance, or undefined when all are in use and no more may be made. Throws when a new one cannot be made. */
  take(): Instance | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#count >= this.#limits.instancesMax) return undefined;
    const fresh = this.#make();
    this.#alive(1);
    return fresh;
  }

  /** Stands in line, for `waitMs` at the most. The line is no longer than there are instances. */
  wait(waiter: Waiter): void {
    if (this.#waiting.length >= this.#limits.instancesMax) {
      queueMicrotask(() => waiter.granted(undefined));
      return;
    }
    const queued: Queued = { waiter, timer: setTimeout(() => this.#expire(queued), this.#limits.waitMs) };
    this.#waiting.push(queued);
  }

  give(instance: Instance): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      if (!this.#closed) this.#free.push(instance);
      else this.#alive(-1);
      return;
    }
    clearTimeout(next.timer);
    // Not from within the giver's call: it has not finished its own exchange.
    queueMicrotask(() => next.waiter.granted(instance));
  }

  /** Ends an instance. Its successor is made before the next call needs it, or at once for one that waits. */
  discard(_instance: Instance): void {
    this.#alive(-1);
    if (this.#closed || (this.#free.length > 0 && this.#waiting.length === 0)) return;
    setImmediate(() => this.#replace());
  }

  /** Lets the instances go; those in use follow when they are given back. */
  close(): void {
    this.#closed = true;
    this.#alive(-this.#free.length);
    this.#free.length = 0;
  }

  #alive(change: number): void {
    this.#count += change;
    this.#gauge.instances += change;
  }

  #replace(): void {
    if (this.#closed || this.#count >= this.#limits.instancesMax) return;
    if (this.#free.length > 0 && this.#waiting.length === 0) return;
    let fresh: Instance;
    try {
      fresh = this.#make();
    } catch {
      // The next exchange tries again, and tells why in its own failure.
      return;
    }
    this.#alive(1);
    this.give(fresh);
  }

  #expire(queued: Queued): void {
    const at = this.#waiting.indexOf(queued);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    queued.waiter.granted(undefined);
  }
}

interface Queued {
  readonly waiter: Waiter;
  readonly timer: NodeJS.Timeout;
}
