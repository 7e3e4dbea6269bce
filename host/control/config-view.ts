import { formatAddress } from "../config/address.ts";
import type { Config, FilterConfig, Json, RouteConfig, UpstreamConfig } from "../config/config.ts";
import { FILTER_LIMITS, HOST_LIMITS, type Bound } from "../config/limits.ts";
import { formatMatch } from "../config/resolve.ts";
import { sloView } from "../config/slo-schema.ts";
import { SERVICE_LIMITS } from "../config/service-limits.ts";
import { HOST_TIMEOUTS } from "../config/timeouts.ts";
import { formatDuration, formatSize } from "../config/units.ts";
import { formatAdminAddress } from "./admin-address.ts";

/** What may be a secret is shown as this. */
export const REDACTED = "[redacted]";

/**
 * A configuration as its file would have it, with every default. Nothing is redacted yet: what is shown to anybody goes through
 * `redacted` first.
 */
export function viewOf(config: Config): Json {
  const seen = VIEWS.get(config);
  if (seen !== undefined) return seen;
  const view = freshViewOf(config);
  VIEWS.set(config, view);
  return view;
}

/** Those that were made: each configuration is compared with the one before it, and with the one after. */
const VIEWS = new WeakMap<Config, Json>();

function freshViewOf(config: Config): Json {
  return {
    listen: config.listen.map((entry) => ({
      address: formatAddress(entry),
      ...(plain(omit(entry, "kind", "host", "port")) as object),
    })),
    admin:
      config.admin === null
        ? false
        : {
            ...(plain(omit(config.admin, "address")) as object),
            address: formatAdminAddress(config.admin.address),
          },
    workers: config.workers,
    artifacts: config.artifacts,
    store: { size: formatSize(config.store.sizeBytes), server: config.store.server },
    capsules: capsulesView(config),
    log: logView(config),
    "client-address": plain(config.clientAddress),
    timelines: timelinesView(config),
    timeouts: bounded(config.timeouts, HOST_TIMEOUTS),
    limits: bounded(config.limits, { ...HOST_LIMITS, ...FILTER_LIMITS, ...SERVICE_LIMITS }),
    forwarded: plain(config.forwarded),
    upstreams: byName(config.upstreams, upstreamView),
    secrets: byName(config.secrets, ({ source }) => plain(source)),
    filters: byName(config.filters, filterView),
    routes: byName(config.routes, routeView),
  };
}

/**
 * The same with everything left out that may be a secret: by its name, because a filter's config has it of a variable (`hidden`), or
 * as a URL's user and password.
 */
export function redacted(view: Json, hidden: ReadonlySet<string>, path: readonly string[] = []): Json {
  if (Array.isArray(view)) return view.map((item: Json) => redacted(item, hidden, path));
  if (typeof view === "object" && view !== null) {
    return Object.fromEntries(
      Object.entries(view as Readonly<Record<string, Json>>).map(([key, value]) => [
        key,
        redacted(value, hidden, [...path, key]),
      ]),
    );
  }
  if (typeof view !== "string") return view;
  if (isSecret(path) || (path[0] === "filters" && isHidden(view, hidden))) return REDACTED;
  return view.replace(/(:\/\/)[^/@\s]*@/, `$1${REDACTED}@`);
}

function isHidden(text: string, hidden: ReadonlySet<string>): boolean {
  return [...hidden].some((value) => text.includes(value));
}

function isSecret(path: readonly string[]): boolean {
  const [root, , member, ...rest] = path;
  if (root === "admin") return path.at(-1) === "sha256";
  if (root !== "filters") return false;
  if (member === "grant") return rest[0] === "env";
  const config = member === "candidate" ? rest.indexOf("config") + 1 : member === "config" ? 0 : -1;
  return config >= 0 && rest.slice(config).some((name) => SECRET_NAME.test(name));
}

