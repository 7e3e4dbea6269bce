/**
 * Where the time of a proxied request goes: writes a `.cpuprofile` of the worker under load and prints its hot spots.
 *
 *   node bench/profile.ts [--filters 0|1|3] [--row 1k] [--seconds N]
 *
 * The samples are of time, not of processor time: on a busy machine a thread that waits for its processor is charged to
 * the function that it waits in, mostly a write to a socket.
 */
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { cleanUpAtExit, runFolder } from "./support/child.ts";
import { Field } from "./support/contender.ts";
import { type ProfileSummary, summarizeProfile } from "./support/cpu-profile.ts";
import { buildProbe } from "./support/filters.ts";
import { load } from "./support/load.ts";
import { printTable, ROOT } from "./support/report.ts";
import { MAIN_ROW, rowsNamed } from "./support/rows.ts";
import { hasTool } from "./support/tool.ts";

/** Gives the path of the profile. */
async function profileWorker(filters: string, rowName: string, seconds: number): Promise<string> {
  const folder = runFolder();
  const field = await Field.open(folder);
  try {
    const [row] = rowsNamed([rowName]);
    if (row === undefined) throw new Error("there is no such row");
    const profiles = join(folder, "profiles");
    const sluice = await field.sluice(["--cpu-prof", "--cpu-prof-dir", profiles]);
    await load({ ...sluice, prefix: `/${filters}` }, row, seconds, folder);
    // Node writes the profiles when the threads end.
    await sluice.child.stop();
    const kept = join(ROOT, ".sluice", "bench", `worker-${row.name}-${filters}-filters.cpuprofile`);
    mkdirSync(join(kept, ".."), { recursive: true });
    copyFileSync(busiest(profiles), kept);
    return kept;
  } finally {
    await field.stop();
  }
}

/** Each thread has a profile; the worker's is that with the most work in it. */
function busiest(folder: string): string {
  const paths = readdirSync(folder).map((name) => join(folder, name));
  const busy = paths.map((path) => ({
    path,
    busyMs: summarizeProfile(path, Number.POSITIVE_INFINITY).busyMs,
  }));
  const [most] = busy.sort((a, b) => b.busyMs - a.busyMs);
  if (most === undefined) throw new Error(`there is no profile in ${folder}`);
  return most.path;
}

function printProfile({ groups, functions }: ProfileSummary): void {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const rows = groups.map(({ name, share }) => [name, percent(share)]);
  printTable(["self time by what the code belongs to", "share"], rows);
  console.log();
  const top = functions.slice(0, FUNCTIONS).map(({ name, share }) => [name, percent(share)]);
  printTable([`the ${FUNCTIONS} functions with the most self time`, "share"], top);
}

const FUNCTIONS = 25;

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      filters: { type: "string", default: "1" },
      row: { type: "string", default: MAIN_ROW },
      seconds: { type: "string", default: "10" },
    },
  });
  cleanUpAtExit();
  buildProbe();
  if (await hasTool("wrk")) {
    const seconds = Number(values.seconds);
    const path = await profileWorker(values.filters, values.row, seconds);
    printProfile(summarizeProfile(path, seconds * 500));
    console.log(`\n${relative(ROOT, path)} opens in a browser's developer tools.`);
  } else {
    console.error("wrk is missing, which makes the load.");
    process.exitCode = 1;
  }
}
