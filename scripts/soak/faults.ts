import { RunningHost } from "../../test/cli/running-host.ts";
import { faultyParts, mixFaults, startFaulty } from "../../test/fault/mixture.ts";
import { waitFor } from "../../test/support/waiting.ts";
import type { Finding, Progress } from "../soak.ts";
import { metricOf, residentMiB } from "./host-process.ts";

/** By how much the process may have grown at the end of a run, from its end of the first minute on. */
const GROWTH_MIB_MAX = 32;

/** Breaks exchanges in every way, on both sides, and looks for what stays behind. */
export async function soakFaults(quick: boolean, progress: Progress): Promise<Finding> {
  const stretchMs = quick ? 5_000 : 60_000;
  const stretches = quick ? 2 : 5;
  await using upstream = await startFaulty();
  await using host = await RunningHost.start(() => {}, { filters: {}, ...(await faultyParts(upstream)) });
  const { hostname, port } = new URL(host.url);
  const wrong: string[] = [];
  const memory: number[] = [];
  let exchanges = 0;
  for (let stretch = 0; stretch < stretches; stretch++) {
    const until = performance.now() + stretchMs;
    wrong.push(
      ...(await mixFaults({ host: hostname, port: Number(port) }, 40, () => {
        exchanges += 1;
        return performance.now() < until;
      })),
    );
    // It keeps what it was sent, for tests that look at it.
    upstream.arrivals.length = 0;
    for (const gauge of ["sluice_exchanges_in_flight", "sluice_connections_open"]) {
      await waitFor(`nothing in ${gauge}`, async () => (await metricOf(host, gauge)) === 0);
    }
    memory.push(residentMiB(host.pid));
    progress(`${exchanges} exchanges, ${wrong.length} wrong, ${memory.at(-1)?.toFixed(0)} MiB`);
  }
  const growth = (memory.at(-1) as number) - (memory[0] as number);
  return {
    figures: {
      exchanges,
      "wrong outcomes": wrong.length,
      "left behind": "no exchange, no connection",
      "memory after each stretch": memory.map((mib) => `${mib.toFixed(0)} MiB`).join(", "),
    },
    missed: [
      ...wrong.slice(0, 10),
      ...(growth > GROWTH_MIB_MAX ? [`it grew by ${growth.toFixed(0)} MiB after the first stretch`] : []),
    ],
  };
}
