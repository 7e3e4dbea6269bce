import type { ClientAddress } from "./client-address.ts";
import type { ChainBodies, ChainOwner, ChainRun } from "./chain.ts";
import type { Filter } from "./filter/filter.ts";
import type { FieldList } from "./message.ts";
import type { RouteMeter } from "./ops/route-meter.ts";
import type { RouteSlo } from "./ops/slo-meter.ts";
import type { OwnRequests } from "./own-request.ts";
import type { Router } from "./router.ts";
import type { Upstream } from "./upstream.ts";

/** A route as one worker runs it. */
export interface Route {
  readonly name: string;
  readonly filters: readonly Filter[];
  readonly bodies: ChainBodies;
  /** Where a version of one of the filters is tried, or somebody looks on or records: for exchanges that begin from now on. */
  chains: ChainMaker | undefined;
  readonly upstream: Upstream;
  readonly preserveHost: boolean;
  /** Whether clients are told where the time went. */
  readonly serverTiming: boolean;
  readonly meter: RouteMeter;
  /** Undefined when nothing is asked of it. */
  readonly slo: RouteSlo | undefined;
}

/** Gives the exchanges of a route their filters, in the place of a plain chain. */
export interface ChainMaker {
  begin(fields: FieldList, address: ClientAddress, owner: ChainOwner): ChainRun;
}

/** One config made live in one worker: kept alive while an exchange holds it. */
export class Generation {
  readonly number: number;
  readonly router: Router<Route>;
  /** Filters' own requests. */
  readonly requests: OwnRequests;
  readonly #filters: readonly Filter[];
  readonly #adopt: () => void;
  readonly #release: () => Promise<void>;
  readonly #drained = Promise.withResolvers<void>();
  #exchanges = 0;
  #retired = false;
  #released = false;

  /**
   * `adopt` is called when it becomes live: what it shares with the one before is told then what is different. `release` is called once:
   * after `retire`, when the last exchange has ended. It resolves when no instance is left.
   */
  constructor(
    number: number,
    router: Router<Route>,
    requests: OwnRequests,
    filters: readonly Filter[],
    adopt: () => void,
    release: () => Promise<void>,
  ) {
    this.number = number;
    this.router = router;
    this.requests = requests;
    this.#filters = filters;
    this.#adopt = adopt;
    this.#release = release;
  }

  get exchanges(): number {
    return this.#exchanges;
  }

  /** Resolves when nothing of it is left but what other generations use, too. */
  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  /** Names of the filters that are not called, because they have failed too often. */
  quarantined(): string[] {
    return this.#filters.filter(({ pool }) => pool.quarantined).map(({ name }) => name);
  }

  /** Exchanges begin on it from now on. */
  adopt(): void {
    this.#adopt();
  }

  /** The version of a filter that it has. */
  filter(name: string): Filter | undefined {
    return this.#filters.find((filter) => filter.name === name);
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
    void this.#release().then(this.#drained.resolve, this.#drained.reject);
  }
}
