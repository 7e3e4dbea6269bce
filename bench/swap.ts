/**
 * How long a swap takes, and what traffic has of it:
 *
 *   node bench/swap.ts [--quick] [--json]
 *
 * A swap's time is from the request to the admin API until a request that was sent after its answer has been answered by the new version. `cold`:
 * nobody has seen the component before. `from the store`: an earlier process has transpiled it. `loaded`: a generation that is kept has it.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { setTimeout as time } from "node:timers/promises";
import { parseArgs } from "node:util";
import { AdminClient } from "../host/control/admin-client.ts";
import { FILTERS_DIRECTORY } from "../scripts/build-filters.ts";
import { variant } from "../test/support/component-file.ts";
import { Child, cleanUpAtExit, freePort, runFolder } from "./support/child.ts";
import { buildProbe } from "./support/filters.ts";
import { buildPace, pacedLoad, type Waits } from "./support/paced-load.ts";
import { type Aim, keepReport, machine, median, printAims, printTable, ROOT } from "./support/report.ts";
import { MAIN_ROW, type Row, rowsNamed } from "./support/rows.ts";

export interface SwapReport {
  readonly machine: object;
  readonly componentBytes: number;
  readonly times: readonly SwapTimes[];
  readonly traffic: readonly SwapTraffic[];
  readonly aims: readonly Aim[];
}

interface SwapTimes {
  readonly name: string;
  /** Of each swap, in milliseconds. */
  readonly ms: readonly number[];
  /** CPU time of the host's process meanwhile. */
  readonly cpuMs: readonly number[];
}

interface SwapTraffic {
  readonly name: string;
  /** Of each round. */
  readonly swaps: readonly number[];
  readonly waits: readonly Waits[];
}

/** A host with two workers and one filter, which is swapped again and again. */
class Place {
  readonly #folder = runFolder();
  readonly #upstream: Child;
  readonly #port: number;
  #host: Child | undefined;
  #admin: AdminClient | undefined;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #versions = 0;

  private constructor(upstream: Child, port: number) {
    this.#upstream = upstream;
    this.#port = port;
  }

  static async open(): Promise<Place> {
    const port = await freePort();
    const command = [process.execPath, join(ROOT, "bench", "upstream.ts"), String(port)];
    const folder = runFolder();
    const upstream = await Child.start("upstream", port, join(folder, "upstream.log"), command);
    const place = new Place(upstream, await freePort());
    await place.start();
    return place;
  }

  async start(): Promise<void> {
    const config = {
      listen: [`127.0.0.1:${this.#port}`],
      admin: "unix:admin.sock",
      workers: 2,
      artifacts: "store",
      log: { exchanges: false },
      timeouts: { drain: "1s" },
      upstreams: { api: { servers: [`http://127.0.0.1:${this.#upstream.port}`] } },
      filters: { headers: { component: this.component("first"), config: versionOf("0") } },
      routes: [{ filters: ["headers"], upstream: "api" }],
    };
    mkdirSync(this.#folder, { recursive: true });
    const path = join(this.#folder, "sluice.yaml");
    // JSON is YAML.
    writeFileSync(path, JSON.stringify(config));
    const command = [process.execPath, join(ROOT, "host", "cli", "main.ts"), "run", "-c", path];
    this.#host = await Child.start("sluice", this.#port, join(this.#folder, "log"), command);
    this.#admin = new AdminClient({ kind: "unix", path: join(this.#folder, "admin.sock") });
    await this.#ask();
  }

  async stop(): Promise<void> {
    await this.#admin?.close();
    await this.#host?.stop();
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.stop();
    await this.#upstream.stop();
  }

  /** The file of a component that differs from the others in its digest alone. */
  component(name: string): string {
    const path = join(this.#folder, `${name}.wasm`);
    writeFileSync(path, variant(COMPONENT, name));
    return path;
  }

  async swap(component: string): Promise<{ ms: number; cpuMs: number }> {
    const host = this.#host as Child;
    this.#versions += 1;
    const version = String(this.#versions);
    const cpu = host.cpu().totalMs;
    const began = performance.now();
    await this.#admin?.swap("headers", { component, config: versionOf(version) });
    const served = await this.#ask();
    const ms = performance.now() - began;
    if (served !== version) throw new Error(`after the swap to version ${version}, ${served} has answered`);
    return { ms, cpuMs: host.cpu().totalMs - cpu };
  }

  /** Traffic at the row's rate, and `components` swapped in one after the other meanwhile, `everyMs`. */
  async load(
    row: Row,
    seconds: number,
    everyMs: number,
    next: () => string,
  ): Promise<{ waits: Waits; swaps: number }> {
    const contender = {
      name: "sluice",
      kind: "sluice",
      variant: false,
      child: this.#host as Child,
      ports: { plain: this.#port, tls: 0, upstream: this.#upstream.port },
      prefix: "",
    } as const;
    const over = new AbortController();
    const loaded = pacedLoad(contender, row, seconds).finally(() => over.abort());
    // Rejects below; without this it would be an unhandled one before.
    loaded.catch(() => {});
    const swaps = everyMs === 0 ? 0 : await this.#swapEvery(everyMs, next, over.signal);
    return { waits: await loaded, swaps };
  }

  async #swapEvery(everyMs: number, next: () => string, over: AbortSignal): Promise<number> {
    let swaps = 0;
    for (let due = performance.now(); !over.aborted; swaps++) {
      await this.swap(next());
      due += everyMs;
      await time(Math.max(0, due - performance.now()));
    }
    return swaps;
  }

  /** Gives which version has answered. */
  #ask(): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: this.#port, path: "/1k", agent: this.#agent };
      const asked = request(options, (response) => {
        response.resume().on("end", () => resolve(String(response.headers["x-version"])));
      });
      asked.on("error", reject).end();
    });
  }
}

export async function measureSwaps(quick: boolean): Promise<SwapReport> {
  const count = quick ? 5 : 24;
  buildPace();
  const place = await Place.open();
  try {
    const names = Array.from({ length: count }, (_, at) => `cold-${at}`);
    // The first one starts the thread that transpiles.
    const first = await timed(place, "cold, the first of a process", ["warm"]);
    const cold = await timed(place, "cold", names);
    await place.stop();
    await place.start();
    const store = await timed(place, "from the store", names.slice(0, -1));
    const again = names.slice(0, -1).map((_, at) => names[at % 2] as string);
    const loaded = await timed(place, "loaded", again);
    const times = [first, cold, store, loaded];
    const traffic = await loads(place, quick);
    return {
      machine: machine(),
      componentBytes: COMPONENT.length,
      times,
      traffic,
      aims: aimsOf(times, traffic),
    };
  } finally {
    await place.close();
  }
}

async function timed(place: Place, name: string, components: readonly string[]): Promise<SwapTimes> {
  const ms: number[] = [];
  const cpuMs: number[] = [];
  for (const component of components) {
    const took = await place.swap(place.component(component));
    ms.push(took.ms);
    cpuMs.push(took.cpuMs);
    // What comes after a swap, like the end of the version before, is not the next one's time.
    await time(REST_MS);
  }
  return { name, ms, cpuMs };
}

async function loads(place: Place, quick: boolean): Promise<SwapTraffic[]> {
  const [row] = rowsNamed([MAIN_ROW]) as [Row];
  const paced: Row = { ...row, connections: 16, rate: RATE };
  let serial = 0;
  const ways = [
    { name: QUIET, everyMs: 0, next: () => "" },
    {
      name: "a swap every 100 ms, loaded",
      everyMs: 100,
      next: () => place.component(`cold-${serial++ % 2}`),
    },
    { name: "a cold swap every 500 ms", everyMs: 500, next: () => place.component(`load-${serial++}`) },
    { name: "a cold swap every second", everyMs: 1_000, next: () => place.component(`load-${serial++}`) },
  ];
  const traffic = ways.map(({ name }) => ({ name, swaps: [] as number[], waits: [] as Waits[] }));
  for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
    for (const [at, { everyMs, next }] of ways.entries()) {
      const { waits, swaps } = await place.load(paced, quick ? 2 : SECONDS, everyMs, next);
      traffic[at]?.waits.push(waits);
      traffic[at]?.swaps.push(swaps);
    }
  }
  return traffic;
}

