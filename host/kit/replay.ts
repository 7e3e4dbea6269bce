import { setImmediate as nextTurn } from "node:timers/promises";
import type { Instance } from "../filter/contract.ts";
import { type Fault, faultOf, framesOf } from "../filter/fault.ts";
import { Filter } from "../filter/filter.ts";
import { RequestHead, ResponseHead } from "../message.ts";
import { FilterMeter } from "../ops/meter.ts";
import type { RecordFile } from "../record/record-reader.ts";
import { Redaction } from "../record/redaction.ts";
import { compared } from "../trial/comparison.ts";
import { type Flow, recordedFlows } from "../trial/flow.ts";
import type { ExchangeRecord, RecordedHead, RecordedRequestHead } from "../trial/record.ts";
import { Rehearsal } from "../trial/rehearsal.ts";
import type { DifferenceKind } from "../trial/trial.ts";
import { copyOf, editsSince } from "./edits.ts";
import type { Kit } from "./engine.ts";
import { filterSettings, type KitSettings, OwnBudget } from "./kit-host.ts";
import { ReplayHost } from "./replay-host.ts";

/** What was played again, and what came of it. */
export interface ReplayReport {
  readonly exchanges: number;
  /** In which something was different. */
  readonly different: number;
  /** Of which something was too long to be recorded, or left out: what is not there is not compared. */
  readonly partly: number;
  /** Of which nothing could be compared. */
  readonly uncompared: number;
  /** Messages with a difference, by its kind. */
  readonly kinds: Readonly<Partial<Record<DifferenceKind, number>>>;
  /** The first ones. */
  readonly differences: readonly ReplayDifference[];
  readonly ms: number;
}

/** A message of which something else became. */
export interface ReplayDifference {
  /** Counted from 1. */
  readonly exchange: number;
  readonly requestId: string;
  /** Method and path. */
  readonly request: string;
  readonly message: "request" | "response" | "end";
  readonly kind: DifferenceKind;
  readonly detail: string;
  /** What is there now and was not, and the other way round: `+ name: value`. */
  readonly lines: readonly string[];
}

/** How a filter has failed when it was played again. */
export interface ReplayedFailure {
  readonly reason: string;
  /** A panic's message, when there was one. */
  readonly detail: string;
  /** Innermost first. */
  readonly stack: readonly string[];
}

export interface ReplayOptions {
  /** So many differences are told in full. */
  readonly shownMax: number;
  /** Told now and then how far it is. */
  readonly progress: (done: number) => void;
}

/** A component that is called with what another one, or itself, was given in production. */
export class Replay {
  readonly #filter: Filter;
  readonly #host: ReplayHost;
  readonly #redaction: Redaction;
  readonly #file: RecordFile;
  readonly #stackOf: (error: unknown) => Promise<readonly string[]>;

  private constructor(
    filter: Filter,
    host: ReplayHost,
    file: RecordFile,
    stackOf: (error: unknown) => Promise<readonly string[]>,
  ) {
    this.#filter = filter;
    this.#host = host;
    this.#file = file;
    this.#redaction = new Redaction(file.header);
    this.#stackOf = stackOf;
  }

  /** Rejects with an `ArtifactRefused` or a `ConfigRefused`. */
  static async load(kit: Kit, component: string, file: RecordFile, settings: KitSettings): Promise<Replay> {
    const artifact = await kit.artifact(component, settings.memoryBytesMax);
    const host = new ReplayHost(settings);
    const filter = await Filter.load(artifact, filterSettings(settings), host, {
      meter: new FilterMeter(),
      budget: new OwnBudget(),
      quarantine: { quarantined: () => {}, released: () => {} },
      line: () => {},
    });
    return new Replay(filter, host, file, (error) =>
      kit.stackOf({ artifact, file: component }, framesOf(error)),
    );
  }

  get digest(): string {
    return this.#filter.digest;
  }

  /** All exchanges of the file, one after the other. */
  async run({ shownMax, progress }: ReplayOptions): Promise<ReplayReport> {
    const began = performance.now();
    const { count } = this.#file;
    const kinds: Partial<Record<DifferenceKind, number>> = {};
    const shown: ReplayDifference[] = [];
    let different = 0;
    let partly = 0;
    let uncompared = 0;
    for (let at = 0; at < count; at++) {
      if (at % PROGRESS_EVERY === 0) progress(at);
      const whole = this.#file.record(at);
      const record = this.#file.header.bodies ? whole : withoutBodies(whole);
      if (record.cut) partly += 1;
      const found = await this.#differences(record, at + 1);
      if (found === undefined) uncompared += 1;
      else if (found.length > 0) different += 1;
      for (const { kind } of found ?? []) kinds[kind] = (kinds[kind] ?? 0) + 1;
      for (const one of found ?? []) if (shown.length < shownMax) shown.push(one);
    }
    const ms = performance.now() - began;
    return { exchanges: count, different, partly, uncompared, kinds, differences: shown, ms };
  }

