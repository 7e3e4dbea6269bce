/**
 * What a request of a filter's own costs: the CPU time of this process, beside that of undici for the same request.
 *
 *   node bench/http-client.ts [--quick] [--json]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Agent } from "undici";
import { AddressKey } from "../host/address-key.ts";
import { Assembly, type AssemblyOwner } from "../host/assembly.ts";
import { ClientAddress } from "../host/client-address.ts";
import { parseConfig } from "../host/config/parse.ts";
import { ArtifactStore } from "../host/filter/artifact.ts";
import { InstanceBudget } from "../host/filter/budget.ts";
import type { ExchangeFacts } from "../host/filter/contract.ts";
import type { Filter } from "../host/filter/filter.ts";
import type { OwnRequest } from "../host/filter/http-client.ts";
import type { Generation } from "../host/generation.ts";
import { RequestHead } from "../host/message.ts";
import { FilterLog } from "../host/ops/filter-log.ts";
import { LineBatch } from "../host/ops/line-batch.ts";
import { WorkerMeter } from "../host/ops/meter.ts";
import { UpstreamLog } from "../host/ops/upstream-log.ts";
import { SharedStore } from "../host/store/shared-store.ts";
import { Sweeper } from "../host/sweeper.ts";
import { ShadowQueue } from "../host/trial/shadow-queue.ts";
import { FILTERS_DIRECTORY } from "../scripts/build-filters.ts";
import { Child, cleanUpAtExit, freePort, runFolder } from "./support/child.ts";
import { buildProbe } from "./support/filters.ts";
import { type Aim, keepReport, machine, median, printAims, printTable, ROOT } from "./support/report.ts";

export interface HttpClientReport {
  readonly machine: object;
  readonly rows: readonly {
    readonly name: string;
    readonly cpuUs: number;
    readonly rounds: readonly number[];
  }[];
  readonly aims: readonly Aim[];
}

/** Sends one request and takes its answer whole. */
type Ask = () => Promise<unknown>;

export async function measureHttpClient(quick: boolean): Promise<HttpClientReport> {
  const folder = runFolder();
  const port = await freePort();
  const upstream = await Child.start("upstream", port, join(folder, "upstream.log"), [
    process.execPath,
    join(ROOT, "bench", "upstream.ts"),
    String(port),
  ]);
  const store = new ArtifactStore(folder);
  const agent = new Agent({ connections: CONCURRENCY });
  const sweeper = new Sweeper();
  try {
    const generation = await generationWith(store, sweeper, port);
    const ways: Readonly<Record<string, Ask>> = {
      "undici, by itself": () => byUndici(agent, port),
      "the host's own client, by itself": () => byHost(generation),
      "a filter's call: suspended, answered, resumed": () => byFilter(filterOf(generation), generation),
    };
    const samples = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
    for (const ask of Object.values(ways)) await cpuUs(ask, REQUESTS);
    for (let round = 0; round < (quick ? 3 : 15); round++)
      for (const [name, ask] of Object.entries(ways)) samples.get(name)?.push(await cpuUs(ask, REQUESTS));
    const rows = [...samples].map(([name, rounds]) => ({ name, cpuUs: median(rounds), rounds }));
    return { machine: machine(), rows, aims: aimsOf(rows.map((row) => row.cpuUs)) };
  } finally {
    sweeper.stop();
    await agent.destroy();
    await store.close();
    await upstream.stop();
  }
}

async function byUndici(agent: Agent, port: number): Promise<unknown> {
  const { body } = await agent.request({ origin: `http://127.0.0.1:${port}`, method: "GET", path: "/1k" });
  return body.bytes();
}

function byHost({ requests }: Generation): Promise<unknown> {
  return new Promise((resolve) => requests.send(REQUEST, MIB, resolve));
}

async function byFilter({ pool }: Filter, { requests }: Generation): Promise<void> {
  const instance = pool.take();
  if (instance === undefined) throw new Error("no instance is free");
  instance.open({ ...FACTS, http: requests });
  const head = new RequestHead("GET", "http", "a.test", "/", []);
  await instance.onRequest(head);
  instance.close();
  pool.give(instance);
  if (head.fields[1]?.startsWith("200 x") !== true) throw new Error(`told ${head.fields[1]}`);
}

