/**
 * What a call of a filter costs: through the host's own canonical-ABI code, and through jco's, on the same artifact.
 *
 *   node bench/call.ts [--quick] [--json]
 */
import { ClientAddress, TELLS_NOTHING } from "../host/client-address.ts";
import { NO_HTTP, NO_SENDER } from "../test/support/no-http.ts";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Artifact, ArtifactStore } from "../host/filter/artifact.ts";
import type { ExchangeFacts, FilterLimits, HostServices, Instance } from "../host/filter/contract.ts";
import { DirectInstance } from "../host/filter/direct.ts";
import { importScript, ReferenceInstance } from "../host/filter/reference.ts";
import type { LinkedScript } from "../host/filter/reference-exports.ts";
import { Secrets } from "../host/filter/secrets.ts";
import { HeadParser } from "../host/http1/head-parser.ts";
import { CustomMetrics } from "../host/ops/custom-metrics.ts";
import { SharedStore, spaceOf } from "../host/store/shared-store.ts";
import { type FieldList, RequestHead } from "../host/message.ts";
import { FILTERS_DIRECTORY } from "../scripts/build-filters.ts";
import { BROWSER_FIELDS } from "./support/browser-request.ts";
import { cleanUpAtExit, runFolder } from "./support/child.ts";
import { buildProbe } from "./support/filters.ts";
import { type Aim, keepReport, machine, median, printAims, printTable } from "./support/report.ts";

export interface CallReport {
  readonly machine: object;
  readonly rows: readonly CallRow[];
  readonly aims: readonly Aim[];
}

interface CallRow {
  readonly name: string;
  /** Nanoseconds a call, medians over the rounds. */
  readonly directNs: number;
  readonly jcoNs: number;
  /** jco's time in units of the direct path's: the median of each round's own ratio. */
  readonly ratio: number;
  readonly rounds: readonly { readonly directNs: number; readonly jcoNs: number }[];
}

/** One line of the result: what `probe` is configured to do, and what is timed. */
interface Case {
  readonly name: string;
  readonly work: "empty" | "two-reads-one-write" | "all-headers" | "reply";
  /** Whether each turn is an exchange of its own. Otherwise one stays open, and only calls are timed. */
  readonly exchange: boolean;
}

const CASES: readonly Case[] = [
  { name: "a call that does nothing", work: "empty", exchange: false },
  { name: "a whole exchange: open, 2 reads, 1 write, close", work: "two-reads-one-write", exchange: true },
  { name: "a call that reads all headers", work: "all-headers", exchange: false },
  { name: "a call that replies with 3 headers and 1 KiB", work: "reply", exchange: false },
];

export async function measureCalls(quick: boolean): Promise<CallReport> {
  const folder = runFolder();
  const store = new ArtifactStore(folder);
  try {
    const artifact = await store.load(join(FILTERS_DIRECTORY, "probe.wasm"), undefined);
    if (!artifact.direct) throw new Error("probe.wasm does not take the direct path");
    const script = await importScript(artifact);
    const rows: CallRow[] = [];
    for (const each of CASES) rows.push(await measureCase(each, artifact, script, quick ? 5 : 25));
    return { machine: machine(), rows, aims: aimsOf(rows) };
  } finally {
    await store.close();
  }
}

async function measureCase(
  each: Case,
  artifact: Artifact,
  script: LinkedScript,
  rounds: number,
): Promise<CallRow> {
  const direct = turnOf(each, new DirectInstance(artifact.main, HOST, LIMITS, []));
  const jco = turnOf(each, new ReferenceInstance(script, artifact, HOST, LIMITS, []));
  await timed(direct, DIRECT_TURNS * WARM_BATCHES);
  await timed(jco, JCO_TURNS * WARM_BATCHES);
  const samples: { directNs: number; jcoNs: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    samples.push({ directNs: await timed(direct, DIRECT_TURNS), jcoNs: await timed(jco, JCO_TURNS) });
  }
  return {
    name: each.name,
    directNs: median(samples.map(({ directNs }) => directNs)),
    jcoNs: median(samples.map(({ jcoNs }) => jcoNs)),
    ratio: median(samples.map(({ directNs, jcoNs }) => jcoNs / directNs)),
    rounds: samples,
  };
}

