import type { Route } from "../generation.ts";
import { RouteTrial, type Taken } from "../trial/route-trial.ts";
import type { Taker } from "../trial/taker.ts";
import type { Tapped } from "../trial/tap.ts";

/** A filter as exchanges of it are recorded. */
export interface Recorded {
  readonly tapped: Tapped;
  /** A text without the filter's secrets. */
  readonly clean: (text: string) => string;
}

/** The filters of one generation of which records can be made, and the routes that they are on. */
export class Recordable {
  readonly #routes: readonly Route[];
  /** By name. */
  readonly #filters: ReadonlyMap<string, Recorded>;

  constructor(routes: readonly Route[], filters: ReadonlyMap<string, Recorded>) {
    this.#routes = routes;
    this.#filters = filters;
  }

  filter(name: string): Recorded | undefined {
    return this.#filters.get(name);
  }

  /** Exchanges that begin from now on are recorded for it. */
  add(taken: Taken): void {
    for (const route of this.#routes) {
      if (!route.filters.includes(taken.tapped.filter)) continue;
      const { chains } = route;
      if (chains === undefined) route.chains = RouteTrial.of(route.filters, [], [taken]);
      // Where somebody looks on who writes a filter, nothing is recorded besides.
      else if (chains instanceof RouteTrial) route.chains = chains.with(taken);
    }
  }

  /** And from now on no more. */
  remove(taker: Taker): void {
    for (const route of this.#routes)
      if (route.chains instanceof RouteTrial) route.chains = route.chains.without(taker);
  }
}
