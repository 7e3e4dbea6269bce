/**
 * The time as one call sees it. Both clocks stand still within a call, whichever interface asks for them: what a filter
 * decides does not depend on how long it takes, and it cannot measure what others do on this machine.
 */
export class CallTime {
  #wallNs: bigint | undefined;
  #monotonicNs: bigint | undefined;
  #performanceMs: number | undefined;

  /** The next call has its own time. */
  goOn(): void {
    this.#wallNs = undefined;
    this.#monotonicNs = undefined;
    this.#performanceMs = undefined;
  }

  get wallNs(): bigint {
    return (this.#wallNs ??= BigInt(Date.now()) * 1_000_000n);
  }

  get monotonicNs(): bigint {
    return (this.#monotonicNs ??= process.hrtime.bigint());
  }

  /** For the host itself, which needs no bigint. */
  get performanceMs(): number {
    return (this.#performanceMs ??= performance.now());
  }
}
