/** What counters say of the time between two looks at them. Everything here is computed where somebody looks on, and nowhere else. */
import { CALL_BOUNDS, EXCHANGE_BOUNDS } from "./buckets.ts";
import type { LoopSnapshot } from "./loop-meter.ts";
import {
  CALL_CELLS,
  FILTER_FAILURE_REASONS,
  type FilterSnapshot,
  type MeterSnapshot,
  PHASE,
} from "./meter.ts";
import type { RouteSnapshot } from "./route-meter.ts";
import type { ServerCounts } from "./server-meter.ts";

/** Members that are undefined are not known: nothing has ended, or nothing was called. */
export interface ExchangeActivity {
  readonly perSecond: number;
  /** 5xx, and those that ended without a head. */
  readonly errorsPerSecond: number;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
}

export interface FilterActivity {
  readonly callsPerSecond: number;
  readonly failuresPerSecond: number;
  readonly meanUs?: number | undefined;
  readonly p99Us?: number | undefined;
  /** In the mean of a call. */
  readonly fuel?: number | undefined;
  /** Of linear memory, in all instances now. */
  readonly memoryBytes: number;
  /** Since the host started, by reason; none that have not happened. */
  readonly failures: Readonly<Record<string, number>>;
}

export interface ServerActivity {
  readonly triesPerSecond: number;
  readonly failuresPerSecond: number;
}

export interface Activity {
  readonly all: ExchangeActivity;
  readonly routes: ReadonlyMap<string, ExchangeActivity>;
  readonly filters: ReadonlyMap<string, FilterActivity>;
  /** By `serverKey`. */
  readonly servers: ReadonlyMap<string, ServerActivity>;
  /** The share of the time that the event loop of a worker was at work, by the worker's place. */
  readonly loops: ReadonlyMap<number, number>;
}

/** What the workers had counted at one time, of a clock that only goes forward. */
export interface Look {
  readonly atMs: number;
  readonly counts: MeterSnapshot;
}

/** Rates are of the time since `before`, durations of that since `longBefore`: a second has too few exchanges for a p99. */
export function activityOf(longBefore: Look, before: Look, now: Look): Activity {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1_000);
  const [oldRoutes, lastRoutes] = [byName(longBefore.counts.routes), byName(before.counts.routes)];
  const [oldFilters, lastFilters] = [byName(longBefore.counts.filters), byName(before.counts.filters)];
  const lastServers = new Map(before.counts.servers.map((server) => [serverKey(server), server]));
  const all = { exchanges: 0, errors: 0, cells: new Float64Array(EXCHANGE_BOUNDS.length + 1) };
  const routes = new Map<string, ExchangeActivity>();
  for (const route of now.counts.routes) {
    const last = lastRoutes.get(route.name);
    const exchanges = ended(route) - ended(last);
    const errors = failed(route) - failed(last);
    const cells = growth(route.durations, oldRoutes.get(route.name)?.durations, EXCHANGE_BOUNDS.length + 1);
    all.exchanges += exchanges;
    all.errors += errors;
    cells.forEach((count, at) => (all.cells[at]! += count));
    routes.set(route.name, exchangeActivity(exchanges / seconds, errors / seconds, cells));
  }
  return {
    all: exchangeActivity(all.exchanges / seconds, all.errors / seconds, all.cells),
    routes,
    filters: new Map(
      now.counts.filters.map((filter) => [
        filter.name,
        filterActivity(filter, lastFilters.get(filter.name), oldFilters.get(filter.name), seconds),
      ]),
    ),
    servers: new Map(
      now.counts.servers.map((server) => [
        serverKey(server),
        serverActivity(server, lastServers.get(serverKey(server)), seconds),
      ]),
    ),
    loops: new Map(now.counts.loops.map((loop) => [loop.place, busyShare(loop, before.counts.loops)])),
  };
}

/** Names have no space. */
export function serverKey({
  upstream,
  server,
}: {
  readonly upstream: string;
  readonly server: string;
}): string {
  return `${upstream} ${server}`;
}

/**
 * The value below which this share lies. Where in its bucket is not known: it is taken to be where it would be if all were evenly
 * spread. Above the last bound nothing is known but that it is above.
 */
