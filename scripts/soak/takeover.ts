import { RunningHost } from "../../test/cli/running-host.ts";
import { Load } from "../../test/support/load.ts";
import type { Finding, Progress } from "../soak.ts";
import { residentMiB } from "./host-process.ts";

/** Has one process after the other take the port over, under clients that keep their connections and clients that do not. */
export async function soakTakeover(quick: boolean, progress: Progress): Promise<Finding> {
  const rounds = quick ? 5 : 200;
  const slow = (_: unknown, response: { end(text: string): void }): void =>
    void setTimeout(() => response.end("hello"), 4);
  await using host = await RunningHost.start(slow, {
    filters: {},
    routes: [{ upstream: "echo" }],
    log: { exchanges: false },
  });
  const { hostname, port } = new URL(host.url);
  await using load = new Load({ host: hostname, port: Number(port) }, { keeping: 4, fresh: 4 });
  const began = performance.now();
  let last = 0;
  for (let round = 1; round <= rounds && load.failures.length === 0; round++) {
    await load.more(40);
    last = await host.upgrade();
    if (round % 20 === 0)
      progress(`${round} take-overs, ${load.served} requests, ${load.failures.length} failed`);
  }
  await load.more(40);
  await load.stop();
  const seconds = (performance.now() - began) / 1000;
  const forced = host.lines.filter(({ forced }) => forced === true).length;
  return {
    figures: {
      "take-overs": rounds,
      requests: `${load.served}, ${(load.served / seconds).toFixed(0)} a second`,
      failed: load.failures.length,
      "processes that did not drain in time": forced,
      "memory of the last process": `${residentMiB(last).toFixed(0)} MiB`,
    },
    missed: [...load.failures, ...(forced > 0 ? [`${forced} processes did not drain in time`] : [])],
  };
}
