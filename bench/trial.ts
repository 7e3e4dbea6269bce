/**
 * What trying a version, or keeping failures with what led to them, costs an exchange: the CPU time of the worker's thread for the calls of one filter and all around them.
 *
 *   node bench/trial.ts [--quick] [--json]
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";
import { MessageChannel, Worker } from "node:worker_threads";
import { AddressKey } from "../host/address-key.ts";
import { Assembly, type AssemblyOwner } from "../host/assembly.ts";
import { type ChainOwner, ChainRun } from "../host/chain.ts";
import { ClientAddress } from "../host/client-address.ts";
import { parseConfig } from "../host/config/parse.ts";
import { ArtifactStore } from "../host/filter/artifact.ts";
import { InstanceBudget } from "../host/filter/budget.ts";
import type { Outcome } from "../host/filter/contract.ts";
import type { Route } from "../host/generation.ts";
import { RequestHead, ResponseHead } from "../host/message.ts";
import { FilterLog } from "../host/ops/filter-log.ts";
import { LineBatch } from "../host/ops/line-batch.ts";
import { WorkerMeter } from "../host/ops/meter.ts";
import { UpstreamLog } from "../host/ops/upstream-log.ts";
import { SharedStore } from "../host/store/shared-store.ts";
import { Sweeper } from "../host/sweeper.ts";
import { ShadowQueue } from "../host/trial/shadow-queue.ts";
import { candidateOf, TRIAL_DEFAULTS, type TrialRequest } from "../host/trial/trial.ts";
import { FILTERS_DIRECTORY } from "../scripts/build-filters.ts";
import { FACTS } from "./call.ts";
import { BROWSER_FIELDS } from "./support/browser-request.ts";
import { cleanUpAtExit, runFolder } from "./support/child.ts";
import { buildProbe } from "./support/filters.ts";
import { keepReport, machine, median, printTable } from "./support/report.ts";

export interface TrialReport {
  readonly machine: object;
  readonly rows: readonly {
    readonly name: string;
    readonly cpuUs: number;
    readonly rounds: readonly number[];
  }[];
}

interface Way {
  readonly name: string;
  readonly route: Route;
  readonly queue: WatchedQueue | undefined;
}

export async function measureTrials(quick: boolean): Promise<TrialReport> {
  const store = new ArtifactStore(runFolder());
  const sweeper = new Sweeper();
  const sink = new Worker(SINK, { eval: true });
  try {
    const queue = new WatchedQueue();
    const { port1, port2 } = new MessageChannel();
    sink.postMessage(port2, [port2]);
    queue.connect(port1);
    const canary = (key: object): TrialRequest =>
      ({ kind: "canary", percent: 5, key, ...TRIAL_DEFAULTS }) as TrialRequest;
    const shadow: TrialRequest = { kind: "shadow", ...TRIAL_DEFAULTS };
    const routeOf = (
      trial: TrialRequest | null,
      shadows: ShadowQueue,
      capsules: string | null = null,
    ): Promise<Route> => routeWith(store, sweeper, trial, shadows, capsules);
    const ways: Way[] = [
      { name: "no trial", route: await routeOf(null, queue), queue: undefined },
      {
        name: "canary of 5 %, by chance",
        route: await routeOf(canary({ kind: "none" }), queue),
        queue: undefined,
      },
      {
        name: "canary of 5 %, by a header",
        route: await routeOf(canary({ kind: "header", name: "cookie" }), queue),
        queue: undefined,
      },
      { name: "shadow", route: await routeOf(shadow, queue), queue },
      { name: "capsules", route: await routeOf(null, queue, runFolder()), queue: undefined },
      { name: "shadow that is behind", route: await routeOf(shadow, new ShadowQueue()), queue: undefined },
    ];
    const samples = new Map(ways.map(({ name }) => [name, [] as number[]]));
    for (const way of ways) await cpuUs(way, EXCHANGES);
    for (let round = 0; round < (quick ? 5 : 25); round++)
      for (const way of ways) samples.get(way.name)?.push(await cpuUs(way, EXCHANGES));
    return {
      machine: machine(),
      rows: [...samples].map(([name, rounds]) => ({ name, cpuUs: median(rounds), rounds })),
    };
  } finally {
    sweeper.stop();
    await sink.terminate();
    await store.close();
  }
}

/** Microseconds of this thread for each exchange: request, response and end of a filter that sets a header on both ways. */
async function cpuUs({ route, queue }: Way, exchanges: number): Promise<number> {
  let us = 0;
  for (let left = exchanges; left > 0; left -= SLICE) {
    const began = process.threadCpuUsage();
    for (let turn = 0; turn < SLICE; turn++) exchange(route);
    // What was copied is posted in the next turn, and that is a part of the price.
    await setImmediate();
    const { user, system } = process.threadCpuUsage(began);
    us += user + system;
    await queue?.drained();
  }
  return us / exchanges;
}

