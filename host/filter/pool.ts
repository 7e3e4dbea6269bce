import type { Instance } from "./contract.ts";
import type { InstanceBudget } from "./budget.ts";
import type { MemorySource } from "../ops/filter-work.ts";
import type { InstanceEnd } from "../ops/meter.ts";
import { QUARANTINED, type Quarantine } from "./quarantine.ts";

/** Bounds of one filter's instances in one worker. */
export interface PoolLimits {
  readonly instancesMax: number;
  readonly waitMs: number;
  /** An instance that nobody has needed for so long is let go. */
  readonly instanceIdleMs: number;
  /** An instance that has served so many exchanges is replaced. */
  readonly instanceExchangesMax: number;
  /** As is one whose memory has grown to so much. */
  readonly instanceBytesMax: number;
}

/** What stands in line for an instance. */
export interface Waiter {
  /** Called once, later: with an instance, or with none when the wait was in vain. */
  granted(instance: Instance | undefined): void;
}

/** What the pool counts; shared with the filter's pools of other generations. */
export interface PoolMeter {
  instances: number;
  readonly work: {
    waited(seconds: number): void;
    watch(memory: MemorySource): void;
    forget(memory: MemorySource): void;
  };
  ended(why: InstanceEnd, count: number): void;
}

/**
 * The instances of one filter in one worker. Each serves one exchange at a time: taken, used, given back or discarded.
 *
 * Last in, first out: the instance used last is the one whose memory is still in the caches. One is kept ready beyond those in
 * use, so that no exchange waits while one is made; more are made as concurrency asks for them, and let go when it no longer does.
 */
export class InstancePool implements MemorySource {
  readonly #make: () => Instance;
  readonly #limits: PoolLimits;
  readonly #meter: PoolMeter;
  readonly #quarantine: Quarantine;
  readonly #budget: InstanceBudget;
  /** Whether one more is made when the last free one is taken. Not where it is back within the same call. */
  readonly #ahead: boolean;
  readonly #bytesMax: number;
  readonly #alive = new Set<Instance>();
  readonly #free: Instance[] = [];
  readonly #waiting: Queued[] = [];
  /** Those that want the next one that is given back, before it goes on. */
  readonly #visitors: ((instance: Instance) => void)[] = [];
  #closed = false;
  /** Tells who waits for the last instance to go, once the pool is closed. */
  #empty: (() => void) | undefined;
  #replacing = false;
  /** The fewest that were free since the last look: so many were not needed. */
  #unneeded = 0;
  #nextLookMs = 0;

  /** `make` gives a configured instance, or throws. */
  constructor(
    make: () => Instance,
    first: Instance,
    limits: PoolLimits,
    meter: PoolMeter,
    quarantine: Quarantine,
    budget: InstanceBudget,
    ahead: boolean,
  ) {
    this.#make = make;
    this.#limits = limits;
    this.#meter = meter;
    this.#quarantine = quarantine;
    this.#budget = budget;
    this.#ahead = ahead;
    // A filter that begins with more than the mark would be replaced after each exchange.
    this.#bytesMax = Math.max(limits.instanceBytesMax, 2 * first.memoryBytes);
    budget.insist();
    this.#free.push(first);
    this.#add(first);
    meter.work.watch(this);
  }

  get quarantined(): boolean {
    return this.#quarantine.shut;
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const instance of this.#alive) bytes += instance.memoryBytes;
    return bytes;
  }