/** What is timed, as often as is asked for. */
function turnOf({ work, exchange }: Case, instance: Instance): (turns: number) => void {
  instance.configure(JSON.stringify({ work }));
  const heads = parsedHeads();
  let next = 0;
  const head = (): RequestHead => {
    next = (next + 1) % HEADS;
    const fields = heads[next] as FieldList;
    return new RequestHead("GET", "https", "shop.example.com", "/cart?full=1", fields);
  };
  if (exchange) {
    return (turns) => {
      for (let turn = 0; turn < turns; turn++) {
        instance.open(FACTS);
        void instance.onRequest(head());
        instance.close();
      }
    };
  }
  instance.open(FACTS);
  return (turns) => {
    for (let turn = 0; turn < turns; turn++) void instance.onRequest(head());
  };
}

/** Nanoseconds a turn, with what it leaves behind for the event loop: jco's calls make promises. */
async function timed(run: (turns: number) => void, turns: number): Promise<number> {
  let ms = 0;
  for (let left = turns; left > 0; left -= SLICE) {
    const began = performance.now();
    run(SLICE);
    await setImmediate();
    ms += performance.now() - began;
  }
  return (ms * 1e6) / turns;
}

const SLICE = 500;
/** About ten milliseconds of each. */
const DIRECT_TURNS = 20_000;
const JCO_TURNS = 1_000;
const WARM_BATCHES = 10;

/** As the listener makes them: strings that are parts of a head, and each head's are its own. */
function parsedHeads(): FieldList[] {
  const lines = ["GET /cart?full=1 HTTP/1.1"];
  for (let at = 0; at < BROWSER_FIELDS.length; at += 2)
    lines.push(`${BROWSER_FIELDS[at]}: ${BROWSER_FIELDS[at + 1]}`);
  const bytes = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  const parser = new HeadParser({ fieldsMax: 100 });
  return Array.from({ length: HEADS }, () => {
    if (!parser.request(bytes, 0, bytes.length)) throw new Error(parser.error?.sentence);
    return parser.fields;
  });
}

const HEADS = 256;

export const FACTS: ExchangeFacts = {
  requestId: "c2x1aWNlMQ1",
  route: "shop",
  protocol: "HTTP/1.1",
  tlsVersion: undefined,
  clientAddress: new ClientAddress(""),
  http: NO_SENDER,
  metadata: undefined,
  metadataBytes: 0,
};

export const HOST: HostServices = {
  filterName: "probe",
  tellsClient: TELLS_NOTHING,
  http: NO_HTTP,
  secrets: new Secrets({}),
  metrics: new CustomMetrics().scope(
    "own",
    { metricsMax: 8, metricLabelsMax: 6, metricSeriesMax: 3 },
    String,
  ),
  store: {
    store: new SharedStore(SharedStore.memory(4 * 1_048_576), 1),
    space: spaceOf("keys"),
    rates: spaceOf("rates"),
    remote: undefined,
  },
  logEnabled: () => false,
  handlesLeaked: () => {},
  logDropped: () => {},
  log: () => {},
};

export const LIMITS: FilterLimits = {
  editsMax: 256,
  editBytesMax: 65_536,
  replyBytesMax: 1_048_576,
  bodyHeldBytesMax: 1_048_576,
  bodyBufferedBytesMax: 16_777_216,
  logLinesMax: 100,
  logLineBytesMax: 8_192,
  metadataBytesMax: 65_536,
  metricLabelsMax: 6,
  storeKeyBytesMax: 1_024,
  storeValueBytesMax: 65_536,
  stateBytesMax: 1_048_576,
  fuel: 30_000_000,
};

function aimsOf(rows: readonly CallRow[]): Aim[] {
  const aims = rows.map(({ name, ratio }) => ({
    sentence: `${name}: at least 20 times less than through jco: ${ratio.toFixed(0)} times`,
    met: ratio >= 20,
  }));
  const [, whole] = rows;
  const ns = whole?.directNs ?? Number.NaN;
  aims.push({
    sentence: `a whole exchange takes at most 1 µs: ${(ns / 1000).toFixed(2)} µs`,
    met: ns <= 1_000,
  });
  return aims;
}

export function printCalls({ rows, aims }: CallReport): void {
  console.log(`\nTime per call of a filter, on a request with ${BROWSER_FIELDS.length / 2} headers\n`);
  printTable(
    ["call", "direct ns", "from–to", "jco ns", "jco ÷ direct"],
    rows.map(({ name, directNs, jcoNs, ratio, rounds }) => {
      const all = rounds.map((round) => round.directNs);
      const range = `${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)}`;
      return [name, directNs.toFixed(0), range, jcoNs.toFixed(0), ratio.toFixed(0)];
    }),
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
  const report = await measureCalls(values.quick);
  keepReport("call", report);
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else printCalls(report);
}
