import { basename } from "node:path";
import type { Config, Json } from "../config/config.ts";
import { loadConfig, readConfig } from "../config/load.ts";
import type { GrantName, NeededGrant } from "../filter/grants.ts";
import type { FilterCrate } from "./cargo.ts";
import { KitError } from "./kit-error.ts";

/** What a proxy for one filter is made of. */
export interface DevPlace {
  readonly crate: FilterCrate;
  /** What is built. */
  readonly component: string;
  /** Given on the command line: the filter's config, in the place of any other. */
  readonly config: Json | undefined;
  readonly port: number;
  /** The URL of the server that requests go to. */
  readonly upstream: string;
  /** Where compiled components are kept. */
  readonly artifacts: string;
}

export interface DevConfig {
  readonly config: Config;
  /** Names of the filters that are this project's. */
  readonly filters: readonly string[];
}

/**
 * The configuration of a project, with what is built in the place of its filter's component, and requests going to the one upstream. What
 * filters ask themselves goes where the file says. Throws a `ConfigError`, or a `KitError` when the filter is not in it.
 */
export function configOfFile(file: string, place: DevPlace): DevConfig {
  const own = loadConfig(file);
  const plain = readConfig(minimalText(place, []), file);
  const filters = namesOf(own, place);
  if (filters.length === 0)
    throw new KitError(
      `${file} has no filter of this project: it needs one with the component target/sluice/${place.crate.name}.wasm, or another file with -c.`,
    );
  const [server] = plain.upstreams;
  const routed = new Set(own.routes.map(({ upstream }) => upstream));
  const config: Config = {
    ...own,
    listen: plain.listen,
    // Others on this machine may have these.
    admin: null,
    workers: 1,
    log: plain.log,
    upstreams: own.upstreams.map((upstream) =>
      server !== undefined && routed.has(upstream.name) ? { ...server, name: upstream.name } : upstream,
    ),
    filters: own.filters.map((filter) =>
      filters.includes(filter.name)
        ? {
            ...filter,
            component: place.component,
            // Nobody signs what was built a moment ago.
            sha256: null,
            verify: null,
            config: place.config ?? filter.config,
          }
        : filter,
    ),
  };
  return { config, filters };
}

/** A configuration for a project without one: the filter before the upstream, granted what it needs. Throws a `ConfigError`. */
export function minimalConfig(place: DevPlace, grants: readonly NeededGrant[]): DevConfig {
  return { config: readConfig(minimalText(place, grants), NOWHERE), filters: [place.crate.package] };
}

/** The same as the text that a host takes. */
export function minimalText(
  { crate, component, config, port, upstream, artifacts }: DevPlace,
  grants: readonly NeededGrant[],
): string {
  const grant = Object.fromEntries(grants.map((needed) => [needed.grant, GIVEN[needed.grant] ?? true]));
  return JSON.stringify({
    listen: [`127.0.0.1:${port}`],
    admin: false,
    workers: 1,
    artifacts,
    log: { level: "debug" },
    upstreams: { [UPSTREAM]: { servers: [upstream] } },
    filters: { [crate.package]: { component, grant, ...(config !== undefined && { config }) } },
    routes: [{ filters: [crate.package], upstream: UPSTREAM }],
  });
}

/** The line under a filter in a configuration that grants all this. */
export function grantLine(grants: readonly NeededGrant[]): string {
  const line = ({ grant, line: usual }: NeededGrant): string =>
    grant in GIVEN ? `${grant}: [${(GIVEN[grant] ?? []).join(", ")}]` : usual;
  return `grant: { ${grants.map(line).join(", ")} }`;
}

function namesOf({ filters }: Config, { crate, component }: DevPlace): string[] {
  const built = filters.filter((filter) => basename(filter.component) === basename(component));
  const found = built.length > 0 ? built : filters.filter(({ name }) => name === crate.package);
  return found.map(({ name }) => name);
}

const UPSTREAM = "upstream";

/** The upstream that there is, and no secrets. */
const GIVEN: Readonly<Partial<Record<GrantName, readonly string[]>>> = { http: [UPSTREAM], secrets: [] };

/** What a configuration that is in no file is called in messages. */
const NOWHERE = "sluice dev";
