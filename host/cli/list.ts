import type { AdminClient } from "../control/admin-client.ts";
import type { ArtifactView, GenerationView, RefusedRequest, WorkerView } from "../control/control.ts";
import { type AskOptions, asking, printJson } from "./asking.ts";
import { DONE } from "./exit-code.ts";
import { type Cell, type Column, type Style, table } from "./table.ts";
import { count, duration, short, size } from "./wording.ts";

/** What a host has several of: a table each. */

/** The generations that are kept, newest first. */
export function history(options: AskOptions): Promise<number> {
  return list(options, (client) => client.generations(), describeHistory);
}

export interface ArtifactOptions extends AskOptions {
  readonly collect?: boolean | undefined;
}

/** The artifacts in the store; or removes those that nothing names and nobody has used for a while. */
export function artifacts(options: ArtifactOptions): Promise<number> {
  return options.collect
    ? list(
        options,
        (client) => client.collectArtifacts(),
        (digests) =>
          [...digests, `${count(digests.length, "artifact")} removed`].map((line) => `${line}\n`).join(""),
      )
    : list(options, (client) => client.artifacts(), describeArtifacts);
}

export function workers(options: AskOptions): Promise<number> {
  return list(options, (client) => client.workers(), describeWorkers);
}

/** The last requests that were refused before they became exchanges. */
export function refused(options: AskOptions): Promise<number> {
  return list(options, (client) => client.refusedRequests(), describeRefused);
}

function list<Things>(
  options: AskOptions,
  ask: (client: AdminClient) => Promise<Things>,
  describe: (things: Things, now: number) => string,
): Promise<number> {
  return asking(options, async (client) => {
    const things = await ask(client);
    if (options.json) printJson(things);
    else process.stdout.write(describe(things, Date.now()));
    return DONE;
  });
}

function describeHistory(generations: readonly GenerationView[], now: number): string {
  return table(
    [number("GENERATION"), "STATE", "AGE", "BY", "WHAT"],
    generations.map(({ number, state, exchanges, at, by, changes }) => [
      String(number),
      { text: state === "draining" ? `draining ${exchanges}` : state, style: STATE_STYLES[state] },
      duration(now - at),
      by,
      changes.join("; "),
    ]),
  );
}

const STATE_STYLES: Readonly<Record<GenerationView["state"], Style>> = {
  live: "green",
  draining: "yellow",
  drained: "dim",
  kept: "dim",
};

function describeArtifacts(found: readonly ArtifactView[], now: number): string {
  return table(
    ["ARTIFACT", number("SIZE"), "LOADED", "FILTERS", "GENERATIONS"],
    found.map(({ digest, bytes, usedAt, filters, generations }): Cell[] => [
      short(digest),
      size(bytes),
      `${duration(now - usedAt)} ago`,
      filters.join(", "),
      ranges(generations),
    ]),
  );
}

/** `1–3, 7`: a long history is read by its ends. */
function ranges(numbers: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const one of numbers.toSorted((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run !== undefined && one === run[1] + 1) run[1] = one;
    else runs.push([one, one]);
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}–${last}`)).join(", ");
}

function describeWorkers(found: readonly WorkerView[]): string {
  return table(
    [number("WORKER"), "STATE", ...["GENERATION", "CONNECTIONS", "EXCHANGES", "INSTANCES"].map(number)],
    found.map(({ id, state, generation, connections, exchanges, instances }): Cell[] => [
      String(id),
      { text: state, style: state === "serving" ? "green" : "yellow" },
      ...[generation, connections, exchanges, instances].map(String),
    ]),
  );
}

function describeRefused(found: readonly RefusedRequest[], now: number): string {
  return table(
    ["AGO", number("WORKER"), number("STATUS"), "CODE", "WHY"],
    found.map(({ at, worker, status, code, detail }) => [
      duration(now - at),
      String(worker),
      String(status),
      code,
      detail,
    ]),
  );
}

function number(name: string): Column {
  return { name, align: "right" };
}
