import { RunningHost } from "../../test/cli/running-host.ts";
import { HoldingUpstream, throng, throngParts, TRAPPED_OF } from "../../test/fault/throng.ts";
import { waitFor } from "../../test/support/waiting.ts";
import type { Finding, Progress } from "../soak.ts";
import { metricOf, residentMiB } from "./host-process.ts";

const CLIENTS = 1_000;

/** By how much the process may have grown at the end of the run, from its end of the first stretch on. */
const GROWTH_MIB_MAX = 32;

/** A million exchanges through three filters, a thousand at once all the time; one in a thousand traps. */
export async function soakInstances(quick: boolean, progress: Progress): Promise<Finding> {
  const stretches = quick ? 2 : 10;
  const stretch = quick ? 20_000 : 100_000;
  await using upstream = await HoldingUpstream.start(0);
  await using host = await RunningHost.start(() => {}, throngParts(upstream, CLIENTS));
  const { hostname, port } = new URL(host.url);
  const memory: number[] = [];
  const wrong: string[] = [];
  let served = 0;
  let trapped = 0;
  const began = performance.now();
  for (let at = 0; at < stretches; at++) {
    upstream.least = CLIENTS - 50;
    const tally = await throng({ host: hostname, port: Number(port) }, upstream, CLIENTS, stretch);
    served += tally.served;
    trapped += tally.trapped;
    wrong.push(...tally.wrong);
    await waitFor(
      "no exchange in flight",
      async () => (await metricOf(host, "sluice_exchanges_in_flight")) === 0,
    );
    memory.push(residentMiB(host.pid));
    progress(`${served} served, ${trapped} trapped, ${wrong.length} wrong, ${memory.at(-1)?.toFixed(0)} MiB`);
  }
  const seconds = (performance.now() - began) / 1000;
  const left: string[] = [];
  for (const filter of ["before", "trap", "after"]) {
    await waitFor(
      `the end of the instances of ${filter}`,
      async () => (await metricOf(host, `sluice_filter_instances{filter="${filter}"}`)) <= 2,
    );
    const leaked = await metricOf(host, `sluice_filter_handles_leaked_total{filter="${filter}"}`);
    const ended = await metricOf(
      host,
      `sluice_filter_instances_ended_total{filter="${filter}",reason="fault"}`,
    );
    if (leaked > 0) left.push(`${filter}: ${leaked} handles were left`);
    if (ended !== (filter === "trap" ? trapped : 0)) left.push(`${filter}: ${ended} instances have failed`);
  }
  const expected = (stretches * stretch) / TRAPPED_OF;
  const growth = (memory.at(-1) as number) - (memory[0] as number);
  return {
    figures: {
      exchanges: served + trapped,
      "at once": upstream.most,
      trapped,
      "wrong outcomes": wrong.length,
      "exchanges a second, client and upstream on the same machine": Math.round((served + trapped) / seconds),
      "left behind":
        left.length === 0 ? "no exchange, no handle, one or two instances of each filter" : left.length,
      "memory after each stretch": memory.map((mib) => `${mib.toFixed(0)} MiB`).join(", "),
    },
    missed: [
      ...wrong.slice(0, 10),
      ...left,
      ...(trapped === expected ? [] : [`${trapped} of ${expected} have trapped`]),
      ...(upstream.most < CLIENTS - 50 ? [`only ${upstream.most} exchanges at once`] : []),
      ...(growth > GROWTH_MIB_MAX ? [`it grew by ${growth.toFixed(0)} MiB after the first stretch`] : []),
    ],
  };
}