  /** The failure that the exchange of a capsule comes to; undefined when the filter does not fail. */
  async failure(): Promise<ReplayedFailure | undefined> {
    const { fault } = await this.#play(this.#file.record(0));
    if (fault === undefined) return undefined;
    const { reason, detail, error } = fault;
    return { reason, detail, stack: await this.#stackOf(error) };
  }

  close(): void {
    void this.#filter.pool.close();
  }

  /** Undefined: there is nothing that it could be compared with. */
  async #differences(
    record: ExchangeRecord,
    exchange: number,
  ): Promise<readonly ReplayDifference[] | undefined> {
    const { rehearsal, fault } = await this.#play(record);
    const flows = recordedFlows(record);
    if (flows.size === 0) return undefined;
    if (fault !== undefined && rehearsal.present !== undefined)
      rehearsal.present.flow.end = { kind: "failed", reason: fault.reason };
    const found: Omit<ReplayDifference, "exchange" | "requestId" | "request">[] = [];
    for (const [number, { flow, inward, unfed }] of rehearsal.messages) {
      const known = flows.get(number);
      if (known === undefined) continue;
      const now = this.#redacted(flow);
      const message = inward ? "request" : "response";
      for (const { kind, detail } of compared(known, now))
        if (kind !== "body" || this.#file.header.bodies)
          found.push({ message, kind, detail, lines: linesOf(known, now) });
      if (unfed) found.push({ message, kind: "decision", detail: UNFED, lines: [] });
    }
    if (fault !== undefined && rehearsal.present === undefined && !hasFailed(record)) {
      const detail = `the candidate failed (${fault.reason})`;
      found.push({ message: "end", kind: "failure", detail, lines: [] });
    }
    if (found.length === 0) return NONE;
    const of = { exchange, requestId: record.facts.requestId, request: requestOf(record) };
    return found.map((difference) => ({ ...of, ...difference }));
  }

  async #play(record: ExchangeRecord): Promise<{ rehearsal: Rehearsal; fault: Fault | undefined }> {
    const { pool } = this.#filter;
    this.#host.begin(record);
    // One that has failed is replaced in a later turn.
    let instance: Instance | undefined = pool.take();
    while (instance === undefined) {
      await nextTurn();
      instance = pool.take();
    }
    const facts = { ...record.facts, clientAddress: CLIENT_ADDRESS };
    const rehearsal = new Rehearsal(this.#filter, instance, { ...record, facts }, (request) =>
      this.#redaction.ownRequest(request),
    );
    try {
      await rehearsal.run();
      pool.give(instance);
      return { rehearsal, fault: undefined };
    } catch (error) {
      const fault = faultOf(error, instance.lastWords(), instance.exhausted);
      pool.discard(instance);
      return { rehearsal, fault };
    }
  }

  /** What the filter makes of a redacted message has to be redacted to be compared. */
  #redacted(flow: Flow): Flow {
    flow.head = this.#redaction.head(flow.head);
    if (flow.trailers !== undefined) flow.trailers = this.#redaction.fields(flow.trailers);
    const { end } = flow;
    if (end?.kind === "reply")
      flow.end = {
        ...end,
        fields: this.#redaction.fields(end.fields),
        body: this.#redaction.bytes(end.body),
      };
    return flow;
  }
}

/** Bodies that were left out are not there to be read: what is made of them is not called, and not compared. */
function withoutBodies(record: ExchangeRecord): ExchangeRecord {
  const missing = new Set(
    record.steps.flatMap((step) => ("bytes" in step && step.bytes.length > 0 ? [step.message] : [])),
  );
  if (missing.size === 0) return record;
  const steps = record.steps.filter(({ kind, message }) => kind === "head" || !missing.has(message));
  return { ...record, steps, cut: true };
}

function linesOf(known: Flow, now: Flow): readonly string[] {
  if (known.end?.kind === "reply" && now.end?.kind === "reply")
    return editsSince(copyOf(messageOf(known.end)), messageOf(now.end));
  if (known.end !== undefined || now.end !== undefined) return [];
  return editsSince(copyOf(messageOf(known.head)), messageOf(now.head));
}

function messageOf(head: RecordedHead): RequestHead | ResponseHead {
  if ("status" in head) return new ResponseHead(head.status, [...head.fields]);
  const { method, scheme, authority, path, fields } = head;
  return new RequestHead(method, scheme, authority, path, [...fields]);
}

/** Method and path of the request, as it came to the filter. */
export function requestOf({ steps }: ExchangeRecord): string {
  const step = steps.find(({ kind, message }) => kind === "head" && message === 0);
  if (step?.kind !== "head") return "";
  const { method, path } = step.head as RecordedRequestHead;
  return `${method} ${path}`;
}

function hasFailed({ endFailed, steps }: ExchangeRecord): boolean {
  return endFailed !== null || steps.some(({ made }) => made?.kind === "failed");
}

const UNFED = "the candidate takes the body, which was not recorded: the filter did not take it";

/** Whoever it was: it is in no file. From a range that is nobody's (RFC 5737). */
const CLIENT_ADDRESS = "192.0.2.1";

const NONE: readonly never[] = [];

const PROGRESS_EVERY = 128;