export function quantile(share: number, bounds: readonly number[], cells: Float64Array): number | undefined {
  const count = cells.reduce((sum, cell) => sum + cell, 0);
  if (count === 0) return undefined;
  const wanted = share * count;
  let below = 0;
  for (const [at, bound] of bounds.entries()) {
    const within = cells[at] ?? 0;
    const from = bounds[at - 1] ?? 0;
    if (within > 0 && below + within >= wanted) return from + ((wanted - below) / within) * (bound - from);
    below += within;
  }
  return bounds.at(-1);
}

function exchangeActivity(perSecond: number, errorsPerSecond: number, cells: Float64Array): ExchangeActivity {
  return {
    perSecond: rounded(perSecond),
    errorsPerSecond: rounded(errorsPerSecond),
    p50Ms: scaled(quantile(0.5, EXCHANGE_BOUNDS, cells), 1_000),
    p99Ms: scaled(quantile(0.99, EXCHANGE_BOUNDS, cells), 1_000),
  };
}

function filterActivity(
  now: FilterSnapshot,
  last: FilterSnapshot | undefined,
  old: FilterSnapshot | undefined,
  seconds: number,
): FilterActivity {
  const recent = ofAllPhases(now, last);
  const long = ofAllPhases(now, old);
  const buckets = long.subarray(0, -1);
  const calls = sum(buckets);
  const failures = sum(now.failures) - sum(last?.failures ?? NONE);
  return {
    callsPerSecond: rounded(sum(recent.subarray(0, -1)) / seconds),
    failuresPerSecond: rounded(Math.max(0, failures) / seconds),
    meanUs: calls === 0 ? undefined : scaled((long.at(-1) ?? 0) / calls, 1_000_000),
    p99Us: scaled(quantile(0.99, CALL_BOUNDS, buckets), 1_000_000),
    fuel: calls === 0 ? undefined : rounded((sum(now.work.fuel) - sum(old?.work.fuel ?? NONE)) / calls),
    memoryBytes: now.work.memoryBytes,
    failures: Object.fromEntries(
      FILTER_FAILURE_REASONS.flatMap((reason, at) => {
        const count = now.failures[at] ?? 0;
        return count > 0 ? [[reason, count] as const] : [];
      }),
    ),
  };
}

/** By duration, whatever the phase; the last cell is the sum in seconds. */
function ofAllPhases(now: FilterSnapshot, before: FilterSnapshot | undefined): Float64Array {
  const cells = new Float64Array(CALL_CELLS);
  const grown = growth(now.calls, before?.calls, now.calls.length);
  for (const phase of Object.values(PHASE))
    for (let cell = 0; cell < CALL_CELLS; cell++) cells[cell]! += grown[phase * CALL_CELLS + cell] ?? 0;
  return cells;
}

function serverActivity(now: ServerCounts, last: ServerCounts | undefined, seconds: number): ServerActivity {
  const tries = now.counts.tries - (last?.counts.tries ?? 0);
  const failures = sum(now.failures) - sum(last?.failures ?? NONE);
  return {
    triesPerSecond: rounded(Math.max(0, tries) / seconds),
    failuresPerSecond: rounded(Math.max(0, failures) / seconds),
  };
}

function busyShare(now: LoopSnapshot, before: readonly LoopSnapshot[]): number {
  const last = before.find(({ place }) => place === now.place);
  const active = now.activeSeconds - (last?.activeSeconds ?? 0);
  const idle = now.idleSeconds - (last?.idleSeconds ?? 0);
  return active <= 0 ? 0 : rounded(active / (active + Math.max(0, idle)));
}

/** Never below zero: a worker that has not told its last counts is missing until it is counted among those that are no more. */
function growth(now: Float64Array, before: Float64Array | undefined, length: number): Float64Array {
  const grown = new Float64Array(length);
  for (let at = 0; at < length; at++) grown[at] = Math.max(0, (now[at] ?? 0) - (before?.[at] ?? 0));
  return grown;
}

function ended(route: RouteSnapshot | undefined): number {
  return route === undefined ? 0 : route.statuses.reduce((count, [, own]) => count + own, 0);
}

function failed(route: RouteSnapshot | undefined): number {
  if (route === undefined) return 0;
  return route.statuses.reduce(
    (count, [status, own]) => (status === 0 || status >= 500 ? count + own : count),
    0,
  );
}

function byName<Item extends { readonly name: string }>(items: readonly Item[]): Map<string, Item> {
  return new Map(items.map((item) => [item.name, item]));
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

/** As much as anybody reads; more would be other bytes in each event. */
function rounded(value: number): number {
  return Math.max(0, Number(value.toPrecision(3)));
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : rounded(value * factor);
}

const NONE = new Float64Array(0);
