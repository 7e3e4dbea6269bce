import type { Families, Sample } from "./exposition.ts";

/** The metrics of a host at one time. */
export interface Scrape {
  /** In milliseconds, of a clock that only goes forward. */
  readonly at: number;
  readonly families: Families;
}

/** What a host did between two scrapes, and what it is about at the second one. */
export interface Activity {
  readonly seconds: number;
  readonly exchangesPerSecond: number;
  readonly errorsPerSecond: number;
  readonly exchangesInFlight: number;
  readonly connections: number;
  readonly routes: readonly RouteActivity[];
  readonly filters: readonly FilterActivity[];
  readonly servers: readonly ServerActivity[];
}

export interface RouteActivity {
  readonly name: string;
  readonly exchangesPerSecond: number;
  /** 5xx, and those that ended without a head. */
  readonly errorsPerSecond: number;
  /** Null when none has ended. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface FilterActivity {
  readonly name: string;
  readonly callsPerSecond: number;
  /** Null when it was not called. */
  readonly meanMs: number | null;
  readonly failuresPerSecond: number;
  readonly instances: number;
}

export interface ServerActivity {
  readonly upstream: string;
  readonly server: string;
  readonly triesPerSecond: number;
  readonly failuresPerSecond: number;
  readonly inFlight: number;
  readonly pending: number;
  readonly connections: number;
}

export function activityBetween(before: Scrape, after: Scrape): Activity {
  const seconds = Math.max(0.001, (after.at - before.at) / 1_000);
  const grown = new Growth(before.families, after.families);
  const rate = (name: string, ...wanted: Wanted[]): number => grown.sum(name, ...wanted) / seconds;
  const now = (name: string, ...wanted: Wanted[]): number =>
    sum((after.families.get(name) ?? []).filter(({ labels }) => wanted.every((one) => one(labels))));
  return {
    seconds,
    exchangesPerSecond: rate("sluice_exchanges_total"),
    errorsPerSecond: rate("sluice_exchanges_total", isError),
    exchangesInFlight: now("sluice_exchanges_in_flight"),
    connections: now("sluice_connections_open"),
    routes: valuesOf(after.families, "sluice_exchanges_total", "route").map((name) => {
      const own = has("route", name);
      const buckets = grown.buckets("sluice_exchange_duration_seconds_bucket", own);
      return {
        name,
        exchangesPerSecond: rate("sluice_exchanges_total", own),
        errorsPerSecond: rate("sluice_exchanges_total", own, isError),
        p50Ms: quantileMs(0.5, buckets),
        p99Ms: quantileMs(0.99, buckets),
      };
    }),
    filters: valuesOf(after.families, "sluice_filter_instances", "filter").map((name) => {
      const own = has("filter", name);
      const calls = grown.sum("sluice_filter_call_duration_seconds_count", own);
      const spent = grown.sum("sluice_filter_call_duration_seconds_sum", own);
      return {
        name,
        callsPerSecond: calls / seconds,
        meanMs: calls === 0 ? null : (spent / calls) * 1_000,
        failuresPerSecond: rate("sluice_filter_failures_total", own),
        instances: now("sluice_filter_instances", own),
      };
    }),
    servers: serversOf(after.families).map(({ upstream, server }) => {
      const own: Wanted = (labels) => labels["upstream"] === upstream && labels["server"] === server;
      return {
        upstream,
        server,
        triesPerSecond: rate("sluice_server_tries_total", own),
        failuresPerSecond: rate("sluice_server_failures_total", own),
        inFlight: now("sluice_server_requests_in_flight", own),
        pending: now("sluice_server_requests_pending", own),
        connections: now("sluice_server_connections_open", own),
      };
    }),
  };
}

type Wanted = (labels: Sample["labels"]) => boolean;

/** How much counters have grown. One that is smaller than before has begun anew: another process serves. */
class Growth {
  readonly #before: ReadonlyMap<string, number>;
  readonly #after: Families;

  constructor(before: Families, after: Families) {
    this.#after = after;
    this.#before = new Map(
      [...before].flatMap(([name, samples]) =>
        samples.map(({ labels, value }) => [keyOf(name, labels), value]),
      ),
    );
  }

  sum(name: string, ...wanted: Wanted[]): number {
    const samples = this.#after.get(name) ?? [];
    return samples
      .filter(({ labels }) => wanted.every((one) => one(labels)))
      .reduce((all, sample) => all + this.#grown(name, sample), 0);
  }

  /** By their upper bounds, in order; counts of those that are at most so much, as the format has it. */
  buckets(name: string, wanted: Wanted): Bucket[] {
    const samples = (this.#after.get(name) ?? []).filter(({ labels }) => wanted(labels));
    return samples
      .map((sample) => ({
        bound: sample.labels["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(sample.labels["le"]),
        count: this.#grown(name, sample),
      }))
      .sort((one, other) => one.bound - other.bound);
  }

  #grown(name: string, { labels, value }: Sample): number {
    const before = this.#before.get(keyOf(name, labels)) ?? 0;
    return value < before ? value : value - before;
  }
}

interface Bucket {
  readonly bound: number;
  readonly count: number;
}

/** Where in its bucket the quantile lies is not known: it is taken to be where it would be if all were evenly spread. */
function quantileMs(quantile: number, buckets: readonly Bucket[]): number | null {
  const all = buckets.at(-1)?.count ?? 0;
  if (all === 0) return null;
  const wanted = quantile * all;
  const at = buckets.findIndex(({ count }) => count >= wanted);
  const { bound, count } = buckets[at] as Bucket;
  const below = buckets[at - 1] ?? { bound: 0, count: 0 };
  // Above the last bound nothing is known but that it is above.
  if (bound === Number.POSITIVE_INFINITY) return below.bound * 1_000;
  return (below.bound + ((wanted - below.count) / (count - below.count)) * (bound - below.bound)) * 1_000;
}

const isError: Wanted = ({ status = "" }) => status === "none" || status.startsWith("5");

function has(label: string, value: string): Wanted {
  return (labels) => labels[label] === value;
}

function valuesOf(families: Families, name: string, label: string): string[] {
  return [...new Set((families.get(name) ?? []).map(({ labels }) => labels[label] ?? ""))];
}

function serversOf(families: Families): { readonly upstream: string; readonly server: string }[] {
  return (families.get("sluice_server_tries_total") ?? []).map(({ labels }) => ({
    upstream: labels["upstream"] ?? "",
    server: labels["server"] ?? "",
  }));
}

function sum(samples: readonly Sample[]): number {
  return samples.reduce((all, { value }) => all + value, 0);
}

function keyOf(name: string, labels: Sample["labels"]): string {
  return JSON.stringify([name, ...Object.entries(labels).flat()]);
}
