import { type Bulk, BulkUpstream, startBulkHost, transfer } from "../../test/body/bulk.ts";
import type { RunningHost } from "../../test/cli/running-host.ts";
import type { Finding, Progress } from "../soak.ts";
import { MemoryWatch, residentMiB } from "./host-process.ts";

const GIB = 2 ** 30;

/** By how much a process may grow that streams a body of any size. */
const GROWTH_MIB_MAX = 64;

/** Sends long bodies through the host in each direction, without filters and through two, and looks at the memory of its process. */
export async function soakBodies(quick: boolean, progress: Progress): Promise<Finding> {
  await using upstream = await BulkUpstream.start();
  const figures: Record<string, string> = {};
  const missed: string[] = [];
  for (const [folder, gib] of [["/", 10] as const, ["/filtered/", 1] as const]) {
    // Each has a process of its own, so that none finds room that another one has left.
    await using host = await startBulkHost(upstream);
    const bytes = quick ? GIB / 4 : gib * GIB;
    for (const way of ["down", "up"] as const) {
      const name = `body ${way}${folder === "/" ? "" : ", filtered"}`;
      const { figure, wrong } = await pass(host, folder, way, bytes);
      progress(`${name}: ${figure}`);
      figures[name] = figure;
      missed.push(...wrong.map((sentence) => `${name}: ${sentence}`));
    }
  }
  return { figures, missed };
}

async function pass(
  host: RunningHost,
  folder: "/" | "/filtered/",
  way: Bulk,
  bytes: number,
): Promise<{ figure: string; wrong: string[] }> {
  // What the process needs for any traffic at all is not growth.
  await transfer(host, folder, way, GIB / 4);
  const before = residentMiB(host.pid);
  const watch = new MemoryWatch(host.pid);
  const began = performance.now();
  const came = await transfer(host, folder, way, bytes);
  const seconds = (performance.now() - began) / 1000;
  const growth = watch.stop() - before;
  const wrong: string[] = [];
  if (came.bytes !== bytes) wrong.push(`${came.bytes} of ${bytes} bytes came`);
  if (came.wrapped > 0 !== (folder === "/filtered/")) wrong.push(`${came.wrapped} chunks are a filter's`);
  if (growth > GROWTH_MIB_MAX) wrong.push(`it grew by more than ${GROWTH_MIB_MAX} MiB`);
  const figure = `${(came.bytes / GIB).toFixed(2)} GiB in ${seconds.toFixed(0)} s, ${before.toFixed(0)} MiB before, at most ${growth.toFixed(0)} MiB more`;
  return { figure, wrong };
}
