import { ClientAddress } from "../client-address.ts";
import {
  type BodyDecision,
  type BodyMode,
  type ChunkDecision,
  type ExchangeFacts,
  HOLD,
  type Instance,
  type MetadataValue,
  type Outcome,
  RESET,
} from "../filter/contract.ts";
import type { Filter } from "../filter/filter.ts";
import type { OwnRequest } from "../filter/http-client.ts";
import { HeldBody } from "../held-body.ts";
import { Reply, RequestHead, ResponseHead, Trailers } from "../message.ts";
import { type FilterPhase, PHASE } from "../ops/meter.ts";
import { Flow } from "./flow.ts";
import { headOf } from "./tap.ts";
import type {
  ExchangeRecord,
  RecordedDecision,
  RecordedMessage,
  RecordedStep,
  RecordedTrailers,
} from "./record.ts";
import { ReplayedAnswers } from "./replayed-answers.ts";

/** One message, as the candidate has it. */
export interface Rehearsed {
  readonly flow: Flow;
  readonly inward: boolean;
  readonly head: RequestHead | ResponseHead;
  readonly mode: BodyMode;
  /** What it takes as a whole, while that comes in pieces. */
  readonly gathered: HeldBody;
  /** It takes a body of which nothing was recorded. */
  unfed: boolean;
}

/**
 * A filter's instance, called with what another version was given in an exchange. What it decides is noted and never applied.
 * A call that throws has ended the instance: `run` rejects with it.
 */
export class Rehearsal {
  /** By message, those that the candidate has seen. */
  readonly messages: Map<number, Rehearsed> = new Map();
  /** In its calls, in milliseconds. */
  ms = 0;
  /** The message that the present step is of; undefined at the end of the exchange. */
  present: Rehearsed | undefined;
  readonly #filter: Filter;
  readonly #instance: Instance;
  readonly #record: ExchangeRecord;
  readonly #facts: ExchangeFacts;
  readonly #given = new Map<string, MetadataValue>();

