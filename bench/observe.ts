/**
 * What an exchange costs to be seen: CPU time of the process per request, with metrics, log, timelines and traces, each on and off.
 *
 *   node bench/observe.ts [--quick] [--json] [--rounds N]
 *
 * Each way is a process of its own with one worker and one filter, and all of them are measured in turns, then begun anew: two processes of the same
 * way differ by a twentieth. Metrics cannot be switched off: what they take is measured by itself, by the calls that an exchange makes of them.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { DECISION } from "../host/ops/filter-work.ts";
import { PHASE, WorkerMeter } from "../host/ops/meter.ts";
import { SloMeters } from "../host/ops/slo-meter.ts";
import { cleanUpAtExit, runFolder } from "./support/child.ts";
import { type Contender, Field, SLUICE } from "./support/contender.ts";
import { buildProbe } from "./support/filters.ts";
import { load, sample } from "./support/load.ts";
import { type Aim, keepReport, machine, median, printAims, printMarkdown } from "./support/report.ts";
import { MAIN_ROW, type Row, rowsNamed } from "./support/rows.ts";
import { hasTool } from "./support/tool.ts";

export interface ObserveReport {
  readonly machine: object;
  /** What metrics take of an exchange with one filter, by themselves. */
  readonly metrics: Metrics;
  readonly ways: readonly {
    readonly name: string;
    /** CPU microseconds per request, of each round. */
    readonly us: readonly number[];
    /** The same against the first way of the round. */
    readonly ratios: readonly number[];
  }[];
  readonly aims: readonly Aim[];
}

interface Metrics {
  /** Nanoseconds, without looks at the clock. */
  readonly countersNs: number;
  readonly withClockNs: number;
}

export async function measureObserving(quick: boolean, rounds = 0): Promise<ObserveReport | undefined> {
  if (!(await hasTool("wrk"))) {
    console.error("What it costs to be seen is not measured: wrk is missing, which makes the load.");
    return undefined;
  }
  const most = rounds > 0 ? rounds : quick ? 2 : 9;
  const collector = await Collector.start();
  const parts = waysWith(collector.url);
  const got = new Map(Object.keys(parts).map((name): [string, number[]] => [name, []]));
  try {
    for (let done = 0; done < most; done += ROUNDS_OF_A_PROCESS) {
      await measureProcesses(parts, Math.min(most - done, ROUNDS_OF_A_PROCESS), quick, got);
      console.error(`round ${Math.min(most, done + ROUNDS_OF_A_PROCESS)} of ${most}`);
    }
  } finally {
    await collector.stop();
  }
  const base = got.get(SLUICE) ?? [];
  const ways = Array.from(got, ([name, us]) => ({
    name,
    us,
    ratios: us.map((value, round) => value / (base[round] ?? Number.NaN)),
  }));
  const metrics = { countersNs: metricsAlone(false), withClockNs: metricsAlone(true) };
  return { machine: machine(), metrics, ways, aims: aimsOf(ways, metrics) };
}

/** A process for each way, and so many rounds of all of them. CPU microseconds per request are added to what was `got` before. */
async function measureProcesses(
  parts: Readonly<Record<string, object>>,
  rounds: number,
  quick: boolean,
  got: Map<string, number[]>,
): Promise<void> {
  const [row] = rowsNamed([MAIN_ROW]) as [Row];
  const folder = runFolder();
  const field = await Field.open(folder);
  try {
    const contenders: Contender[] = [];
    for (const [name, own] of Object.entries(parts)) contenders.push(await field.sluiceWith(name, "/1", own));
    for (const contender of contenders) await load(contender, row, quick ? 1 : 5, folder);
    for (let round = 0; round < rounds; round++) {
      for (let index = 0; index < contenders.length; index++) {
        const contender = contenders[(index + round) % contenders.length] as Contender;
        const { cpuUsPerRequest } = await sample(contender, row, folder);
        got.get(contender.name)?.push(cpuUsPerRequest);
      }
    }
  } finally {
    await field.stop();
  }
}

