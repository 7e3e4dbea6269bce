import type { FullStatus } from "../control/control.ts";
import type { Activity } from "./activity.ts";
import { printable } from "./complaint.ts";
import { sloTable } from "./slo-view.ts";
import { type Cell, type Column, paint, table } from "./table.ts";
import { duration, significant, time } from "./wording.ts";

/** What the tables are ordered by. */
export const ORDERS = ["traffic", "errors", "time", "name"] as const;

export type Order = (typeof ORDERS)[number];

/** The first lines, which stay where they are. */
export function headOf(activity: Activity, status: FullStatus, now: number): string[] {
  const { version, startedAt, generation, workers, filters } = status;
  const { exchangesPerSecond, errorsPerSecond, exchangesInFlight, connections } = activity;
  const errors = `${significant(errorsPerSecond)} errors/s`;
  return [
    printable(
      `sluice ${version}, up ${duration(now - startedAt)}, generation ${generation}, ` +
        `${workers.filter(({ state }) => state === "serving").length} of ${workers.length} workers serving`,
    ),
    `${significant(exchangesPerSecond)} requests/s, ${exchangesInFlight} in flight, ` +
      `${errorsPerSecond > 0 ? paint("red", errors) : errors}, ${connections} connections`,
    ...filters.flatMap(({ name, trial, quarantined }) => [
      ...(trial === null ? [] : [paint("yellow", printable(`${name} has a ${trial.kind}`))]),
      ...(quarantined === 0
        ? []
        : [paint("red", printable(`${name} is quarantined on ${quarantined} of ${workers.length} workers`))]),
    ]),
  ];
}

/** The tables, as lines. */
export function bodyOf(
  { routes, filters, servers }: Activity,
  { upstreams, routes: served }: FullStatus,
  order: Order,
  now: number,
): string[] {
  const drained = new Set(
    upstreams.flatMap(({ name, drained: out }) => out.map((server) => `${name} ${server}`)),
  );
  return [
    table(
      ["ROUTE", ...["REQUESTS/S", "ERRORS/S", "P50", "P99"].map(right)],
      ordered(order, routes, ({ name, exchangesPerSecond, errorsPerSecond, p99Ms }) => ({
        name,
        traffic: exchangesPerSecond,
        errors: errorsPerSecond,
        time: p99Ms ?? 0,
      })).map(({ name, exchangesPerSecond, errorsPerSecond, p50Ms, p99Ms }) => [
        name,
        significant(exchangesPerSecond),
        trouble(errorsPerSecond),
        p50Ms === null ? "" : time(p50Ms),
        p99Ms === null ? "" : time(p99Ms),
      ]),
    ),
    ...sloTable(served, now),
    table(
      ["FILTER", ...["CALLS/S", "FAILURES/S", "MEAN", "INSTANCES"].map(right)],
      ordered(order, filters, ({ name, callsPerSecond, failuresPerSecond, meanMs }) => ({
        name,
        traffic: callsPerSecond,
        errors: failuresPerSecond,
        time: meanMs ?? 0,
      })).map(({ name, callsPerSecond, failuresPerSecond, meanMs, instances }) => [
        name,
        significant(callsPerSecond),
        trouble(failuresPerSecond),
        meanMs === null ? "" : time(meanMs),
        String(instances),
      ]),
    ),
    table(
      ["UPSTREAM", "SERVER", ...["TRIES/S", "FAILURES/S", "IN FLIGHT", "PENDING", "CONNECTIONS"].map(right)],
      ordered(order, servers, ({ upstream, server, triesPerSecond, failuresPerSecond, inFlight }) => ({
        name: `${upstream} ${server}`,
        traffic: triesPerSecond,
        errors: failuresPerSecond,
        // How long servers take, metrics do not say; what waits for them is nearest to it.
        time: inFlight,
      })).map(({ upstream, server, triesPerSecond, failuresPerSecond, inFlight, pending, connections }) => [
        upstream,
        drained.has(`${upstream} ${server}`)
          ? { text: `${server} (drained)`, style: "yellow" as const }
          : server,
        significant(triesPerSecond),
        trouble(failuresPerSecond),
        String(inFlight),
        String(pending),
        String(connections),
      ]),
    ),
  ]
    .join("\n")
    .trimEnd()
    .split("\n");
}

/** What is seen of a screen. */
export interface Frame {
  readonly head: readonly string[];
  readonly body: readonly string[];
  readonly foot: string;
  readonly rows: number;
  /** How far the body is scrolled. */
  readonly offset: number;
}

/** Exactly as many lines as the screen has, unless it has hardly any. */
export function linesOf({ head, body, foot, rows, offset }: Frame): string[] {
  const room = roomFor(head, rows);
  const seen = body.slice(offset, offset + room);
  return [...head, "", ...seen, ...Array.from({ length: room - seen.length }, () => ""), foot].slice(0, rows);
}

/** How many lines of the body there is room for. */
export function roomFor(head: readonly string[], rows: number): number {
  return Math.max(1, rows - head.length - 2);
}

/** The last place to which a body can be scrolled. */
export function lastOffset({ head, body, rows }: Pick<Frame, "head" | "body" | "rows">): number {
  return Math.max(0, body.length - roomFor(head, rows));
}

interface Weight {
  readonly name: string;
  readonly traffic: number;
  readonly errors: number;
  readonly time: number;
}

function ordered<Thing>(order: Order, things: readonly Thing[], weigh: (thing: Thing) => Weight): Thing[] {
  return things
    .map((thing) => ({ thing, weight: weigh(thing) }))
    .sort(({ weight: one }, { weight: other }) => {
      const byName = one.name < other.name ? -1 : 1;
      // Equals by name, so that idle rows do not dance.
      return order === "name" ? byName : other[order] - one[order] || byName;
    })
    .map(({ thing }) => thing);
}

function trouble(perSecond: number): Cell {
  const text = significant(perSecond);
  return perSecond > 0 ? { text, style: "red" } : text;
}

function right(name: string): Column {
  return { name, align: "right" };
}