  /** `seen`: one of its own requests as it would have been recorded. */
  constructor(
    filter: Filter,
    instance: Instance,
    record: ExchangeRecord,
    seen?: (request: OwnRequest) => OwnRequest,
  ) {
    this.#filter = filter;
    this.#instance = instance;
    this.#record = record;
    this.#facts = {
      ...record.facts,
      clientAddress: new ClientAddress(record.facts.clientAddress),
      http: new ReplayedAnswers(record.requests, seen),
      metadata: undefined,
      metadataBytes: 0,
    };
  }

  async run(): Promise<void> {
    const { steps, outcome } = this.#record;
    this.#instance.open(this.#facts);
    for (const step of steps) {
      if (this.#over()) break;
      await this.#step(step);
    }
    this.present = undefined;
    if (this.#filter.plan.end && outcome !== null) await this.#end(outcome);
    this.#instance.close();
  }

  /** It has answered the request, or reset the exchange: there is nothing more for it to see. */
  #over(): boolean {
    return this.messages.get(0)?.flow.end !== undefined;
  }

  async #step(step: RecordedStep): Promise<void> {
    if (step.kind === "head") return this.#head(step);
    const message = this.messages.get(step.message);
    this.present = message;
    if (message === undefined || message.flow.end !== undefined) return;
    if (step.kind === "trailers") return this.#trailers(message, step);
    // What came as a whole and is empty has no chunks.
    if (step.kind === "body") return this.#piece(message, step.bytes, true, step.bytes.length > 0);
    return this.#piece(message, step.bytes, step.last, true);
  }

  async #head(step: RecordedMessage): Promise<void> {
    this.#leave(step.metadata);
    const { plan } = this.#filter;
    const inward = step.message === 0;
    const flow = new Flow(step.head);
    const mode = inward ? plan.requestBody : plan.responseBody;
    const message: Rehearsed = {
      flow,
      inward,
      head: messageHead(step),
      mode,
      gathered: new HeldBody(),
      unfed: false,
    };
    this.messages.set(step.message, message);
    this.present = message;
    if (inward ? plan.request : plan.response) {
      flow.decidedHead(
        await this.#call(inward ? PHASE.request : PHASE.response, message, () =>
          inward
            ? this.#instance.onRequest(message.head as RequestHead)
            : this.#instance.onResponse(message.head as ResponseHead),
        ),
      );
      if (flow.end !== undefined) return;
    }
    const { requestBody, responseBody } = this.#record.plan;
    if (mode.kind !== "buffered") flow.settled = true;
    if (mode.kind === "none" || (inward ? requestBody : responseBody).kind !== "none") return;
    if (step.length === 0) return this.#piece(message, EMPTY, true, false);
    message.unfed = true;
  }

  /** A piece of a body, as this version takes it. */
  async #piece(message: Rehearsed, bytes: Uint8Array, last: boolean, chunked: boolean): Promise<void> {
    const { flow, inward, mode } = message;
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (mode.kind === "buffered") {
      message.gathered.push(chunk);
      if (message.gathered.length > mode.bytesMax) flow.end = { kind: "too-large", bytesMax: mode.bytesMax };
      else if (last) await this.#whole(message);
      return;
    }
    const phase = inward ? PHASE["request-body"] : PHASE["response-body"];
    const decision =
      chunked && mode.kind === "stream"
        ? await this.#call(phase, message, () =>
            inward ? this.#instance.onRequestChunk(chunk, last) : this.#instance.onResponseChunk(chunk, last),
          )
        : null;
    flow.decidedChunk(bytes, last, decision);
  }

  async #whole(message: Rehearsed): Promise<void> {
    const { flow, inward, head, gathered } = message;
    const phase = inward ? PHASE["request-body"] : PHASE["response-body"];
    const decision = await this.#call(phase, message, () =>
      inward
        ? this.#instance.onRequestBody(head as RequestHead, gathered)
        : this.#instance.onResponseBody(head as ResponseHead, gathered),
    );
    flow.decidedBody(gathered.whole(), decision);
  }

  async #trailers({ flow, inward }: Rehearsed, { fields }: RecordedTrailers): Promise<void> {
    const { plan } = this.#filter;
    if (!(inward ? plan.requestTrailers : plan.responseTrailers)) return flow.decidedTrailers(fields, null);
    const trailers = new Trailers([...fields]);
    const phase = inward ? PHASE["request-trailers"] : PHASE["response-trailers"];
    const answer = await this.#timed(phase, () =>
      inward ? this.#instance.onRequestTrailers(trailers) : this.#instance.onResponseTrailers(trailers),
    );
    flow.decidedTrailers(fields, decisionOf(answer) ?? { kind: "proceed", edited: trailers.fields });
  }

  async #end(outcome: Outcome): Promise<void> {
    await this.#timed(PHASE.end, () => this.#instance.onEnd(outcome));
  }

  /** A call that may edit the head. */
  async #call(
    phase: FilterPhase,
    { head }: Rehearsed,
    call: () => Made | Promise<Made>,
  ): Promise<RecordedDecision> {
    const answer = await this.#timed(phase, call);
    if (answer instanceof Uint8Array) return { kind: "replace", bytes: answer, edited: headOf(head) };
    return decisionOf(answer) ?? { kind: "proceed", edited: headOf(head) };
  }

  async #timed<Result>(phase: FilterPhase, call: () => Result | Promise<Result>): Promise<Result> {
    const began = performance.now();
    try {
      return await call();
    } finally {
      const ms = performance.now() - began;
      this.ms += ms;
      this.#filter.meter.called(phase, ms / 1_000);
    }
  }

  /** What other filters have left, but for what this one has put in its place. */
  #leave(metadata: RecordedMessage["metadata"]): void {
    const facts = this.#facts;
    for (const [key, value] of metadata) {
      facts.metadata ??= new Map();
      if (facts.metadata.get(key) === this.#given.get(key)) facts.metadata.set(key, value);
      this.#given.set(key, value);
    }
  }
}

type Made = ChunkDecision | BodyDecision;

/** Undefined: it goes on. */
function decisionOf(answer: Made): RecordedDecision | undefined {
  if (answer === HOLD) return { kind: "hold" };
  if (answer === RESET) return { kind: "reset" };
  if (!(answer instanceof Reply)) return undefined;
  const { head, body } = answer;
  return { kind: "reply", status: head.status, fields: head.fields, body };
}

function messageHead({ head }: RecordedMessage): RequestHead | ResponseHead {
  const fields = [...head.fields];
  if ("status" in head) return new ResponseHead(head.status, fields);
  return new RequestHead(head.method, head.scheme, head.authority, head.path, fields);
}

const EMPTY = new Uint8Array(0);
