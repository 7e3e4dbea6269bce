/**
 * What a filter's call about 16 KiB of a body costs, beside a plain copy of as much into a WebAssembly memory.
 *
 *   node bench/body.ts [--quick] [--json]
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Artifact, ArtifactStore } from "../host/filter/artifact.ts";
import type { Instance } from "../host/filter/contract.ts";
import { DirectInstance } from "../host/filter/direct.ts";
import { importScript, ReferenceInstance } from "../host/filter/reference.ts";
import { HeldBody } from "../host/held-body.ts";
import { RequestHead } from "../host/message.ts";
import { FILTERS_DIRECTORY } from "../scripts/build-filters.ts";
import { FACTS, HOST, LIMITS } from "./call.ts";
import { cleanUpAtExit, runFolder } from "./support/child.ts";
import { buildProbe } from "./support/filters.ts";
import { type Aim, keepReport, machine, median, printAims, printTable } from "./support/report.ts";

export interface BodyReport {
  readonly machine: object;
  readonly copyNs: number;
  readonly rows: readonly BodyRow[];
  readonly aims: readonly Aim[];
}

interface BodyRow {
  readonly name: string;
  /** Nanoseconds a call, medians over the rounds. */
  readonly directNs: number;
  readonly jcoNs: number;
  /** Of the direct path, more than the copy of the same round: the median of the rounds. */
  readonly aboveNs: number;
}

/** What `bodies` is configured to do with its 16 KiB, and which call tells it of them. */
interface Case {
  readonly name: string;
  readonly act: "pass" | "hold" | "wrap";
  readonly call: (instance: Instance, chunk: Buffer) => unknown;
}

const requestChunk = (instance: Instance, chunk: Buffer): unknown => instance.onRequestChunk(chunk, false);
const UNCHANGED = "a request's chunk that passes unchanged";
const CASES: readonly Case[] = [
  { name: UNCHANGED, act: "pass", call: requestChunk },
  {
    name: "a response's",
    act: "pass",
    call: (instance, chunk): unknown => instance.onResponseChunk(chunk, false),
  },
  { name: "a request's that is held", act: "hold", call: requestChunk },
  { name: "a request's that another one takes the place of", act: "wrap", call: requestChunk },
  {
    name: "a request's whole body that passes unchanged",
    act: "pass",
    call: (instance, chunk): unknown => {
      const body = new HeldBody();
      body.push(chunk);
      return instance.onRequestBody(new RequestHead("POST", "https", "shop.example.com", "/", []), body);
    },
  },
];

const CHUNK_BYTES = 16_384;

export async function measureBodies(quick: boolean): Promise<BodyReport> {
  const store = new ArtifactStore(runFolder());
  try {
    const artifact = await store.load(join(FILTERS_DIRECTORY, "bodies.wasm"), undefined);
    if (!artifact.direct) throw new Error("bodies.wasm does not take the direct path");
    const runs = await warmRuns(artifact);
    const copy = plainCopy();
    await timed(copy, WARM_TURNS);
    const copies: number[] = [];
    for (let round = 0; round < (quick ? 5 : 25); round++) {
      // Interleaved, so that a slow moment of the machine falls on all of them.
      for (const { direct, jco, samples } of runs) {
        const copyNs = await timed(copy, DIRECT_TURNS);
        copies.push(copyNs);
        const directNs = await timed(direct, DIRECT_TURNS);
        samples.push({ directNs, jcoNs: await timed(jco, JCO_TURNS), aboveNs: directNs - copyNs });
      }
    }
    const rows = runs.map(({ name, samples }) => ({
      name,
      directNs: median(samples.map(({ directNs }) => directNs)),
      jcoNs: median(samples.map(({ jcoNs }) => jcoNs)),
      aboveNs: median(samples.map(({ aboveNs }) => aboveNs)),
    }));
    return { machine: machine(), copyNs: median(copies), rows, aims: aimsOf(rows) };
  } finally {
    await store.close();
  }
}

interface Run {
  readonly name: string;
  readonly direct: Turn;
  readonly jco: Turn;
  readonly samples: Omit<BodyRow, "name">[];
}

type Turn = (chunk: Buffer) => void;

/** All cases at work, as often as it takes the engine to make of their code what it stays. */
async function warmRuns(artifact: Artifact): Promise<Run[]> {
  const script = await importScript(artifact);
  const runs = CASES.map((each) => ({
    name: each.name,
    direct: turnOf(each, new DirectInstance(artifact.main, HOST, LIMITS, [])),
    jco: turnOf(each, new ReferenceInstance(script, artifact, HOST, LIMITS, [])),
    samples: [],
  }));
  for (const { direct, jco } of runs) {
    await timed(direct, WARM_TURNS);
    await timed(jco, WARM_TURNS);
  }
  return runs;
}

function turnOf({ act, call }: Case, instance: Instance): Turn {
  const way = { take: "stream", act };
  instance.configure(JSON.stringify({ name: "a", request: way, response: way }));
  instance.open(FACTS);
  return (chunk) => void call(instance, chunk);
}

/** The least that a filter which sees a chunk can cost. */
function plainCopy(): Turn {
  const bytes = new Uint8Array(new WebAssembly.Memory({ initial: 32 }).buffer);
  return (chunk) => bytes.set(chunk, 1_048_576);
}

/** Nanoseconds a turn, with what it leaves behind for the event loop: jco's calls make promises. */
async function timed(turn: Turn, turns: number): Promise<number> {
  let ms = 0;
  for (let left = turns; left > 0; left -= SLICE) {
    const began = performance.now();
    for (let at = 0; at < SLICE; at++) turn(CHUNKS[at % CHUNKS.length] as Buffer);
    await setImmediate();
    ms += performance.now() - began;
  }
  return (ms * 1e6) / turns;
}

/** As a socket is read: into the same few places, again and again. */
const CHUNKS = Array.from({ length: 4 }, (_, at) => Buffer.alloc(CHUNK_BYTES, at + 97));
const SLICE = 500;
/** Some milliseconds of each. */
const DIRECT_TURNS = 5_000;
const JCO_TURNS = 500;
const WARM_TURNS = 10_000;

function aimsOf(rows: readonly BodyRow[]): Aim[] {
  const above = rows.find(({ name }) => name === UNCHANGED)?.aboveNs ?? Number.NaN;
  const sentence = `a chunk of 16 KiB that passes unchanged takes at most 1 µs more than a copy: ${above.toFixed(0)} ns`;
  return [{ sentence, met: above <= 1_000 }];
}

export function printBodies({ copyNs, rows, aims }: BodyReport): void {
  console.log(
    `\nTime per call of a filter about 16 KiB of a body; a plain copy takes ${copyNs.toFixed(0)} ns\n`,
  );
  printTable(
    ["call", "direct ns", "more than a copy", "jco ns"],
    rows.map(({ name, directNs, aboveNs, jcoNs }) => [
      name,
      directNs.toFixed(0),
      aboveNs.toFixed(0),
      jcoNs.toFixed(0),
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
  const report = await measureBodies(values.quick);
  keepReport("body", report);
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else printBodies(report);
}
