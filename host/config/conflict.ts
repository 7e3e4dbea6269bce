import type { LineCounter } from "yaml";
import { parseAddress, parseServer } from "./address.ts";
import { adminConflicts } from "./admin-conflict.ts";
import { ADMIN_DEFAULT } from "./admin-schema.ts";
import type { MatchConfig } from "./config.ts";
import { placeAt } from "./issue.ts";
import { INSTANCES_PER_GENERATION_MAX } from "./limits.ts";
import { excerpt, formatPath } from "./problem.ts";
import { countWorkers, defaultName, formatMatch, type Surroundings } from "./resolve.ts";
import { MATCH } from "./schema.ts";
import type { Finding, Place } from "./source.ts";
import { at, type File, repeated, type Spot, spotAt, under } from "./spot.ts";
import { suggestion } from "./suggestion.ts";

/**
 * Finds what is wrong between the parts of a file: names of nothing, and things that exclude each other.
 *
 * It looks at the file and not at what the schema made of it, so that these are found beside other
 * problems. What the schema refuses anyway is passed over.
 */
export function findConflicts(root: Place, lines: LineCounter, surroundings: Surroundings): Finding[] {
  const file: File = { root, line: (place) => lines.linePos(place.offset).line };
  return [
    ...sharedAddresses(file),
    ...adminConflicts(file, surroundings.folder),
    ...sharedServers(file),
    ...pointlessGrants(file),
    ...tooManyFilters(file, surroundings),
    ...unknownNames(file),
    ...sharedRouteNames(file),
    ...sharedMatches(file),
  ];
}

function sharedAddresses(file: File): Finding[] {
  const admin = spotAt(file, ["admin", "address"]) ?? spotAt(file, ["admin"]);
  const adminText = admin === undefined ? ADMIN_DEFAULT : admin.place.value;
  const listeners = under(file, ["listen"]).map((spot) => spotAt(file, [...spot.path, "address"]) ?? spot);
  const same = repeated(
    file,
    "an address of its own",
    [...listeners, ...(admin === undefined ? [] : [admin])],
    addressKey,
  );
  if (admin !== undefined) return same;
  const shadowing = listeners.filter((spot) => addressKey(spot) === adminText);
  return [
    ...same,
    ...shadowing.map((spot) => at(spot, `expected an address of its own, got the default of admin`)),
  ];
}

function addressKey({ place }: Spot): string | undefined {
  const address = typeof place.value === "string" ? parseAddress(place.value) : undefined;
  // Port 0 is another port each time.
  return address === undefined || address.port === 0 ? undefined : `${address.host}:${address.port}`;
}

function sharedServers(file: File): Finding[] {
  return under(file, ["upstreams"]).flatMap((upstream) =>
    repeated(
      file,
      "a server of its own",
      under(file, [...upstream.path, "servers"]).map((spot) => spotAt(file, [...spot.path, "url"]) ?? spot),
      ({ place }) => (typeof place.value === "string" ? parseServer(place.value)?.origin : undefined),
    ),
  );
}

function pointlessGrants(file: File): Finding[] {
  return under(file, ["filters"]).flatMap((filter) => {
    const facts = spotAt(file, [...filter.path, "grant", "exchange-facts"]);
    const client = spotAt(file, [...filter.path, "grant", "client-address"]);
    const value = client?.place.value ?? false;
    if (client === undefined || value === false || facts?.place.value !== false) return [];
    return [
      at(
        client,
        `expected false without exchange-facts, which would give it (line ${file.line(facts.place)}), got ${excerpt(value)}`,
      ),
    ];
  });
}

function tooManyFilters(file: File, surroundings: Surroundings): Finding[] {
  const spot = spotAt(file, ["filters"]);
  const written = placeAt(file.root, ["workers"]).place?.value ?? "auto";
  if (spot === undefined || (written !== "auto" && !Number.isInteger(written))) return [];
  const workers = countWorkers(written as number | "auto", surroundings);
  const most = Math.floor(INSTANCES_PER_GENERATION_MAX / Math.max(1, workers));
  const count = spot.place.children.size;
  return count <= most
    ? []
    : [at(spot, `expected at most ${most} filters with ${workers} workers, got ${count}`)];
}