/** Microseconds of this process for each request, with `CONCURRENCY` of them under way. */
async function cpuUs(ask: Ask, requests: number): Promise<number> {
  let left = requests;
  const before = process.cpuUsage();
  const client = async (): Promise<void> => {
    for (; left > 0; left -= 1) await ask();
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, client));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / requests;
}

async function generationWith(store: ArtifactStore, sweeper: Sweeper, port: number): Promise<Generation> {
  const artifact = await store.load(join(FILTERS_DIRECTORY, "asks.wasm"), undefined);
  const text = {
    listen: ["127.0.0.1:0"],
    upstreams: { service: { servers: [`http://127.0.0.1:${port}`] } },
    filters: {
      asks: {
        component: "asks.wasm",
        config: { upstream: "service", path: "/1k", phases: ["request"] },
        grant: { http: ["service"] },
      },
    },
    routes: [{ upstream: "service", filters: ["asks"] }],
  };
  const config = parseConfig(JSON.stringify(text), join(FILTERS_DIRECTORY, "sluice.yaml"), {});
  const log = new FilterLog(new LineBatch(() => {}), 1, "silent", {
    linesMax: 1,
    failuresMax: 1,
    dropped: () => {},
  });
  const owner: AssemblyOwner = {
    viaName: "sluice-bench",
    budget: new InstanceBudget(new Int32Array(1), new Int32Array(1), 0, 1_000),
    shadows: new ShadowQueue(),
    addresses: new AddressKey(AddressKey.memory()),
    capsule: () => {},
    quarantined: () => {},
    released: () => {},
  };
  const assembly = new Assembly(
    new WorkerMeter(),
    log,
    new UpstreamLog(new LineBatch(() => {}), 1, "silent"),
    sweeper,
    owner,
    new SharedStore(SharedStore.memory(4 * MIB), 1),
  );
  const { generation } = await assembly.build(1, config, { asks: artifact });
  return generation;
}

function filterOf({ router }: Generation): Filter {
  const filter = router.match("GET", "a.test", "/")?.filters[0];
  if (filter === undefined) throw new Error("no filter");
  return filter;
}

function aimsOf([undici = Number.NaN, , filter = Number.NaN]: readonly number[]): Aim[] {
  const above = filter - undici;
  return [
    {
      sentence: `a filter's call: at most 15 µs of CPU above undici's own: ${above.toFixed(1)} µs`,
      met: above <= 15,
    },
  ];
}

export function printHttpClient({ rows, aims }: HttpClientReport): void {
  console.log(`\nCPU time per request of a filter's own, answered with 1 KiB, ${CONCURRENCY} under way\n`);
  printTable(
    ["request", "µs", "from–to"],
    rows.map(({ name, cpuUs: us, rounds }) => {
      const range = `${Math.min(...rounds).toFixed(1)}–${Math.max(...rounds).toFixed(1)}`;
      return [name, us.toFixed(1), range];
    }),
  );
  console.log();
  printAims(aims);
}

const CONCURRENCY = 16;
const REQUESTS = 4_000;
const MIB = 1_048_576;

const REQUEST: OwnRequest = {
  upstream: "service",
  method: "GET",
  path: "/1k",
  fields: [],
  body: new Uint8Array(0),
  timeoutMs: 5_000,
};

const FACTS: Omit<ExchangeFacts, "http"> = {
  requestId: "c2x1aWNlMQ1",
  route: "shop",
  protocol: "HTTP/1.1",
  tlsVersion: undefined,
  clientAddress: new ClientAddress(""),
  metadata: undefined,
  metadataBytes: 0,
};

if (import.meta.main) {
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  });
  cleanUpAtExit();
  buildProbe();
  const report = await measureHttpClient(values.quick);
  keepReport("http-client", report);
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else printHttpClient(report);
}
