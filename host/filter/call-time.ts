/** Where the time comes from. */
export interface TimeSource {
  /** Since 1970-01-01T00:00:00Z. */
  wallMs(): number;
  monotonicNs(): bigint;
  /** The same in milliseconds, as `performance.now()` has it. */
  performanceMs(): number;
}

/** This machine's clocks. */
export const MACHINE_TIME: TimeSource = {
  wallMs: () => Date.now(),
  monotonicNs: () => process.hrtime.bigint(),
  performanceMs: () => performance.now(),
};

/**
 * The time as one call sees it. Both clocks stand still within a call, whichever interface asks for them: what a filter
 * decides does not depend on how long it takes, and it cannot measure what others do on this machine.
 */
export class CallTime {
  readonly #source: TimeSource;
  #wallNs: bigint | undefined;
  #monotonicNs: bigint | undefined;
  #performanceMs: number | undefined;

  /** Tests have a source of their own. */
  constructor(source: TimeSource = MACHINE_TIME) {
    this.#source = source;
  }

  /** The next call has its own time. */
  goOn(): void {
    this.#wallNs = undefined;
    this.#monotonicNs = undefined;
    this.#performanceMs = undefined;
  }

  get wallNs(): bigint {
    return (this.#wallNs ??= BigInt(this.#source.wallMs()) * 1_000_000n);
  }

  get monotonicNs(): bigint {
    return (this.#monotonicNs ??= this.#source.monotonicNs());
  }

  /** For the host itself, which needs no bigint. */
  get performanceMs(): number {
    return (this.#performanceMs ??= this.#source.performanceMs());
  }
}
