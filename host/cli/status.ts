import { AdminClient } from "../control/admin-client.ts";
import type { FullStatus } from "../control/control.ts";
import type { ServerView } from "../ops/server-meter.ts";
import { type AdminTarget, findAdmin } from "./admin-target.ts";
import { printable } from "./complaint.ts";
import { DONE } from "./exit-code.ts";

export interface StatusOptions extends AdminTarget {
  readonly json?: boolean | undefined;
}

/** Shows what a running host serves. */
export async function status(options: StatusOptions): Promise<number> {
  const client = new AdminClient(await findAdmin(options));
  try {
    const found = await client.status();
    const text = options.json
      ? `${JSON.stringify(found, null, 2)}\n`
      : printable(describe(found, Date.now()));
    process.stdout.write(text);
    return DONE;
  } finally {
    await client.close();
  }
}

function describe(found: FullStatus, now: number): string {
  const { version, pid, startedAt, generation, listen, filters, routes, upstreams } = found;
  return [
    `sluice ${version}, pid ${pid}, up ${duration(now - startedAt)}, generation ${generation}\n`,
    `listens on ${listen.join(", ")}; ${workers(found)}\n`,
    "\n",
    table(
      ["FILTER", "ARTIFACT", "PHASES", "ON FAILURE", "PATH", "COMPONENT"],
      filters.map((filter) => [
        filter.name,
        filter.digest.slice(0, 12),
        filter.phases.join(", "),
        filter.onFailure,
        filter.path,
        filter.component,
      ]),
    ),
    ...filters
      .filter(({ quarantined }) => quarantined > 0)
      .map(
        ({ name, quarantined }) =>
          `${name} fails too often: quarantined on ${quarantined} of ${found.workers.length} workers\n`,
      ),
    "\n",
    table(
      ["ROUTE", "FILTERS", "UPSTREAM"],
      routes.map((route) => [route.name, route.filters.join(", "), route.upstream]),
    ),
    "\n",
    table(
      ["UPSTREAM", "SERVER", "ADDRESS", "STATE", "IN FLIGHT", "PENDING", "CONNECTIONS"],
      upstreams.flatMap(({ name, servers, addresses }) =>
        servers.flatMap((server) => {
          const own = addresses.filter((address) => address.server === server);
          // Before a worker has told of it.
          if (own.length === 0) return [[name, server, "", "", "", "", ""]];
          return own.map((address) => [name, server, ...cells(address)]);
        }),
      ),
    ),
  ].join("");
}

/** A state alone where all workers agree, otherwise `healthy 3, ejected 1`. */
function cells({ address, states, inFlight, pending, connections }: ServerView): string[] {
  const found = Object.entries(states).filter(([, count]) => count > 0);
  const state = found.map(([name, count]) => (found.length === 1 ? name : `${name} ${count}`)).join(", ");
  return [address, state, String(inFlight), String(pending), String(connections)];
}

/** `2 workers serving`, `1 worker serving, 1 starting`. */
function workers({ workers: all }: FullStatus): string {
  const counts = new Map<string, number>();
  for (const { state } of all) counts.set(state, (counts.get(state) ?? 0) + 1);
  const parts = [...counts].map(([state, count], at) => {
    const noun = at > 0 ? "" : count === 1 ? " worker" : " workers";
    return `${count}${noun} ${state}`;
  });
  return parts.length === 0 ? "no workers" : parts.join(", ");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows.map((row) => row.map((cell) => (cell === "" ? "–" : cell)))];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** The two largest units: `3 h 12 min`. */
function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const units: [size: number, name: string][] = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const largest = units.findIndex(([size]) => seconds >= size);
  if (largest === -1) return "0 s";
  let rest = seconds;
  const parts = units.slice(largest, largest + 2).map(([size, name]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? "" : `${count} ${name}`;
  });
  return parts.filter((part) => part !== "").join(" ");
}
