/**
 * What a filter's call of the host costs, from its Rust code and back, through the host's own canonical-ABI code.
 *
 *   node bench/host-functions.ts [--quick] [--json]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ArtifactStore } from "../host/filter/artifact.ts";
import type { ExchangeFacts, HostServices } from "../host/filter/contract.ts";
import { DirectInstance } from "../host/filter/direct.ts";
import { Secrets } from "../host/filter/secrets.ts";
import { RequestHead } from "../host/message.ts";
import { CustomMetrics } from "../host/ops/custom-metrics.ts";
import { SharedStore, spaceOf } from "../host/store/shared-store.ts";
import { FILTERS_DIRECTORY } from "../scripts/build-filters.ts";
import { FACTS, HOST, LIMITS } from "./call.ts";
import { cleanUpAtExit, runFolder } from "./support/child.ts";
import { buildProbe } from "./support/filters.ts";
import { type Aim, keepReport, machine, median, printAims, printTable } from "./support/report.ts";

export interface HostFunctionReport {
  readonly machine: object;
  readonly rows: readonly HostFunctionRow[];
  readonly aims: readonly Aim[];
}

interface HostFunctionRow {
  readonly name: string;
  /** Nanoseconds a call of the host: the median over the rounds, without what a round of nothing costs. */
  readonly ns: number;
  readonly rounds: readonly number[];
}

const WORKS = [
  "store-add",
  "store-get",
  "store-set",
  "rate-take",
  "counter-add",
  "counter-add-labelled",
  "histogram-observe",
  "clock-now",
  "random-next",
  "secret",
  "log-below-level",
  "request-id",
] as const;

export async function measureHostFunctions(quick: boolean): Promise<HostFunctionReport> {
  const store = new ArtifactStore(runFolder());
  try {
    const artifact = await store.load(join(FILTERS_DIRECTORY, "priced.wasm"), undefined);
    if (!artifact.direct) throw new Error("priced.wasm does not take the direct path");
    const turns = (work: string): (() => number) => {
      const instance = new DirectInstance(artifact.main, services(), LIMITS, []);
      instance.configure(JSON.stringify({ work, times: TIMES }));
      return () => timed(instance);
    };
    const nothing = turns("nothing");
    const works = WORKS.map((name) => ({ name, turn: turns(name), rounds: [] as number[] }));
    for (let warm = 0; warm < WARM_ROUNDS; warm++) for (const { turn } of works) turn();
    for (let round = 0; round < (quick ? 5 : 25); round++) {
      // Interleaved, so that a slow moment of the machine falls on all of them.
      const none = nothing();
      for (const { turn, rounds } of works) rounds.push(turn() - none);
    }
    const rows = works.map(({ name, rounds }) => ({ name, ns: median(rounds), rounds }));
    const added = rows.find(({ name }) => name === "store-add")?.ns ?? Number.NaN;
    const sentence = `a shared counter takes at most 300 ns: ${added.toFixed(0)} ns`;
    return { machine: machine(), rows, aims: [{ sentence, met: added <= 300 }] };
  } finally {
    await store.close();
  }
}

/** As a worker gives them to a filter that is granted everything. */
function services(): HostServices {
  return {
    ...HOST,
    secrets: new Secrets({ key: Buffer.from("a secret of a usual length") }),
    store: {
      store: new SharedStore(SharedStore.memory(64 * 1_048_576), 1),
      space: spaceOf("keys"),
      rates: spaceOf("rates"),
      remote: undefined,
    },
    metrics: new CustomMetrics().scope(
      "priced",
      { metricsMax: 8, metricLabelsMax: 4, metricSeriesMax: 100 },
      String,
    ),
  };
}

/** Nanoseconds for each time. */
function timed(instance: DirectInstance): number {
  const facts: ExchangeFacts = { ...FACTS };
  const began = performance.now();
  for (let call = 0; call < CALLS; call++) {
    instance.open(facts);
    void instance.onRequest(new RequestHead("GET", "https", "shop.example.com", "/", []));
    instance.close();
  }
  return ((performance.now() - began) * 1e6) / (CALLS * TIMES);
}

/** So many calls of the host in one call of the filter, and so many of those in a round: some milliseconds. */
const TIMES = 100;
const CALLS = 200;
const WARM_ROUNDS = 10;

export function printHostFunctions({ rows, aims }: HostFunctionReport): void {
  console.log("\nTime per call of a host function, from the filter's code and back\n");
  printTable(
    ["function", "ns", "from–to"],
    rows.map(({ name, ns, rounds }) => [
      name,
      ns.toFixed(0),
      `${Math.min(...rounds).toFixed(0)}–${Math.max(...rounds).toFixed(0)}`,
    ]),
  );
  console.log();
  printAims(aims);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  });
  cleanUpAtExit();
  buildProbe();
  const report = await measureHostFunctions(values.quick);
  keepReport("host-functions", report);
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else printHostFunctions(report);
}