function aimsOf(times: readonly SwapTimes[], traffic: readonly SwapTraffic[]): Aim[] {
  const within = (name: string, msMax: number): Aim => {
    const ms = median(times.find((row) => row.name === name)?.ms ?? []);
    return { sentence: `${name}: ${ms.toFixed(0)} ms (at most ${msMax})`, met: ms <= msMax };
  };
  const ratios = traffic
    .filter(({ name }) => name !== QUIET)
    .map((row): Aim => {
      const ratio = ratioOf(row, traffic, "p99");
      return {
        sentence: `p99 with ${row.name}: ${ratio.toFixed(2)} × quiet (at most 1.3)`,
        met: ratio <= 1.3,
      };
    });
  return [within("cold", 250), within("from the store", 30), ...ratios];
}

/** Of medians of rounds. */
function ratioOf(row: SwapTraffic, all: readonly SwapTraffic[], which: "p50" | "p99"): number {
  const quiet = all.find(({ name }) => name === QUIET);
  const middle = (of: SwapTraffic | undefined): number =>
    median((of?.waits ?? []).map((waits) => waits[which]));
  return middle(row) / middle(quiet);
}

export function printSwaps({ componentBytes, times, traffic, aims }: SwapReport): void {
  console.log(
    `\nFrom the request to the first answer of the new version, a component of ${componentBytes} bytes, two workers\n`,
  );
  printTable(
    ["swap", "ms", "smallest", "largest", "CPU ms"],
    times.map(({ name, ms, cpuMs }) => [
      name,
      ...[median(ms), Math.min(...ms), Math.max(...ms), median(cpuMs)].map((value) => value.toFixed(1)),
    ]),
  );
  console.log(`\nTraffic of ${RATE} requests a second, in an open loop, medians of rounds, in µs\n`);
  printTable(
    ["beside it", "swaps", "p50", "÷ quiet", "p99", "÷ quiet", "p99 from–to"],
    traffic.map((row) => {
      const p99 = row.waits.map((waits) => waits.p99);
      return [
        row.name,
        String(row.swaps.reduce((sum, swaps) => sum + swaps, 0)),
        median(row.waits.map((waits) => waits.p50)).toFixed(0),
        ratioOf(row, traffic, "p50").toFixed(2),
        median(p99).toFixed(0),
        ratioOf(row, traffic, "p99").toFixed(2),
        `${Math.min(...p99)}–${Math.max(...p99)}`,
      ];
    }),
  );
  console.log();
  printAims(aims);
}

function versionOf(version: string): object {
  return { response: { set: { "x-version": version } } };
}

const COMPONENT = readFileSync(join(FILTERS_DIRECTORY, "headers.wasm"));

const QUIET = "nothing";
const RATE = 500;
const ROUNDS = 5;
const SECONDS = 5;
const REST_MS = 50;

if (import.meta.main) {
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  });
  cleanUpAtExit();
  buildProbe();
  const report = await measureSwaps(values.quick);
  keepReport("swap", report);
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else printSwaps(report);
}
