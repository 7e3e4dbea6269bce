/**
 * Lets so many of each kind through in a second, and counts the rest. What does not fit is never written later: a flood that
 * is kept is still a flood.
 */
export class Flood {
  readonly #perSecond: number;
  readonly #tell: (kind: string, suppressed: number) => void;
  /** By kind, within the present second. */
  readonly #counts = new Map<string, number>();
  #beganMs = 0;

  /** `tell` hears once a second of each kind of which something was suppressed. */
  constructor(perSecond: number, tell: (kind: string, suppressed: number) => void) {
    this.#perSecond = perSecond;
    this.#tell = tell;
  }

  /** Whether one more of this kind may pass. */
  admits(kind: string): boolean {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    return count <= this.#perSecond;
  }

  /** To be called more often than once a second. */
  sweep(nowMs: number): void {
    // A clock that was set back must not stop everything for as long.
    if (nowMs - this.#beganMs < SECOND_MS && nowMs >= this.#beganMs) return;
    this.#beganMs = nowMs;
    this.flush();
  }

  /** Tells what was suppressed so far, and begins anew. */
  flush(): void {
    const counts = [...this.#counts];
    this.#counts.clear();
    for (const [kind, count] of counts)
      if (count > this.#perSecond) this.#tell(kind, count - this.#perSecond);
  }
}

const SECOND_MS = 1_000;
