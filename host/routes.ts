import { bodiesOf } from "./chain.ts";
import type { Config } from "./config/config.ts";
import type { Filter } from "./filter/filter.ts";
import type { Route } from "./generation.ts";
import type { WorkerMeter } from "./ops/meter.ts";
import { observed, type Observer } from "./observer.ts";
import { Router } from "./router.ts";
import { RouteTrial, type Tried } from "./trial/route-trial.ts";
import type { Upstream } from "./upstream.ts";

/** The routes of a configuration, with what was made of its filters and upstreams. */
export function routerOf(
  { routes }: Config,
  filters: ReadonlyMap<string, Filter>,
  tried: readonly Tried[],
  upstreams: ReadonlyMap<string, Upstream>,
  meter: WorkerMeter,
  observer: Observer | undefined,
): Router<Route> {
  return new Router(
    routes.map((route) => {
      const chain = route.filters.map((name) => named(filters, name));
      const trials = tried.filter(({ present }) => chain.includes(present));
      return {
        match: route.match,
        route: {
          name: route.name,
          filters: chain,
          bodies: bodiesOf(chain),
          chains: trials.length > 0 ? new RouteTrial(chain, trials) : observed(chain, observer),
          upstream: named(upstreams, route.upstream),
          preserveHost: route.preserveHost,
          serverTiming: route.serverTiming,
          meter: meter.route(route.name),
        },
      };
    }),
  );
}

function named<Value>(of: ReadonlyMap<string, Value>, name: string): Value {
  const value = of.get(name);
  if (value === undefined) throw new Error(`${name} is not in the config`);
  return value;
}
