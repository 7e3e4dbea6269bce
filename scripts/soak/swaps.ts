import { MixedTraffic, MixedUpstream } from "../../test/generations/mixed-traffic.ts";
import { SwapStorm } from "../../test/generations/swap-storm.ts";
import { waitFor } from "../../test/support/waiting.ts";
import type { Finding, Progress } from "../soak.ts";
import { metricOf, residentMiB } from "./host-process.ts";

/**
 * By how much the process may have grown in the last fifth, from the second one on, at the smallest that it was in each: between two
 * collections there is what they have left to do. Heaps take some thousand changes to come to their size.
 */
const GROWTH_MIB_MAX = 48;

/** What takes longer is ended, and is a finding. */
const MS_MAX = 9 * 60_000;

/** Any one will do; the same one makes the same changes. */
const SEED = 6;

export function soakSwaps(quick: boolean, progress: Progress): Promise<Finding> {
  return changeUnderTraffic(quick ? 60 : 3_000, progress);
}

/** Changes of every kind, one in ten broken, one after the other, under clients of every kind. */
export async function changeUnderTraffic(changes: number, progress: Progress): Promise<Finding> {
  await using upstream = await MixedUpstream.start();
  await using storm = await SwapStorm.start(upstream, SEED);
  const shape = { keeping: 4, fresh: 3, streaming: 3, upgraded: 3 };
  await using traffic = new MixedTraffic(storm.endpoint, storm.versions, shape);
  const began = performance.now();
  const memory: number[][] = [];
  let made = 0;
  for (; made < changes && traffic.failures.length === 0; made++) {
    if (performance.now() - began > MS_MAX) break;
    await storm.next(() => traffic.more(4));
    await traffic.more(4);
    const fifth = Math.floor((made * 5) / changes);
    const mib = residentMiB(storm.host.pid);
    (memory[fifth] ??= []).push(mib);
    if ((made + 1) % (changes / 5) === 0)
      progress(`${made + 1} changes, ${traffic.total} exchanges, ${mib.toFixed(0)} MiB`);
  }
  const seconds = (performance.now() - began) / 1000;
  await traffic.stop();
  const left = await undrained(storm);
  const inFlight = await metricOf(storm.host, "sluice_exchanges_in_flight");
  const least = memory.map((all) => Math.min(...all));
  const growth = (least[4] ?? Number.NaN) - (least[1] ?? Number.NaN);
  const { served } = traffic;
  return {
    figures: {
      changes: `${made} in ${seconds.toFixed(0)} s: ${Object.entries(storm.counts)
        .map(([kind, count]) => `${count} ${kind}`)
        .join(", ")}`,
      exchanges: `${traffic.total}: ${Object.entries(served)
        .map(([kind, count]) => `${count} ${kind}`)
        .join(", ")}`,
      "failed or of a version that was over": traffic.failures.length,
      "generations that are not drained": left.length,
      "memory in each fifth": memory
        .map((all) => `${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)} MiB`)
        .join(", "),
    },
    missed: [
      ...traffic.failures,
      ...(made < changes ? [`only ${made} of ${changes} changes were made`] : []),
      ...(left.length > 0 ? [`generations ${left.join(", ")} are not drained`] : []),
      ...(inFlight > 0 ? [`${inFlight} exchanges are left`] : []),
      // A start is no flat line yet.
      ...(changes >= 1_000 && !(growth <= GROWTH_MIB_MAX) ? [`it grew by ${growth.toFixed(0)} MiB`] : []),
    ],
  };
}

/** Generations, of all that there were, of which something is left when there was time to collect it. */
async function undrained(storm: SwapStorm): Promise<number[]> {
  const look = async (): Promise<number[]> => {
    const [live, ...older] = await storm.generations();
    const drained = new Set(
      storm.host.lines.map(({ msg, generation }) => msg === "generation drained" && generation),
    );
    const all = Array.from({ length: (live?.number ?? 1) - 1 }, (_, at) => at + 1);
    const listed = older.filter(({ state }) => state !== "drained").map(({ number }) => number);
    return [...new Set([...listed, ...all.filter((number) => !drained.has(number))])];
  };
  const none = async (): Promise<boolean> => (await look()).length === 0;
  // What is left then is told by number.
  await waitFor("the end of all generations but the live one", none, 20_000).catch(() => {});
  return look();
}
