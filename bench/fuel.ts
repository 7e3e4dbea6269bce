/**
 * What fuel costs the calls of real filters: the same component with its code metered and not, called in turns.
 *
 *   node bench/fuel.ts [--quick] [--json]
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { transpileBytes } from "@bytecodealliance/jco-transpile";
import { FUELED } from "../host/config/fuel-limits.ts";
import type { Instance } from "../host/filter/contract.ts";
import { DirectInstance } from "../host/filter/direct.ts";
import { loadRewriter, START_FUEL } from "../host/filter/rewriter.ts";
import { RequestHead, ResponseHead } from "../host/message.ts";
import { FILTERS_DIRECTORY } from "../scripts/build-filters.ts";
import { FACTS, HOST, LIMITS } from "./call.ts";
import { BROWSER_FIELDS } from "./support/browser-request.ts";
import { cleanUpAtExit } from "./support/child.ts";
import { buildProbe } from "./support/filters.ts";
import { type Aim, keepReport, machine, median, printAims, printTable } from "./support/report.ts";

export interface FuelReport {
  readonly machine: object;
  readonly rows: readonly FuelRow[];
  /** Milliseconds of CPU time, of an endless loop at the default fuel, in code that is new and in code that has run. */
  readonly endless: { readonly firstMs: number; readonly againMs: number };
  readonly aims: readonly Aim[];
}

interface FuelRow {
  readonly name: string;
  readonly meteredNs: number;
  readonly plainNs: number;
  /** The median of each round's own ratio. */
  readonly ratio: number;
  /** Units that one turn consumes. */
  readonly fuel: number;
  readonly bytes: { readonly metered: number; readonly plain: number };
}

interface Case {
  readonly name: string;
  readonly filter: string;
  readonly config: object;
  readonly turn: (instance: Instance) => void;
  readonly turns: number;
}

const KEY = "open-sesame";
const KEY_SHA256 = "d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7";

const CASES: readonly Case[] = [
  {
    name: "api-key: a key is looked up by its SHA-256",
    filter: "api_key",
    config: { keys: { alice: KEY_SHA256 } },
    turn: (instance) => exchange(instance, () => instance.onRequest(request())),
    turns: 2_000,
  },
  {
    name: "headers: 2 edits of the request, 2 of the response",
    filter: "headers",
    config: {
      request: { set: { "x-was-asked": "1" }, remove: ["accept-language"] },
      response: { set: { "x-greeting": "hello" }, remove: ["server"] },
    },
    turn: (instance) =>
      exchange(instance, () => {
        void instance.onRequest(request());
        void instance.onResponse(new ResponseHead(200, ["Server", "test", "Content-Type", "text/plain"]));
      }),
    turns: 2_000,
  },
  {
    name: "json-mask: 16 KiB of JSON, one field of each object removed",
    filter: "json_mask",
    config: { remove: ["items.*.email"] },
    turn: (instance) =>
      exchange(instance, () => {
        void instance.onResponse(new ResponseHead(200, ["Content-Type", "application/json"]));
        void instance.onResponseChunk(JSON_BODY, true);
      }),
    turns: 100,
  },
  {
    name: "probe: an exchange with 2 reads and 1 write",
    filter: "probe",
    config: { work: "two-reads-one-write" },
    turn: (instance) => exchange(instance, () => instance.onRequest(request())),
    turns: 5_000,
  },
];

const JSON_BODY: Buffer = Buffer.from(
  JSON.stringify({
    items: Array.from({ length: 170 }, (_, id) => ({
      id,
      name: `Name ${id}`,
      email: "somebody@example.com",
      tags: ["a", "b"],
    })),
  }),
).subarray(0, 16_384);

function exchange(instance: Instance, phases: () => void): void {
  instance.open(FACTS);
  phases();
  instance.close();
}

function request(): RequestHead {
  return new RequestHead("GET", "https", "shop.example.com", "/cart?full=1", [
    ...BROWSER_FIELDS,
    "x-api-key",
    KEY,
  ]);
}

export async function measureFuel(quick: boolean): Promise<FuelReport> {
  const rows: FuelRow[] = [];
  for (const each of CASES) rows.push(await measureCase(each, quick ? 5 : 41));
  const endless = await measureEndless();
  const aims = rows.map(({ name, ratio }) => ({
    sentence: `${name}: at most 10 % more with fuel: ${((ratio - 1) * 100).toFixed(1)} %`,
    met: ratio <= 1.1,
  }));
  aims.push({
    sentence: `an endless loop ends within 50 ms of CPU time: ${endless.firstMs.toFixed(1)} ms, then ${endless.againMs.toFixed(1)} ms`,
    met: Math.max(endless.firstMs, endless.againMs) <= 50,
  });
  return { machine: machine(), rows, endless, aims };
}

