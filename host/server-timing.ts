/** Where the time of one exchange went, for the client that asks why it waits (Server-Timing): read when its head is sent. */
export class ServerTiming {
  readonly #beganMs: number;
  #passedMs = 0;
  #respondedMs = 0;

  /** `beganMs`: when the exchange began, by `performance.now()`. */
  constructor(beganMs: number) {
    this.#beganMs = beganMs;
  }

  /** The request goes to the upstream. */
  requestPassed(): void {
    this.#passedMs = performance.now();
  }

  /** The upstream's head has come. */
  responded(): void {
    this.#respondedMs = performance.now();
  }

  /** In milliseconds: what filters took, waiting for instances included, what the upstream took, tries again included, and all. */
  get value(): string {
    const totalMs = performance.now() - this.#beganMs;
    const total = `sluice;dur=${totalMs.toFixed(1)}`;
    // A filter, or the host itself, has answered.
    if (this.#passedMs === 0) return total;
    const upstreamMs = (this.#respondedMs === 0 ? performance.now() : this.#respondedMs) - this.#passedMs;
    return `filters;dur=${(totalMs - upstreamMs).toFixed(1)}, upstream;dur=${upstreamMs.toFixed(1)}, ${total}`;
  }
}
