/** Something with time limits of its own. */
export interface Timed {
  sweep(nowMs: number): void;
}

/**
 * Looks at the clock for all connections of a worker at once. A timer for each of them, set and cleared with every request,
 * would cost more than the look does, and no limit needs to be kept to the millisecond.
 */
export class Sweeper {
  readonly #timed = new Set<Timed>();
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => {
      const nowMs = Date.now();
      for (const timed of this.#timed) timed.sweep(nowMs);
    }, SWEEP_MS).unref();
  }

  add(timed: Timed): void {
    this.#timed.add(timed);
  }

  remove(timed: Timed): void {
    this.#timed.delete(timed);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** How often it looks. */
export const SWEEP_MS = 50;
