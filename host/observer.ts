import { bodiesOf, type ChainBodies, type ChainOwner, type ChainRun } from "./chain.ts";
import type { Instance } from "./filter/contract.ts";
import type { Filter } from "./filter/filter.ts";
import type { ChainMaker } from "./generation.ts";
import type { ExchangeEntry } from "./ops/exchange-log.ts";

/**
 * Sees in a worker what filters make of its exchanges. It is for somebody who writes a filter, and is there when the process was started
 * for that; a proxy that serves has none, and makes nothing for it.
 */
export interface Observer {
  /** What is put around each instance that may consume so much fuel in a call. */
  watching(fuelMax: number): (instance: Instance) => Instance;
  /** A route's filters in one exchange. */
  chain(filters: readonly Filter[], bodies: ChainBodies, owner: ChainOwner): ChainRun;
  /** What the log gets of an exchange that has ended, in the place of its usual line. */
  line(exchange: ExchangeEntry): string;
}

/** What a module has to export that is an observer. */
interface ObserverModule {
  readonly createObserver: () => Observer;
}

/** The observer of the module with this URL, if there is to be one. */
export async function loadObserver(url: string | undefined): Promise<Observer | undefined> {
  return url === undefined ? undefined : ((await import(url)) as ObserverModule).createObserver();
}

/** The chains of a route with these filters, where somebody looks on. */
export function observed(filters: readonly Filter[], observer: Observer | undefined): ChainMaker | undefined {
  const bodies = bodiesOf(filters);
  return observer && { begin: (_fields, _address, owner) => observer.chain(filters, bodies, owner) };
}