async function measureCase(each: Case, rounds: number): Promise<FuelRow> {
  const made = await modules(each.filter);
  const [metered, plain] = [made.metered, made.plain].map((bytes) => ready(bytes, each.config)) as [
    Instance,
    Instance,
  ];
  for (const instance of [metered, plain]) timed(each, instance, each.turns * WARM_ROUNDS);
  const samples: { meteredNs: number; plainNs: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    // Whoever comes first in a round meets other caches.
    const first = round % 2 === 0 ? timed(each, metered, each.turns) : 0;
    const plainNs = timed(each, plain, each.turns);
    samples.push({ meteredNs: first || timed(each, metered, each.turns), plainNs });
  }
  return {
    name: each.name,
    meteredNs: median(samples.map(({ meteredNs }) => meteredNs)),
    plainNs: median(samples.map(({ plainNs }) => plainNs)),
    ratio: median(samples.map(({ meteredNs, plainNs }) => meteredNs / plainNs)),
    fuel: fuelOf(each, made.metered),
    bytes: { metered: made.metered.length, plain: made.plain.length },
  };
}

const WARM_ROUNDS = 20;

function timed({ turn }: Case, instance: Instance, turns: number): number {
  // CPU time: others use this machine, too.
  const began = process.cpuUsage();
  for (let left = turns; left > 0; left--) turn(instance);
  const { user, system } = process.cpuUsage(began);
  return ((user + system) * 1_000) / turns;
}

/** The sum over the calls of a turn. */
function fuelOf({ turn, config }: Case, bytes: Uint8Array): number {
  const instance = ready(bytes, config);
  let fuel = 0;
  turn(
    new Proxy(instance, {
      get: (target, name: keyof Instance) => {
        const member: unknown = target[name];
        if (typeof member !== "function") return member;
        return (...parameters: unknown[]) => {
          const result: unknown = member.apply(target, parameters);
          fuel += target.fuelUsed;
          return result;
        };
      },
    }),
  );
  return fuel;
}

function ready(bytes: Uint8Array, config: object): Instance {
  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  const limits = { ...LIMITS, fuel: FUELED.fuel.default };
  const instance = new DirectInstance(module, HOST, limits, []);
  instance.configure(JSON.stringify(config));
  return instance;
}

/** The main module of a filter, with fuel and without, bounded alike. */
export async function modules(filter: string): Promise<{ metered: Uint8Array; plain: Uint8Array }> {
  const { files } = await transpileBytes(readFileSync(join(FILTERS_DIRECTORY, `${filter}.wasm`)), {
    name: "component",
    instantiation: "sync",
    base64Cutoff: 0,
  });
  const bytes = files["component.core.wasm"] as Uint8Array;
  const rewriter = await loadRewriter();
  const pages = FUELED.memoryBytesMax.default / 65_536;
  return {
    metered: rewriter.meter(bytes, pages, START_FUEL),
    plain: rewriter.unmetered(bytes, pages, START_FUEL),
  };
}

/** The fixture `trap` loops until it is ended; a fresh instance each time, as the host makes it. */
async function measureEndless(): Promise<FuelReport["endless"]> {
  const { metered } = await modules("trap");
  const ms: number[] = [];
  const module = new WebAssembly.Module(metered as Uint8Array<ArrayBuffer>);
  for (let round = 0; round < 10; round++) {
    const instance = new DirectInstance(module, HOST, { ...LIMITS, fuel: FUELED.fuel.default }, []);
    instance.configure("null");
    instance.open(FACTS);
    const began = process.cpuUsage();
    try {
      void instance.onRequest(new RequestHead("GET", "https", "a", "/spin", []));
      throw new Error("the loop has ended by itself");
    } catch (error) {
      if (instance.exhausted !== "fuel") throw error;
    }
    const { user, system } = process.cpuUsage(began);
    ms.push((user + system) / 1_000);
  }
  return { firstMs: ms[0] ?? Number.NaN, againMs: Math.max(...ms.slice(1)) };
}

export function printFuel({ rows, aims }: FuelReport): void {
  console.log("\nCPU time of a filter's exchange, with fuel and without\n");
  printTable(
    ["exchange", "with ns", "without ns", "with ÷ without", "units", "code"],
    rows.map(({ name, meteredNs, plainNs, ratio, fuel, bytes }) => [
      name,
      meteredNs.toFixed(0),
      plainNs.toFixed(0),
      ratio.toFixed(3),
      String(fuel),
      `+${((bytes.metered / bytes.plain - 1) * 100).toFixed(0)} %`,
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
  const report = await measureFuel(values.quick);
  keepReport("fuel", report);
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else printFuel(report);
}
