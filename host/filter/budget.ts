/**
 * How many instances there may be in the whole process: V8 cannot hold more than about 16 000 memories, whatever their size.
 *
 * All workers count in the same cell. Each also counts its own, so that those of a worker that was lost can be given back.
 */
export class InstanceBudget {
  readonly #all: Int32Array;
  readonly #own: Int32Array;
  readonly #place: number;
  /** Of all workers together. */
  most: number;
  /** What the present turn of the event loop has spent on making instances. */
  #spentMs = 0;

  /** `all` has one cell, shared by all workers; `own[place]` is this worker's. */
  constructor(all: Int32Array, own: Int32Array, place: number, most: number) {
    this.#all = all;
    this.#own = own;
    this.#place = place;
    this.most = most;
  }

  /** Whether one more may be made, which then counts. */
  claim(): boolean {
    if (Atomics.add(this.#all, 0, 1) >= this.most) {
      Atomics.sub(this.#all, 0, 1);
      return false;
    }
    Atomics.add(this.#own, this.#place, 1);
    return true;
  }

  /** For a filter that has none: without one it could not even wait for one. */
  insist(): void {
    Atomics.add(this.#all, 0, 1);
    Atomics.add(this.#own, this.#place, 1);
  }

  release(count: number): void {
    Atomics.sub(this.#all, 0, count);
    Atomics.sub(this.#own, this.#place, count);
  }

  /**
   * Whether another instance may be made within this turn of the event loop. A thousand connections can have a request in the same
   * turn; an instance for each of them would keep all others waiting, and the worker would be taken for one that is stuck.
   */
  get hasTime(): boolean {
    return this.#spentMs < MAKING_MS_MAX;
  }

  /** An instance has been made, or tried to be. */
  spend(ms: number): void {
    if (this.#spentMs === 0) {
      setImmediate(() => {
        this.#spentMs = 0;
      });
    }
    this.#spentMs += Math.max(ms, Number.MIN_VALUE);
  }

  /** So little is left that idle instances should not be kept. */
  get tight(): boolean {
    return Atomics.load(this.#all, 0) >= this.most - (this.most >>> 3);
  }
}

/** About twenty instances on the direct path, and a few on the reference path. */
const MAKING_MS_MAX = 10;