function unknownNames(file: File): Finding[] {
  const upstreams = namesUnder(file, "upstreams");
  const filters = namesUnder(file, "filters");
  const secrets = namesUnder(file, "secrets");
  const granted = under(file, ["filters"]).flatMap((filter) => [
    ...under(file, [...filter.path, "grant", "secrets"]).flatMap((spot) =>
      unknownName(spot, "secret", secrets),
    ),
    ...under(file, [...filter.path, "grant", "http"]).flatMap((spot) =>
      unknownName(spot, "upstream", upstreams),
    ),
  ]);
  const debug = spotAt(file, ["timelines", "debug"]);
  const named = under(file, ["routes"]).flatMap((route) => {
    const chain = under(file, [...route.path, "filters"]);
    const upstream = spotAt(file, [...route.path, "upstream"]);
    return [
      ...chain.flatMap((spot) => unknownName(spot, "filter", filters)),
      ...repeated(file, "each filter once", chain, ({ place }) =>
        typeof place.value === "string" ? place.value : undefined,
      ),
      ...(upstream === undefined ? [] : unknownName(upstream, "upstream", upstreams)),
    ];
  });
  const logged = under(file, ["log", "exchanges", "only", "routes"]).flatMap((spot) =>
    unknownName(spot, "route", routeNames(file)),
  );
  return [
    ...granted,
    ...(debug === undefined ? [] : unknownName(debug, "secret", secrets)),
    ...named,
    ...logged,
  ];
}

/** Those that the file gives, and those that are made of places and matches; undefined when they cannot be told. */
function routeNames(file: File): ReadonlySet<string> | undefined {
  const names = under(file, ["routes"]).map((route, index) => {
    const given = spotAt(file, [...route.path, "name"])?.place.value;
    if (typeof given === "string") return given;
    const match = readMatch(placeAt(file.root, [...route.path, "match"]));
    return match && defaultName(index, match);
  });
  return names.every((name) => name !== undefined) ? new Set(names) : undefined;
}

function unknownName(spot: Spot, kind: string, names: ReadonlySet<string> | undefined): Finding[] {
  const { value } = spot.place;
  if (names === undefined || typeof value !== "string" || value === "" || names.has(value)) return [];
  return [
    at(
      spot,
      `expected the name of a${kind === "upstream" ? "n" : ""} ${kind}, got ${excerpt(value)}${suggestion(value, names)}`,
    ),
  ];
}

/** Undefined when the names cannot be told: then nothing can be said about those who use them. */
function namesUnder(file: File, key: string): ReadonlySet<string> | undefined {
  const { place, broken } = placeAt(file.root, [key]);
  if (broken || (place === undefined && key === "upstreams")) return undefined;
  return new Set([...(place?.children.keys() ?? [])].map(String));
}

function sharedRouteNames(file: File): Finding[] {
  const names = under(file, ["routes"]).flatMap(({ path }) => spotAt(file, [...path, "name"]) ?? []);
  return repeated(file, "a name of its own", names, ({ place }) =>
    typeof place.value === "string" ? place.value : undefined,
  );
}

/**
 * Two routes exclude each other when they have host, path and a method in common. One for any method and
 * one for some beside each other are fine: the one that names the method is more specific.
 */
function sharedMatches(file: File): Finding[] {
  const seen = new Map<string, { readonly spot: Spot; readonly methods: readonly string[] }>();
  return under(file, ["routes"]).flatMap((route) => {
    const spot = spotAt(file, [...route.path, "match"]) ?? route;
    const match = readMatch(placeAt(file.root, [...route.path, "match"]));
    if (match === undefined) return [];
    const keys = (match.methods.length === 0 ? ["any method"] : match.methods).map((method) => ({
      method,
      key: `${method} ${formatMatch({ ...match, methods: [] })}`,
    }));
    const taken = keys.find(({ key }) => seen.has(key));
    const first = taken === undefined ? undefined : seen.get(taken.key);
    for (const { key } of keys) if (!seen.has(key)) seen.set(key, { spot, methods: match.methods });
    if (first === undefined) return [];
    const where = `${formatPath(first.spot.path)} (line ${file.line(first.spot.place)})`;
    return [
      at(
        spot,
        `expected a match of its own, got ${formatMatch(match)}, which shares ${taken?.method} with ${where}`,
      ),
    ];
  });
}

function readMatch({ place, broken }: ReturnType<typeof placeAt>): MatchConfig | undefined {
  if (broken) return undefined;
  const result = MATCH.safeParse(place === undefined ? {} : place.value);
  return result.success ? result.data : undefined;
}
