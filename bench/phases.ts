/**
 * What a call of each phase costs: on the direct path, with its code metered and not, and through jco.
 *
 *   node bench/phases.ts [--quick] [--json]
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ArtifactStore } from "../host/filter/artifact.ts";
import type { Instance } from "../host/filter/contract.ts";
import { DirectInstance } from "../host/filter/direct.ts";
import { importScript, ReferenceInstance } from "../host/filter/reference.ts";
import { HeldBody } from "../host/held-body.ts";
import { RequestHead, ResponseHead, Trailers } from "../host/message.ts";
import { FILTERS_DIRECTORY } from "../scripts/build-filters.ts";
import { FACTS, HOST, LIMITS } from "./call.ts";
import { modules } from "./fuel.ts";
import { BROWSER_FIELDS } from "./support/browser-request.ts";
import { cleanUpAtExit, runFolder } from "./support/child.ts";
import { buildProbe } from "./support/filters.ts";
import { keepReport, machine, median, printTable } from "./support/report.ts";

export interface PhasesReport {
  readonly machine: object;
  readonly rows: readonly PhaseRow[];
}

/** Nanoseconds of CPU time a call, medians over the rounds. */
interface PhaseRow {
  readonly phase: string;
  readonly meteredNs: number;
  readonly plainNs: number;
  readonly jcoNs: number;
}

interface Phase {
  readonly name: string;
  /** One call, within an exchange that is open. */
  readonly call: (instance: Instance) => unknown;
}

const KIB = Buffer.alloc(1_024, "a");
const BODY: HeldBody = new HeldBody();
BODY.push(KIB);

const PHASES: readonly Phase[] = [
  { name: "on-request: 15 headers, 1 appended", call: (instance) => instance.onRequest(requestHead()) },
  { name: "on-request-chunk: 1 KiB, passed", call: (instance) => instance.onRequestChunk(KIB, false) },
  { name: "on-request-body: 1 KiB, passed", call: (instance) => instance.onRequestBody(requestHead(), BODY) },
  {
    name: "on-request-trailers: 1 appended",
    call: (instance) => instance.onRequestTrailers(new Trailers(["x-sum", "1"])),
  },
  { name: "on-response: 3 headers, 1 appended", call: (instance) => instance.onResponse(responseHead()) },
  { name: "on-response-chunk: 1 KiB, passed", call: (instance) => instance.onResponseChunk(KIB, false) },
  {
    name: "on-response-body: 1 KiB, passed",
    call: (instance) => instance.onResponseBody(responseHead(), BODY),
  },
  {
    name: "on-response-trailers: 1 appended",
    call: (instance) => instance.onResponseTrailers(new Trailers(["x-sum", "1"])),
  },
  {
    name: "on-end: a line of log that nobody keeps",
    call: (instance) =>
      instance.onEnd({
        ending: "complete",
        status: 200,
        durationUs: 1_000,
        requestBytes: 1_024,
        responseBytes: 1_024,
      }),
  },
  {
    name: "the exchange itself: made and dropped",
    call: (instance) => {
      instance.close();
      instance.open(FACTS);
    },
  },
];

const CONFIG = JSON.stringify({
  request: { head: true, trailers: true, take: "stream" },
  response: { head: true, trailers: true, take: "stream" },
  end: true,
});

export async function measurePhases(quick: boolean): Promise<PhasesReport> {
  const store = new ArtifactStore(runFolder());
  try {
    const artifact = await store.load(join(FILTERS_DIRECTORY, "bodies.wasm"), undefined);
    const script = await importScript(artifact);
    const { metered, plain } = await modules("bodies");
    const ways = {
      meteredNs: direct(metered),
      plainNs: direct(plain),
      jcoNs: ready(new ReferenceInstance(script, artifact, HOST, LIMITS, [])),
    };
    const rows: PhaseRow[] = [];
    for (const phase of PHASES) rows.push(await measurePhase(phase, ways, quick ? 5 : 25));
    return { machine: machine(), rows };
  } finally {
    await store.close();
  }
}

type Ways = Readonly<Record<"meteredNs" | "plainNs" | "jcoNs", Instance>>;

async function measurePhase({ name, call }: Phase, ways: Ways, rounds: number): Promise<PhaseRow> {
  const names = Object.keys(ways) as (keyof Ways)[];
  const samples: Record<keyof Ways, number[]> = { meteredNs: [], plainNs: [], jcoNs: [] };
  for (const way of names) await cpuNs(call, ways[way], way === "jcoNs" ? JCO_CALLS : WARM_CALLS);
  for (let round = 0; round < rounds; round++)
    for (const way of names)
      samples[way].push(await cpuNs(call, ways[way], way === "jcoNs" ? JCO_CALLS : CALLS));
  const { meteredNs, plainNs, jcoNs } = samples;
  return { phase: name, meteredNs: median(meteredNs), plainNs: median(plainNs), jcoNs: median(jcoNs) };
}

/** Nanoseconds a call, with what it leaves behind for the event loop: jco's calls make promises. */
async function cpuNs(call: Phase["call"], instance: Instance, calls: number): Promise<number> {
  const began = process.cpuUsage();
  for (let left = calls; left > 0; left -= SLICE) {
    for (let turn = 0; turn < SLICE; turn++) call(instance);
    await setImmediate();
  }
  const { user, system } = process.cpuUsage(began);
  return ((user + system) * 1_000) / calls;
}

const SLICE = 500;
const CALLS = 10_000;
const WARM_CALLS = 50_000;
const JCO_CALLS = 2_000;

function direct(bytes: Uint8Array): Instance {
  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  return ready(new DirectInstance(module, HOST, LIMITS, []));
}

function ready(instance: Instance): Instance {
  instance.configure(CONFIG);
  instance.open(FACTS);
  return instance;
}

function requestHead(): RequestHead {
  return new RequestHead("POST", "https", "shop.example.com", "/cart?full=1", [...BROWSER_FIELDS]);
}

function responseHead(): ResponseHead {
  return new ResponseHead(200, ["Server", "test", "Content-Type", "text/plain", "Content-Length", "1024"]);
}

export function printPhases({ rows }: PhasesReport): void {
  console.log("\nCPU time of a call of each phase\n");
  printTable(
    ["phase", "direct ns", "without fuel ns", "fuel", "jco ns", "jco ÷ direct"],
    rows.map(({ phase, meteredNs, plainNs, jcoNs }) => [
      phase,
      meteredNs.toFixed(0),
      plainNs.toFixed(0),
      `${((meteredNs / plainNs - 1) * 100).toFixed(0)} %`,
      jcoNs.toFixed(0),
      (jcoNs / meteredNs).toFixed(0),
    ]),
  );
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  });
  cleanUpAtExit();
  buildProbe();
  const report = await measurePhases(values.quick);
  keepReport("phases", report);
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else printPhases(report);
}
