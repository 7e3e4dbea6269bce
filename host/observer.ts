import type { ChainBodies, ChainOwner, ChainRun } from "./chain.ts";
import type { Instance } from "./filter/contract.ts";
import type { Filter } from "./filter/filter.ts";
import type { ExchangeEntry } from "./ops/exchange-log.ts";

/**
 * Sees in a worker what filters make of its exchanges. It is for somebody who writes a filter, and is there when the process was started
 * for that; a proxy that serves has none, and makes nothing for it.
 */
export interface Observer {
  /** Puts itself around an instance, which may consume so much fuel in a call. */
  watched(instance: Instance, fuelMax: number): Instance;
  /** A route's filters in one exchange. */
  chain(filters: readonly Filter[], bodies: ChainBodies, owner: ChainOwner): ChainRun;
  /** What the log gets of an exchange that has ended, in the place of its usual line. */
  line(exchange: ExchangeEntry): string;
}

/** What a module has to export that is an observer. */
export interface ObserverModule {
  readonly createObserver: () => Observer;
}