/** Parts of the configuration by what is on. The first way is the one that the others are compared with. */
function waysWith(otlp: string): Readonly<Record<string, object>> {
  const off = { log: { exchanges: false }, timelines: { keep: 0 } };
  const traces = { otlp, sample: "1%" };
  const plain = { exchanges: true, receipts: false };
  return {
    [SLUICE]: off,
    "log, without receipts": { ...off, log: plain },
    "log, with receipts": { ...off, log: { exchanges: true } },
    "timelines of 1 %": { log: off.log },
    "traces of 1 %": { ...off, traces },
    "all, log without receipts": { log: plain, traces },
    all: { traces },
  };
}

function aimsOf(ways: ObserveReport["ways"], { countersNs, withClockNs }: Metrics): Aim[] {
  const all = median(ways.find(({ name }) => name === "all")?.ratios ?? []);
  return [
    { sentence: `all: ${all.toFixed(3)} × all off (at most 1.12)`, met: all <= 1.12 },
    {
      sentence: `metrics: ${countersNs.toFixed(0)} ns an exchange (at most 150), ${withClockNs.toFixed(0)} ns with the looks at the clock`,
      met: countersNs <= 150,
    },
  ];
}

/**
 * What the meters of an exchange with one filter take, by the calls that the path makes of them: two calls of the filter, a try at a server, the
 * head, the end. `clock`: with the looks at the clock that they need.
 */
function metricsAlone(clock: boolean): number {
  const meter = new WorkerMeter();
  const route = meter.route("a");
  const filter = meter.filter("f");
  const server = meter.server("u", "http://127.0.0.1:1");
  const slo = new SloMeters().route(
    "a",
    { availability: 0.999, latency: { underMs: 300, share: 0.99 }, windowMs: 1 },
    "other",
  );
  const now = clock ? (): number => performance.now() : (): number => 0;
  const rounds: number[] = [];
  for (let round = 0; round < METER_ROUNDS; round++) {
    const began = performance.now();
    for (let turn = 0; turn < METER_TURNS; turn++) {
      const beganMs = now();
      meter.exchangesInFlight += 1;
      for (const phase of CALLED) {
        const calledMs = now();
        filter.called(phase, (now() - calledMs + 2e-3) / 1_000);
        filter.work.called(phase, 400, DECISION.pass);
      }
      const sentMs = now();
      server.responded((now() - sentMs + 0.3) / 1_000);
      server.tries += 1;
      route.headSent(beganMs, 0.3);
      const ended = { ...ENDED, durationMs: now() - beganMs + 0.5 };
      route.ended(ended);
      slo?.count(ended);
      meter.exchangesInFlight -= 1;
    }
    rounds.push(((performance.now() - began) * 1e6) / METER_TURNS);
  }
  return median(rounds);
}

/** Takes traces and forgets them: what it costs is not the host's. */
class Collector {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static start(): Promise<Collector> {
    const server = createServer((request, response) => {
      request.resume().on("end", () => response.end());
    });
    return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(new Collector(server))));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

export function printObserving({ ways, aims }: ObserveReport): void {
  printMarkdown(
    ["on", "CPU µs per request", "÷ all off", "from–to"],
    ways.map(({ name, us, ratios }) => [
      name === SLUICE ? "nothing but metrics" : name,
      median(us).toFixed(1),
      median(ratios).toFixed(3),
      `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
    ]),
  );
  console.log();
  printAims(aims);
}

const CALLED = [PHASE.request, PHASE.response] as const;
const ENDED = { status: 200, requestId: "id", timeline: undefined, whole: true, failure: undefined } as const;

/** Then others take their places. */
const ROUNDS_OF_A_PROCESS = 3;

const METER_ROUNDS = 21;
const METER_TURNS = 200_000;

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      rounds: { type: "string", default: "0" },
    },
  });
  cleanUpAtExit();
  buildProbe();
  const report = await measureObserving(values.quick, Number(values.rounds));
  if (report === undefined) process.exitCode = 1;
  else {
    keepReport("observe", report);
    if (values.json) console.log(JSON.stringify(report, null, 2));
    else printObserving(report);
  }
}
