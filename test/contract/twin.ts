import assert from "node:assert/strict";
import { TELLS_ALL, type TellsClient } from "../../host/client-address.ts";
import type { HttpClient } from "../../host/filter/http-client.ts";
import { NO_HTTP } from "../support/no-http.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Artifact, ArtifactStore } from "../../host/filter/artifact.ts";
import {
  type Awaitable,
  type BodyDecision,
  type ChunkDecision,
  ConfigRefused,
  type ExchangeFacts,
  FilterFault,
  type FilterLimits,
  HOLD,
  type HostServices,
  type Instance,
  type MetadataValue,
  type Outcome,
  type Plan,
  RESET,
} from "../../host/filter/contract.ts";
import { DirectInstance } from "../../host/filter/direct.ts";
import { Secrets } from "../../host/filter/secrets.ts";
import { faultOf } from "../../host/filter/fault.ts";
import { importScript, ReferenceInstance } from "../../host/filter/reference.ts";
import type { LinkedScript } from "../../host/filter/reference-exports.ts";
import type { StoreGrant } from "../../host/filter/store-access.ts";
import { CustomMetrics, type CustomSnapshot, type MetricScope } from "../../host/ops/custom-metrics.ts";
import { SharedStore, spaceOf } from "../../host/store/shared-store.ts";
import { HeldBody } from "../../host/held-body.ts";
import { type Reply, RequestHead, ResponseHead, Trailers } from "../../host/message.ts";

/** An exchange, as plain data: each instance gets its own copy of the heads. */
export interface Story {
  readonly method: string;
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly path: string;
  readonly fields: readonly string[];
  readonly status: number;
  readonly responseFields: readonly string[];
  readonly facts: Omit<ExchangeFacts, "metadata" | "metadataBytes">;
  readonly outcome: Outcome;
  /** Pieces of a body and what comes after it; each is told as chunks, and as a whole. */
  readonly bodies?: { readonly pieces: readonly string[]; readonly trailers: readonly string[] };
}

/** All that can be seen of what an instance did with an exchange. */
export interface Account {
  /** The calls in order, each with what came of it. */
  readonly calls: readonly (readonly [call: string, result: unknown])[];
  readonly request: RequestHead;
  readonly response: ResponseHead;
  readonly metadata: readonly (readonly [key: string, tag: MetadataValue["tag"], value: unknown])[];
  readonly log: readonly string[];
  /** Since the filter was configured for the first time. */
  readonly metrics: readonly CustomSnapshot[];
}

/** What came of a call that is part of no exchange. */
export interface Said {
  readonly result?: unknown;
  readonly failure?: string;
  readonly log: readonly string[];
}

class StillStore extends SharedStore {
  override time(): number {
    return 1e9;
  }
}

/** What a host gives every filter; the lines that come of it are kept. */
class Recorder implements HostServices {
  readonly filterName: string = "twin é";
  readonly tellsClient: TellsClient = TELLS_ALL;
  readonly http: HttpClient = NO_HTTP;
  readonly secrets: Secrets = new Secrets({
    "token é": Buffer.from("s3cr3t\xff\n", "latin1"),
    password: Buffer.from("swordfish"),
  });
  readonly #custom = new CustomMetrics();
  readonly metrics: MetricScope = this.#custom.scope(
    "twin",
    { metricsMax: 4, metricLabelsMax: 6, metricSeriesMax: 3 },
    (text) => this.secrets.redacted(text),
  );
  /** Empty, and its time stands still: two runs of the same calls come to the same. */
  readonly store: StoreGrant = {
    store: new StillStore(SharedStore.memory(4 * 1_048_576), 1),
    space: spaceOf("keys"),
    rates: spaceOf("rates"),
    remote: undefined,
  };
  lines: string[] = [];

  /** What the filter's metrics have come to. */
  counted(): CustomSnapshot[] {
    return this.#custom.snapshot();
  }

  logEnabled(): boolean {
    return true;
  }

  handlesLeaked(count: number): void {
    this.lines.push(`leaked ${count}`);
  }

  logDropped(): void {
    this.lines.push("dropped");
  }

  log(...line: unknown[]): void {
    this.lines.push(JSON.stringify(line));
  }
}

