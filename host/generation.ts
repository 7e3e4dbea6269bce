import type { ChainBodies } from "./chain.ts";
import type { Filter } from "./filter/filter.ts";
import type { RouteMeter } from "./ops/meter.ts";
import type { OwnRequests } from "./own-request.ts";
import type { Router } from "./router.ts";
import type { RouteTrial } from "./trial/route-trial.ts";
import type { Upstream } from "./upstream.ts";

/** A route as one worker runs it. */
export interface Route {
  readonly name: string;
  readonly filters: readonly Filter[];
  readonly bodies: ChainBodies;
  /** Where a version of one of the filters is tried. */
  readonly trial: RouteTrial | undefined;
  readonly upstream: Upstream;
  readonly preserveHost: boolean;
  /** Whether clients are told where the time went. */
  readonly serverTiming: boolean;
  readonly meter: RouteMeter;
}

/** One config made live in one worker: kept alive while an exchange holds it. */
export class Generation {
  readonly number: number;
  readonly router: Router<Route>;
  /** Filters' own requests. */
  readonly requests: OwnRequests;
  readonly #filters: readonly Filter[];
  readonly #release: () => void;
  #exchanges = 0;
  #retired = false;
  #released = false;

  /** `release` is called once: after `retire`, when the last exchange has ended. */
  constructor(
    number: number,
    router: Router<Route>,
    requests: OwnRequests,
    filters: readonly Filter[],
    release: () => void,
  ) {
    this.number = number;
    this.router = router;
    this.requests = requests;
    this.#filters = filters;
    this.#release = release;
  }

  get exchanges(): number {
    return this.#exchanges;
  }

  /** Names of the filters that are not called, because they have failed too often. */
  quarantined(): string[] {
    return this.#filters.filter(({ pool }) => pool.quarantined).map(({ name }) => name);
  }

  hold(): void {
    this.#exchanges += 1;
  }

  letGo(): void {
    this.#exchanges -= 1;
    this.#releaseWhenIdle();
  }

  /** No exchange begins on it any more. */
  retire(): void {
    this.#retired = true;
    this.#releaseWhenIdle();
  }

  #releaseWhenIdle(): void {
    if (!this.#retired || this.#exchanges > 0 || this.#released) return;
    this.#released = true;
    this.#release();
  }
}
