import { bodiesOf } from "./chain.ts";
import type { Config, MatchConfig } from "./config/config.ts";
import type { Filter } from "./filter/filter.ts";
import type { Route } from "./generation.ts";
import { OVERFLOW, type WorkerMeter } from "./ops/meter.ts";
import { observed, type Observer } from "./observer.ts";
import { RouteTrial, type Taken, type Tried } from "./trial/route-trial.ts";
import type { Upstream } from "./upstream.ts";

/** What routes are made of, by the names that a configuration has for it. */
export interface RouteParts {
  readonly filters: ReadonlyMap<string, Filter>;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly tried: readonly Tried[];
  readonly taken: readonly Taken[];
}

/** The routes of a configuration, as one worker runs them. */
export function routesOf(
  config: Config,
  { filters, upstreams, tried, taken }: RouteParts,
  meter: WorkerMeter,
  observer: Observer | undefined,
): { readonly match: MatchConfig; readonly route: Route }[] {
  return config.routes.map((route) => {
    const chain = route.filters.map((name) => named(filters, name));
    return {
      match: route.match,
      route: {
        name: route.name,
        filters: chain,
        bodies: bodiesOf(chain),
        chains: RouteTrial.of(chain, tried, taken) ?? observed(chain, observer),
        upstream: named(upstreams, route.upstream),
        preserveHost: route.preserveHost,
        serverTiming: route.serverTiming,
        meter: meter.route(route.name),
        slo: meter.slos.route(route.name, route.slo, OVERFLOW),
      },
    };
  });
}

function named<Value>(of: ReadonlyMap<string, Value>, name: string): Value {
  const value = of.get(name);
  if (value === undefined) throw new Error(`${name} is not in the config`);
  return value;
}