  /**
   * An instance, or undefined when all are in use and no more may be made. Also when this turn of the event
   * loop has made enough of them: then one comes to those who wait. Throws when a new one cannot be made, and
   * `QUARANTINED` when the filter is not to be called.
   */
  take(): Instance | undefined {
    if (!this.#quarantine.admits()) throw QUARANTINED;
    const free = this.#free.pop();
    if (free === undefined) return this.#takeFresh();
    if (this.#free.length < this.#unneeded) this.#unneeded = this.#free.length;
    if (this.#ahead && this.#free.length === 0) this.#replaceSoon();
    if (this.#quarantine.shut) this.#quarantine.lent(free);
    return free;
  }

  /** Stands in line, for `waitMs` at the most. The line is no longer than there are instances. */
  wait(waiter: Waiter): void {
    if (this.#waiting.length >= this.#limits.instancesMax) {
      queueMicrotask(() => waiter.granted(undefined));
      return;
    }
    const timer = setTimeout(() => this.#expire(queued), this.#limits.waitMs);
    const queued: Queued = { waiter, timer, sinceMs: performance.now() };
    this.#waiting.push(queued);
  }

  give(instance: Instance): void {
    this.#quarantine.passed(instance);
    const visitor = this.#visitors.shift();
    if (visitor === undefined) this.#keep(instance);
    else visitor(instance);
  }

  /**
   * Makes a call that is part of no exchange, on a free instance that has served, or on the next one that is given back within
   * `waitMs`. Where there is none it may be one that has served nothing; undefined when there is not even that. A call
   * that throws ends the instance and rejects, and is no failure of an exchange.
   */
  async visit<Result>(use: (instance: Instance) => Result): Promise<Result | undefined> {
    const served = (this.#free.at(-1)?.exchanges ?? 0) > 0 || this.#alive.size === this.#free.length;
    const instance = served ? this.#free.pop() : ((await this.#nextGiven()) ?? this.#free.pop());
    if (instance === undefined) return undefined;
    let result: Result;
    try {
      result = use(instance);
    } catch (error) {
      this.#retire("fault", instance);
      throw error;
    }
    this.#keep(instance);
    return result;
  }

  #nextGiven(): Promise<Instance | undefined> {
    return new Promise((resolve) => {
      const visitor = (instance: Instance): void => {
        clearTimeout(timer);
        resolve(instance);
      };
      const timer = setTimeout(() => {
        this.#visitors.splice(this.#visitors.indexOf(visitor), 1);
        resolve(undefined);
      }, this.#limits.waitMs);
      this.#visitors.push(visitor);
    });
  }

  #keep(instance: Instance): void {
    if (instance.exchanges >= this.#limits.instanceExchangesMax) return this.#retire("exchanges", instance);
    if (instance.memoryBytes >= this.#bytesMax) return this.#retire("memory", instance);
    this.#hand(instance);
  }

  /** Ends an instance that has failed. Its successor is made before the next call needs it, or at once for one that waits. */
  discard(instance: Instance): void {
    this.#quarantine.failed(instance);
    this.#retire("fault", instance);
  }

  /** Lets go of those that nobody has needed for a while, and of all that are idle when other filters have no room. */
  sweep(nowMs: number): void {
    const idle = this.#free.length - 1;
    if (idle <= 0) return;
    if (nowMs >= this.#nextLookMs) {
      this.#shrink(Math.min(this.#unneeded, idle));
      this.#unneeded = this.#free.length;
      this.#nextLookMs = nowMs + this.#limits.instanceIdleMs;
    } else if (this.#budget.tight) this.#shrink(idle);
  }

  /** Lets the instances go; those in use follow when they are given back. Resolves when the last one has gone. */
  close(): Promise<void> {
    this.#closed = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#empty = resolve;
    this.#end("swap", this.#free.splice(0));
    return promise;
  }

  #takeFresh(): Instance | undefined {
    if (!this.#budget.hasTime) {
      this.#replaceSoon();
      return undefined;
    }
    if (!this.#room()) return undefined;
    try {
      const fresh = this.#made();
      if (this.#ahead) this.#replaceSoon();
      this.#quarantine.lent(fresh);
      return fresh;
    } catch (error) {
      this.#quarantine.failed(undefined);
      throw error;
    }
  }

  /** A new one, for which there is room. */
  #made(): Instance {
    const began = performance.now();
    try {
      const fresh = this.#make();
      this.#add(fresh);
      return fresh;
    } catch (error) {
      this.#budget.release(1);
      throw error;
    } finally {
      this.#budget.spend(performance.now() - began);
    }
  }

  /** To the one who waits longest, or to the free ones. */
  #hand(instance: Instance): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      if (!this.#closed) this.#free.push(instance);
      else this.#end("swap", [instance]);
      return;
    }
    clearTimeout(next.timer);
    this.#waited(next);
    // Not from within the giver's call: it has not finished its own exchange.
    queueMicrotask(() => next.waiter.granted(instance));
  }

  #retire(why: InstanceEnd, instance: Instance): void {
    this.#end(why, [instance]);
    if (this.#free.length === 0 || this.#waiting.length > 0) this.#replaceSoon();
  }

  /** From the bottom: the ones used longest ago. */
  #shrink(count: number): void {
    if (count <= 0) return;
    this.#end("idle", this.#free.splice(0, count));
  }

  /** Whether one more may be made, for which there is room then. The first one needs none. */
  #room(): boolean {
    if (this.#alive.size >= this.#limits.instancesMax) return false;
    if (this.#alive.size > 0) return this.#budget.claim();
    this.#budget.insist();
    return true;
  }

  #add(instance: Instance): void {
    this.#alive.add(instance);
    this.#meter.instances += 1;
  }

  #end(why: InstanceEnd, instances: readonly Instance[]): void {
    for (const instance of instances) this.#alive.delete(instance);
    this.#meter.instances -= instances.length;
    this.#budget.release(instances.length);
    this.#meter.ended(why, instances.length);
    if (!this.#closed || this.#alive.size > 0) return;
    this.#meter.work.forget(this);
    this.#empty?.();
  }

  #waited({ sinceMs }: Queued): void {
    this.#meter.work.waited((performance.now() - sinceMs) / 1_000);
  }

  /** Not within the call that has made it necessary: an exchange waits for that. */
  #replaceSoon(): void {
    if (this.#closed || this.#replacing) return;
    this.#replacing = true;
    setImmediate(() => {
      this.#replacing = false;
      this.#replace();
    });
  }

  #replace(): void {
    do {
      if (this.#closed || (this.#free.length > 0 && this.#waiting.length === 0)) return;
      if (!this.#budget.hasTime) return this.#replaceSoon();
      if (!this.#room()) return;
      try {
        this.#hand(this.#made());
      } catch {
        // The next exchange tries again, and tells why in its own failure.
        return;
      }
    } while (this.#waiting.length > 0);
  }

  #expire(queued: Queued): void {
    const at = this.#waiting.indexOf(queued);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    this.#waited(queued);
    queued.waiter.granted(undefined);
  }
}

interface Queued {
  readonly waiter: Waiter;
  readonly timer: NodeJS.Timeout;
  readonly sinceMs: number;
}