const SECRET_NAME =
  /secret|token|passw|credential|authori[sz]ation|cookie|sha-?\d|hash|salt|signature|private|keys?$|^key/i;

function logView({ log }: Config): Json {
  const { exchanges } = log;
  if (exchanges === null) return { ...(plain(log) as object), exchanges: false };
  const { samplePercent, only } = exchanges;
  return {
    ...(plain(log) as object),
    exchanges:
      samplePercent === 100 && only === null ? true : { sample: `${samplePercent}%`, only: plain(only) },
  };
}

function capsulesView({ capsules }: Config): Json {
  if (!capsules) return null;
  const { folder, filesMax, bytesMax, bodies, headers } = capsules;
  return { folder, max: filesMax, bytes: formatSize(bytesMax), bodies, headers: [...headers] };
}

function timelinesView({ timelines: { keep, samplePercent, debug } }: Config): Json {
  return { keep, sample: `${samplePercent}%`, debug };
}

function upstreamView(upstream: UpstreamConfig): Json {
  const { connectMs, headMs, pendingMs, totalMs, connectionsMax, pendingMax, inFlightMax } = upstream;
  const rest = omit(
    upstream,
    "name",
    "servers",
    "connectMs",
    "headMs",
    "pendingMs",
    "totalMs",
    "connectionsMax",
    "pendingMax",
    "inFlightMax",
  );
  return {
    servers: Object.fromEntries(
      upstream.servers.map(({ origin, weight, drained }) => [
        origin,
        drained ? { weight, drained } : { weight },
      ]),
    ),
    timeouts: plain({ connectMs, headMs, pendingMs, totalMs }),
    limits: { connections: connectionsMax, pending: pendingMax, "in-flight": inFlightMax },
    ...(plain(rest) as object),
  };
}

function filterView(filter: FilterConfig): Json {
  const { component, sha256, config, limits, grant, candidate } = filter;
  const { env, ...granted } = grant;
  return {
    ...(plain(
      omit(filter, "name", "component", "sha256", "config", "limits", "grant", "candidate"),
    ) as object),
    component,
    sha256,
    config,
    limits: { fuel: limits.fuel, memory: formatSize(limits.memoryBytesMax) },
    grant: { ...(plain(granted) as object), env: Object.fromEntries(env) },
    ...(candidate === null
      ? {}
      : {
          candidate: {
            component: candidate.component,
            config: candidate.config as Json,
            trial: plain(candidate.trial),
          },
        }),
  };
}

function routeView(route: RouteConfig): Json {
  return {
    ...(plain(omit(route, "name", "match", "slo")) as object),
    match: formatMatch(route.match),
    // A generation that an older version has kept knows nothing of it.
    slo: route.slo ? sloView(route.slo) : null,
  };
}

function bounded<Key extends string>(
  values: { readonly [K in Key]: number },
  table: { readonly [K in Key]: Bound },
): Json {
  const entries = Object.entries<Bound>(table);
  return Object.fromEntries(
    entries.map(([key, bound]) => [bound.option, written(values[key as Key], bound.unit)]),
  );
}

function written(value: number, unit: Bound["unit"]): Json {
  if (unit === "ms") return formatDuration(value);
  return unit === "bytes" ? formatSize(value) : value;
}

/** Plain data with its members named as in the file. */
function plain(value: unknown): Json {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return (value ?? null) as Json;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (typeof member === "number" && key.endsWith("Ms"))
        return [kebab(key.slice(0, -2)), formatDuration(member)];
      return [kebab(key), plain(member)];
    }),
  );
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function omit<Whole extends object, Name extends keyof Whole>(
  whole: Whole,
  ...names: Name[]
): Omit<Whole, Name> {
  const left = { ...whole };
  for (const name of names) delete left[name];
  return left;
}

function byName<Thing extends { readonly name: string }>(
  things: readonly Thing[],
  view: (thing: Thing) => Json,
): Json {
  return Object.fromEntries(things.map((thing) => [thing.name, view(thing)]));
}
