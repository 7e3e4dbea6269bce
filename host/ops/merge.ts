import { addCells } from "./buckets.ts";
import { mergedCustom } from "./custom-metrics.ts";
import { addWork } from "./filter-work.ts";
import { addLoops } from "./loop-meter.ts";
import type { FilterSnapshot, MeterSnapshot } from "./meter.ts";
import { addRoutes } from "./route-meter.ts";
import { addCounts as addServers, addViews } from "./server-meter.ts";
import { type SloCounts, sloKey } from "../slo/slo.ts";
import { addTrials, trialKey, type TrialSnapshot } from "./trial-meter.ts";

/** The sum of several workers' snapshots, by name. The snapshots stay as they are. */
export function merged(snapshots: readonly MeterSnapshot[]): MeterSnapshot {
  const sum = (of: (snapshot: MeterSnapshot) => number): number =>
    snapshots.reduce((total, snapshot) => total + of(snapshot), 0);
  return {
    exchangesInFlight: sum((snapshot) => snapshot.exchangesInFlight),
    connectionsOpen: sum((snapshot) => snapshot.connectionsOpen),
    connectionsAccepted: sum((snapshot) => snapshot.connectionsAccepted),
    tunnelsOpen: sum((snapshot) => snapshot.tunnelsOpen),
    logLinesDropped: sum((snapshot) => snapshot.logLinesDropped),
    routes: byName(
      snapshots.flatMap((snapshot) => snapshot.routes),
      addRoutes,
    ),
    filters: byName(
      snapshots.flatMap((snapshot) => snapshot.filters),
      addFilters,
    ),
    servers: byKey(
      snapshots.flatMap((snapshot) => snapshot.servers),
      ({ upstream, server }) => `${upstream} ${server}`,
      addServers,
    ),
    views: byKey(
      snapshots.flatMap((snapshot) => snapshot.views),
      ({ upstream, server, address }) => `${upstream} ${server} ${address}`,
      addViews,
    ),
    slos: mergedSlos(snapshots.flatMap((snapshot) => snapshot.slos)),
    trials: mergedTrials(snapshots.flatMap((snapshot) => snapshot.trials)),
    custom: mergedCustom(snapshots.flatMap((snapshot) => snapshot.custom)),
    handshakeFailures: addCounts(snapshots.flatMap((snapshot) => snapshot.handshakeFailures)),
    failures: addCounts(snapshots.flatMap((snapshot) => snapshot.failures)),
    refused: addCounts(snapshots.flatMap((snapshot) => snapshot.refused)),
    loops: byKey(
      snapshots.flatMap((snapshot) => snapshot.loops),
      ({ place }) => place,
      addLoops,
    ),
  };
}

export function mergedTrials(trials: readonly TrialSnapshot[]): TrialSnapshot[] {
  return byKey(trials, trialKey, addTrials);
}

export function mergedSlos(counts: readonly SloCounts[]): SloCounts[] {
  return byKey(counts, sloKey, (one, other) => ({
    ...one,
    exchanges: one.exchanges + other.exchanges,
    bad: one.bad + other.bad,
  }));
}

function byName<Item extends { readonly name: string }>(
  items: readonly Item[],
  add: (one: Item, other: Item) => Item,
): Item[] {
  return byKey(items, ({ name }) => name, add);
}

function byKey<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string | number,
  add: (one: Item, other: Item) => Item,
): Item[] {
  const found = new Map<string | number, Item>();
  for (const item of items) {
    const key = keyOf(item);
    const other = found.get(key);
    found.set(key, other === undefined ? item : add(other, item));
  }
  return [...found.values()];
}

function addFilters(one: FilterSnapshot, other: FilterSnapshot): FilterSnapshot {
  return {
    name: one.name,
    calls: addCells(one.calls, other.calls),
    failures: addCells(one.failures, other.failures),
    instances: one.instances + other.instances,
    instanceEnds: addCells(one.instanceEnds, other.instanceEnds),
    handlesLeaked: one.handlesLeaked + other.handlesLeaked,
    handovers: addCells(one.handovers, other.handovers),
    quarantined: one.quarantined + other.quarantined,
    work: addWork(one.work, other.work),
  };
}

function addCounts<Key>(counts: readonly (readonly [Key, number])[]): (readonly [Key, number])[] {
  const found = new Map<Key, number>();
  for (const [key, count] of counts) found.set(key, (found.get(key) ?? 0) + count);
  return [...found];
}
