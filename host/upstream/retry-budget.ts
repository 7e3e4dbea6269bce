/**
 * How much may be tried again: a share of all requests, and a few a second for upstreams with little to do. Without it
 * each request of an outage would become several, just when the servers that are left can bear it least.
 */
export class RetryBudget {
  readonly #share: number;
  readonly #perSecond: number;
  readonly #tokensMax: number;
  #tokens: number;
  #seenMs: number;

  /** `share` in percent of the requests. */
  constructor(share: number, perSecond: number, nowMs: number) {
    this.#share = share / 100;
    this.#perSecond = perSecond;
    this.#tokensMax = Math.max(share, perSecond * SECONDS_SAVED);
    this.#tokens = perSecond * SECONDS_SAVED;
    this.#seenMs = nowMs;
  }

  /** A request has come. */
  request(): void {
    this.#tokens = Math.min(this.#tokensMax, this.#tokens + this.#share);
  }

  /** Whether one more may be tried again; if so, it is paid for. */
  take(nowMs: number): boolean {
    // A clock that goes back pays nothing.
    const seconds = Math.max(0, nowMs - this.#seenMs) / 1000;
    this.#seenMs = nowMs;
    this.#tokens = Math.min(this.#tokensMax, this.#tokens + seconds * this.#perSecond);
    // Shares add up to a whole with an error of their own.
    if (this.#tokens < 1 - 1e-9) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** What is not used is kept for so long: an outage begins with a burst. */
const SECONDS_SAVED = 10;
