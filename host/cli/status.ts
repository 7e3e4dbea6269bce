import { formatProblem } from "../config/problem.ts";
import type { FileStatus, FullStatus, GenerationView } from "../control/control.ts";
import type { ServerView } from "../ops/server-meter.ts";
import { type AskOptions, asking, printJson } from "./asking.ts";
import { printable } from "./complaint.ts";
import { DONE } from "./exit-code.ts";
import { sloTable } from "./slo-view.ts";
import { type Cell, paint, table } from "./table.ts";
import { duration, short } from "./wording.ts";

/** Shows what a running host serves. */
export function status(options: AskOptions): Promise<number> {
  return asking(options, async (client) => {
    const found = await client.status();
    if (options.json) printJson(found);
    else process.stdout.write(describe(found, await client.generations(), Date.now()));
    return DONE;
  });
}

function describe(found: FullStatus, generations: readonly GenerationView[], now: number): string {
  const { version, pid, startedAt, listen, filters, routes, upstreams } = found;
  return [
    `sluice ${printable(version)}, pid ${pid}, up ${duration(now - startedAt)}, ${generation(found, generations, now)}\n`,
    printable(`listens on ${listen.join(", ")}; ${workers(found)}\n`),
    ...fileLines(found.file),
    "\n",
    table(
      ["FILTER", "ARTIFACT", "PHASES", "ON FAILURE", "PATH", "COMPONENT"],
      filters.map((filter) => [
        filter.name,
        short(filter.digest),
        filter.phases.join(", "),
        filter.onFailure,
        filter.path,
        filter.component,
      ]),
    ),
    ...filters.flatMap(({ name, trial }) =>
      trial === null
        ? []
        : [
            warning(
              `${name} has a ${trial.kind}: ${short(trial.digest)} ${trial.component} (sluice trial ${name})`,
            ),
          ],
    ),
    ...filters
      .filter(({ quarantined }) => quarantined > 0)
      .map(({ name, quarantined }) =>
        warning(`${name} fails too often: quarantined on ${quarantined} of ${found.workers.length} workers`),
      ),
    "\n",
    table(
      ["ROUTE", "FILTERS", "UPSTREAM"],
      routes.map((route) => [route.name, route.filters.join(", "), route.upstream]),
    ),
    ...sloTable(routes, now).flatMap((lines) => ["\n", lines]),
    "\n",
    table(
      ["UPSTREAM", "SERVER", "ADDRESS", "STATE", "IN FLIGHT", "PENDING", "CONNECTIONS"],
      upstreams.flatMap(({ name, servers, drained, addresses }) =>
        servers.flatMap((server): Cell[][] => {
          const own = addresses.filter((address) => address.server === server);
          const out = drained.includes(server);
          // Before a worker has told of it.
          if (own.length === 0) return [[name, server, "", out ? DRAINED : "", "", "", ""]];
          return own.map((address) => [name, server, ...cells(address, out)]);
        }),
      ),
    ),
  ].join("");
}

/** `generation 4, made 3 min ago by ci`. */
function generation(
  { generation: live }: FullStatus,
  generations: readonly GenerationView[],
  now: number,
): string {
  const found = generations.find(({ number }) => number === live);
  return found === undefined
    ? `generation ${live}`
    : printable(`generation ${live}, made ${duration(now - found.at)} ago by ${found.by}`);
}

/** How the file and what runs stand to each other, unless all is well. */
function fileLines({ path, differs, problems, refusal }: FileStatus): string[] {
  if (path === null) return [];
  return [
    ...(differs ? [warning(`${path} is not what runs: sluice diff tells how they differ`)] : []),
    ...problems.map((problem) => warning(formatProblem(path, problem))),
    ...(refusal === null ? [] : [warning(`${path} is refused: ${refusal}`)]),
  ];
}

function warning(sentence: string): string {
  return `${paint("yellow", printable(sentence))}\n`;
}

const DRAINED: Cell = { text: "drained", style: "yellow" };

/** A state alone where all workers agree, otherwise `healthy 3, ejected 1`; what an operator says counts before it. */
function cells({ address, states, inFlight, pending, connections }: ServerView, drained: boolean): Cell[] {
  const found = Object.entries(states).filter(([, count]) => count > 0);
  const state = found.map(([name, count]) => (found.length === 1 ? name : `${name} ${count}`)).join(", ");
  const sick = found.some(([name]) => name === "ejected" || name === "unhealthy");
  return [
    address,
    drained ? DRAINED : sick ? { text: state, style: "red" } : state,
    String(inFlight),
    String(pending),
    String(connections),
  ];
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