/** One of the two ways to call an artifact, with an instance that is made anew whenever a call has ended it. */
export class Twin {
  readonly #make: (host: HostServices) => Instance;
  readonly #config: string;
  readonly #recorder = new Recorder();
  /** What the log would say of the last call that failed. */
  failure = "";
  #instance: Instance | undefined;

  constructor(make: (host: HostServices) => Instance, config: string) {
    this.#make = make;
    this.#config = config;
  }

  /** The plan, or why there is none; and what was logged meanwhile. */
  configure(): { readonly log: readonly string[] } & (
    | { readonly plan: Plan }
    | { readonly refused: string }
  ) {
    this.#recorder.lines = [];
    const log = this.#recorder.lines;
    const instance = this.#make(this.#recorder);
    try {
      const plan = instance.configure(this.#config);
      this.#instance = instance;
      return { log, plan };
    } catch (error) {
      if (error instanceof ConfigRefused) return { log, refused: error.message };
      return { log, refused: saying(error, instance) };
    }
  }

  run(story: Story): Account {
    if (this.#instance === undefined) this.configure();
    const instance = this.#instance as Instance;
    this.#recorder.lines = [];
    const { method, scheme, authority, path, fields, status, responseFields } = story;
    const request = new RequestHead(method, scheme, authority, path, [...fields]);
    const response = new ResponseHead(status, [...responseFields]);
    const facts: ExchangeFacts = { ...story.facts, metadata: undefined, metadataBytes: 0 };
    const calls: [string, unknown][] = [];
    const call = (name: string, act: () => unknown): boolean => {
      try {
        const result = act();
        calls.push([name, result]);
        return result === undefined;
      } catch (error) {
        this.#instance = undefined;
        this.failure = faultOf(error, "").detail;
        calls.push([name, saying(error, instance)]);
        return false;
      }
    };
    // What the chain does: open, the phases as long as nothing replies, the end, close; nothing behind a failure.
    call("open", () => instance.open(facts));
    const passed =
      this.#instance !== undefined && call("on-request", () => plain(atOnce(instance.onRequest(request))));
    if (passed) call("on-response", () => plain(atOnce(instance.onResponse(response))));
    if (story.bodies !== undefined) this.#bodies(instance, story.bodies, request, response, call);
    if (this.#instance !== undefined) call("on-end", () => instance.onEnd(story.outcome));
    if (this.#instance !== undefined) call("close", () => instance.close());
    return {
      calls,
      request,
      response,
      metadata: metadataOf(facts),
      log: this.#recorder.lines,
      metrics: this.#recorder.counted(),
    };
  }

  /** What the instance hands on: as Latin-1, or the length of what is too long; and what was logged meanwhile. */
  save(): Said {
    return this.#apart((instance) => {
      const saved = instance.save();
      return typeof saved === "number" ? saved : Buffer.from(saved).toString("latin1");
    });
  }

  restore(digest: string, state: string): Said {
    return this.#apart((instance) => instance.restore(digest, Buffer.from(state, "latin1")));
  }

  /** A call that is part of no exchange. */
  #apart(act: (instance: Instance) => unknown): Said {
    if (this.#instance === undefined) this.configure();
    const instance = this.#instance as Instance;
    this.#recorder.lines = [];
    try {
      return { result: act(instance), log: this.#recorder.lines };
    } catch (error) {
      this.#instance = undefined;
      return { failure: saying(error, instance), log: this.#recorder.lines };
    }
  }

  /** All calls about bodies that the contract has, whatever the plan says, until one fails. */
  #bodies(
    instance: Instance,
    { pieces, trailers }: NonNullable<Story["bodies"]>,
    request: RequestHead,
    response: ResponseHead,
    call: (name: string, act: () => unknown) => boolean,
  ): void {
    const chunks = pieces.map((piece) => Buffer.from(piece, "latin1"));
    const whole = new HeldBody();
    for (const chunk of chunks) whole.push(chunk);
    const behind = new Trailers([...trailers]);
    const steps: [string, () => unknown][] = [
      ...chunks.map((chunk, at): [string, () => unknown] => [
        `on-request-chunk ${at}`,
        () => decided(atOnce(instance.onRequestChunk(chunk, at === chunks.length - 1))),
      ]),
      ["on-request-body", () => decided(atOnce(instance.onRequestBody(request, whole)))],
      ["on-request-trailers", () => plain(atOnce(instance.onRequestTrailers(behind)))],
      ...chunks.map((chunk, at): [string, () => unknown] => [
        `on-response-chunk ${at}`,
        () => decided(atOnce(instance.onResponseChunk(chunk, at === chunks.length - 1))),
      ]),
      ["on-response-body", () => decided(atOnce(instance.onResponseBody(response, whole)))],
      ["on-response-trailers", () => plain(atOnce(instance.onResponseTrailers(behind)))],
      ["trailers", () => behind.fields],
    ];
    for (const [name, act] of steps) if (this.#instance !== undefined) call(name, act);
  }
}

/** None of the twins waits for anything. */
function atOnce<Result>(answer: Awaitable<Result>): Result {
  assert(!(answer instanceof Promise), "a filter without an import that waits has given a promise");
  return answer;
}

/** An artifact, and both ways to call it. */
export class Twins {
  readonly artifact: Artifact;
  readonly #script: LinkedScript;

  private constructor(artifact: Artifact, script: LinkedScript) {
    this.artifact = artifact;
    this.#script = script;
  }

  static async load(store: ArtifactStore, path: string): Promise<Twins> {
    const artifact = await store.load(path, undefined);
    return new Twins(artifact, await importScript(artifact));
  }

  pair(config: string, limits: FilterLimits = LIMITS): { readonly direct: Twin; readonly reference: Twin } {
    const { artifact } = this;
    return {
      direct: new Twin((host) => new DirectInstance(artifact.main, host, limits, ENVIRONMENT), config),
      reference: new Twin(
        (host) => new ReferenceInstance(this.#script, artifact, host, limits, ENVIRONMENT),
        config,
      ),
    };
  }
}

/** A store in a folder of its own. */
export function temporaryStore(): { store: ArtifactStore; folder: string; close: () => Promise<void> } {
  const folder = mkdtempSync(join(tmpdir(), "sluice-store-"));
  const store = new ArtifactStore(folder);
  const close = async (): Promise<void> => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { store, folder, close };
}

export const LIMITS: FilterLimits = {
  editsMax: 200,
  editBytesMax: 65_536,
  replyBytesMax: 1_048_576,
  bodyHeldBytesMax: 1_048_576,
  bodyBufferedBytesMax: 16_777_216,
  logLinesMax: 100,
  logLineBytesMax: 8_192,
  metadataBytesMax: 16_384,
  metricLabelsMax: 6,
  storeKeyBytesMax: 1_024,
  storeValueBytesMax: 65_536,
  stateBytesMax: 1_048_576,
  fuel: 30_000_000,
};

const ENVIRONMENT = [["REGION", "eu é"]] as const;

function plain(reply: Reply | undefined): unknown {
  if (reply === undefined) return undefined;
  return {
    status: reply.head.status,
    fields: reply.head.fields,
    body: Buffer.from(reply.body).toString("latin1"),
  };
}

function decided(decision: ChunkDecision | BodyDecision): unknown {
  if (decision === undefined || decision === HOLD || decision === RESET) return decision?.description;
  return decision instanceof Uint8Array ? decision.toString("latin1") : plain(decision);
}

function metadataOf({ metadata }: ExchangeFacts): Account["metadata"] {
  return [...(metadata ?? [])].map(([key, { tag, val }]) => [
    key,
    tag,
    val instanceof Uint8Array ? Buffer.from(val).toString("latin1") : val,
  ]);
}

/** The class of an error, and its words where they are the host's own or the filter's. The engine's differ by the way of calling. */
function saying(error: unknown, instance: Instance): string {
  const said = instance.lastWords();
  const { reason, detail } = faultOf(error, said, instance.exhausted);
  // Text beyond ASCII where the contract wants none is quoted as its bytes, or as its characters.
  return error instanceof FilterFault
    ? `${reason}: ${detail.replaceAll(/[^ -~]+/g, "?")}`
    : `${reason}: ${said}`;
}