function exchange(route: Route): void {
  const head = new RequestHead("GET", "https", "shop.example.com", "/cart?full=1", [...BROWSER_FIELDS]);
  const owner = new Owner();
  const run =
    route.chains === undefined
      ? new ChainRun(route.filters, route.bodies, owner)
      : route.chains.begin(head.fields, CLIENT, owner);
  run.request(head, 0);
  run.response(new ResponseHead(200, ["Server", "test", "Content-Type", "text/plain"]), 0);
  run.end(OUTCOME);
}

/** An exchange without the connections around it. */
class Owner implements ChainOwner {
  readonly whole = true;
  readonly requestId = FACTS.requestId;
  readonly route = FACTS.route;
  readonly protocol = FACTS.protocol;
  readonly tlsVersion = FACTS.tlsVersion;
  readonly clientAddress = CLIENT;
  readonly http = FACTS.http;
  metadata = FACTS.metadata;
  metadataBytes = 0;

  requestPassed(): void {}
  requestChunk(): boolean {
    return true;
  }
  requestEnded(): void {}
  requestWanted(): void {}
  responsePassed(): void {}
  responseChunk(): boolean {
    return true;
  }
  responseEnded(): void {}
  responseWanted(): void {}
  replied(): void {}
  chainFailed(): void {
    throw new Error("the filter has failed");
  }
  chainBrokeOff(): void {}
  filterFailed(): void {}
}

async function routeWith(
  store: ArtifactStore,
  sweeper: Sweeper,
  trial: TrialRequest | null,
  shadows: ShadowQueue,
  capsules: string | null,
): Promise<Route> {
  const component = join(FILTERS_DIRECTORY, "mark.wasm");
  const artifact = await store.load(component, undefined);
  const text = {
    listen: ["127.0.0.1:0"],
    ...(capsules !== null && { capsules: { folder: capsules } }),
    upstreams: { service: { servers: ["http://127.0.0.1:9"] } },
    filters: { mark: { component, config: { mark: "old" } } },
    routes: [{ upstream: "service", filters: ["mark"] }],
  };
  const plain = parseConfig(JSON.stringify(text), join(FILTERS_DIRECTORY, "sluice.yaml"), {});
  const candidate = trial && {
    component,
    digest: "",
    sha256: null,
    config: { mark: "new" },
    trial,
    startedAt: 1,
    salt: "salt",
  };
  const config = { ...plain, filters: plain.filters.map((filter) => ({ ...filter, candidate })) };
  const owner: AssemblyOwner = {
    viaName: "sluice-bench",
    budget: new InstanceBudget(new Int32Array(1), new Int32Array(1), 0, 1_000),
    shadows,
    addresses: new AddressKey(AddressKey.memory()),
    capsule: () => {},
    quarantined: () => {},
    released: () => {},
  };
  const lines = new LineBatch(() => {});
  const assembly = new Assembly(
    new WorkerMeter(),
    new FilterLog(lines, 1, "silent", { linesMax: 1, failuresMax: 1, dropped: () => {} }),
    new UpstreamLog(lines, 1, "silent"),
    sweeper,
    owner,
    new SharedStore(SharedStore.memory(4 * 1_048_576), 1),
  );
  const artifacts = { mark: artifact, [candidateOf("mark")]: artifact };
  const { generation } = await assembly.build(1, config, artifacts);
  const route = generation.router.match("GET", "a.test", "/");
  if (route === undefined) throw new Error("no route");
  return route;
}

export function printTrials({ rows }: TrialReport): void {
  const [plain] = rows;
  console.log(
    `\nCPU time of the worker's thread per exchange in a chain of one filter, request with ${BROWSER_FIELDS.length / 2} headers\n`,
  );
  printTable(
    ["trial", "µs", "from–to", "more"],
    rows.map(({ name, cpuUs: us, rounds }) => [
      name,
      us.toFixed(2),
      `${Math.min(...rounds).toFixed(2)}–${Math.max(...rounds).toFixed(2)}`,
      (us - (plain?.cpuUs ?? Number.NaN)).toFixed(2),
    ]),
  );
}

/** Tells when the other thread is done with all that it was given. */
class WatchedQueue extends ShadowQueue {
  async drained(): Promise<void> {
    while (!this.idle) await setImmediate();
  }
}

/** Takes copies and does nothing with them: what the thread of shadows does is on another processor. */
const SINK = `
  require("node:worker_threads").parentPort.once("message", (port) => {
    port.on("message", ({ bytes, copies }) => port.postMessage({ bytes, copies: copies.length }));
  });
`;

const CLIENT = new ClientAddress("192.0.2.1");

const OUTCOME: Outcome = {
  ending: "complete",
  status: 200,
  durationUs: 1_000,
  requestBytes: 0,
  responseBytes: 0,
};

/** As many as come in one turn of a busy worker's event loop. */
const SLICE = 50;
const EXCHANGES = 5_000;

if (import.meta.main) {
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  });
  cleanUpAtExit();
  buildProbe();
  const report = await measureTrials(values.quick);
  keepReport("trial", report);
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else printTrials(report);
}
