import type { Answer, Message } from "../borrowing.ts";
import type { ClientAddress, TellsClient } from "../client-address.ts";
import { type ExchangeFacts, HOLD, type MetadataValue, type Outcome, RESET } from "../filter/contract.ts";
import type { Filter } from "../filter/filter.ts";
import type { HttpAnswer, HttpCall, HttpSender, OwnRequest } from "../filter/http-client.ts";
import { HeldBody } from "../held-body.ts";
import { type FieldList, Reply, RequestHead, type ResponseHead, Trailers } from "../message.ts";
import { type FilterFailureReason, type FilterPhase, PHASE } from "../ops/meter.ts";
import { emptyNotes, type NotedInputs, type Notes } from "../record/noted-inputs.ts";
import type {
  ExchangeRecord,
  RecordedDecision,
  RecordedHead,
  RecordedRequest,
  RecordedStep,
} from "./record.ts";

/** A filter whose exchanges are recorded. */
export interface Tapped {
  readonly filter: Filter;
  readonly configDigest: string;
  readonly tellsClient: TellsClient;
  /** Where its clocks and randomness are, when what they give is recorded, too. */
  readonly inputs?: NotedInputs | undefined;
}

/** How a filter has failed, with what was thrown. */
export interface TappedFailure {
  readonly reason: FilterFailureReason;
  readonly error: unknown;
}

/**
 * Records what one filter is given in one exchange, and what it makes of it, while it is called.
 *
 * What is lent to a call is copied before, since the call edits it; a call that waits is the same step when it is asked for again.
 * Each way has room for so many bytes; what is longer is cut off, and the record says so.
 */
export class Tap {
  readonly facts: ExchangeFacts;
  /** The first one. */
  failure: TappedFailure | undefined;
  readonly #tapped: Tapped;
  readonly #owner: ExchangeFacts;
  readonly #at = Date.now();
  readonly #steps: RecordedStep[] = [];
  readonly #requests: RecordedRequest[] = [];
  /** By phase: the step of a call that has not returned. */
  readonly #pending: (RecordedStep | undefined)[] = [];
  /** By phase: the fields that were lent, which are replaced when they are edited. */
  readonly #lent: (FieldList | undefined)[] = [];
  /** By way: the head as it was recorded last. */
  #inwardHead: RecordedHead | undefined;
  #outwardHead: RecordedHead | undefined;
  #request: RequestHead | undefined;
  #requestLength = 0;
  #response: ResponseHead | undefined;
  #responseLength = 0;
  /** Responses that have come to the filter; the present one has when its head was recorded. */
  #responses = 0;
  #fault: FilterFailureReason | undefined;
  #ending = false;
  #endFailed: FilterFailureReason | null = null;
  /** Bytes left on each way. */
  #inwardLeft = BODY_BYTES_MAX;
  #outwardLeft = BODY_BYTES_MAX;
  #requestsLeft = BODY_BYTES_MAX;
  #inwardCut = false;
  #outwardCut = false;
  #cut = false;
  readonly #notes: Notes | undefined;

  constructor(tapped: Tapped, owner: ExchangeFacts) {
    this.#tapped = tapped;
    this.#owner = owner;
    this.#notes = tapped.inputs === undefined ? undefined : emptyNotes();
    this.facts = new TappedFacts(owner, (request) => this.#asks(request));
  }

  /** A request is on its way to the filter. */
  requestComes(head: RequestHead, length: number): void {
    this.#request = head;
    this.#requestLength = length;
  }

  /** The same of a response, which may take another one's place. */
  responseComes(head: ResponseHead, length: number): void {
    this.#response = head;
    this.#responseLength = length;
    this.#outwardLeft = BODY_BYTES_MAX;
    this.#outwardCut = false;
    // Nobody asks any more for what calls of the one before come to.
    this.#pending.length = PHASE.response;
  }

  /** The request is with the filter, whether or not that wants its head. */
  requestIsHere(): void {
    const head = this.#request;
    if (head === undefined) return;
    this.#request = undefined;
    this.#push(this.#headStep(0, head, this.#requestLength));
  }

  responseIsHere(): void {
    const head = this.#response;
    if (head === undefined) return;
    this.#response = undefined;
    this.#responses += 1;
    this.#push(this.#headStep(this.#responses, head, this.#responseLength));
  }

  /** The filter is about to be called, or asked again. */
  before(phase: FilterPhase, message: Message, body: Buffer | HeldBody | undefined, last: boolean): void {
    this.listen();
    if (this.#pending[phase] !== undefined) return;
    this.#fault = undefined;
    const inward = phase < PHASE.response;
    if (inward) this.requestIsHere();
    else this.responseIsHere();
    if (message !== undefined) this.#lent[phase] = message.fields;
    this.#pending[phase] = this.#step(phase, inward, message, body, last);
  }

  /** What clocks and randomness give from now on is given to this exchange. */
  listen(): void {
    const { inputs } = this.#tapped;
    if (inputs !== undefined) inputs.notes = this.#notes;
  }

  /** The call has returned, or waits. */
  silence(): void {
    const { inputs } = this.#tapped;
    if (inputs !== undefined) inputs.notes = undefined;
  }

  /** What came of it. */
  after(phase: FilterPhase, message: Message, answer: Answer): void {
    const step = this.#pending[phase];
    this.#pending[phase] = undefined;
    if (step === undefined) return;
    step.made = this.#decision(phase, message, answer);
  }

  /** The filter is about to be told the end. */
  ends(): void {
    this.#ending = true;
  }

  /** The filter has failed: in a call, with what it has decided before, or at the end. */
  faulted(reason: FilterFailureReason, error?: unknown): void {
    this.failure ??= { reason, error };
    if (this.#ending) {
      this.#endFailed = reason;
      return;
    }
    this.#fault = reason;
    const called = this.#pending.filter((step) => step !== undefined);
    const last = this.#steps.findLast(({ made }) => made !== null);
    if (called.length === 0 && last !== undefined) called.push(last);
    for (const step of called) step.made = { kind: "failed", reason };
  }

  /** The client's, also where the filter is not told it: for who has to keep it out of a record. */
  get clientAddress(): ClientAddress {
    return this.#owner.clientAddress;
  }

  /** About as many as its record has. */
  get bytes(): number {
    const left = this.#inwardLeft + this.#outwardLeft + this.#requestsLeft;
    return Math.max(0, 3 * BODY_BYTES_MAX - left) + HEADS_BYTES;
  }

  record(outcome: Outcome): ExchangeRecord {
    const { requestId, route, protocol, tlsVersion, clientAddress } = this.#owner;
    const { filter, configDigest, tellsClient } = this.#tapped;
    return {
      filter: filter.name,
      digest: filter.digest,
      configDigest,
      plan: filter.plan,
      at: this.#at,
      facts: {
        requestId,
        route,
        protocol,
        tlsVersion,
        clientAddress: tellsClient(clientAddress) ?? "",
      },
      // What was asked and never answered was not decided either.
      steps: this.#steps.filter(
        (step) => step.kind === "head" || step.made !== null || !this.#pending.includes(step),
      ),
      requests: this.#requests,
      inputs: this.#notes,
      outcome,
      endFailed: this.#endFailed,
      cut: this.#cut,
    };
  }

  #push(step: RecordedStep): void {
    if (this.#steps.length < STEPS_MAX) this.#steps.push(step);
    else this.#cut = true;
  }

  /** The step of a call: a head's is there already, as it is recorded when it comes. Undefined: there is no room for it. */
  #step(
    phase: FilterPhase,
    inward: boolean,
    message: Message,
    body: Buffer | HeldBody | undefined,
    last: boolean,
  ): RecordedStep | undefined {
    const of = inward ? 0 : this.#responses;
    if (phase === PHASE.request || phase === PHASE.response)
      return this.#steps.findLast(({ kind, message: other }) => kind === "head" && other === of);
    let step: RecordedStep;
    if (body === undefined) {
      const fields = [...(message as Trailers).fields];
      step = { kind: "trailers", message: of, fields, made: null };
    } else {
      const bytes = this.#bytes(inward, body);
      if (bytes === undefined) return undefined;
      step =
        body instanceof HeldBody
          ? { kind: "body", message: of, bytes, made: null }
          : { kind: "chunk", message: of, bytes, last, made: null };
    }
    this.#push(step);
    return step;
  }

  #headStep(message: number, head: RequestHead | ResponseHead, length: number): RecordedStep {
    const { metadata } = this.#owner;
    const recorded = headOf(head);
    if (message === 0) this.#inwardHead = recorded;
    else this.#outwardHead = recorded;
    return {
      kind: "head",
      message,
      head: recorded,
      length,
      metadata: metadata === undefined ? [] : [...metadata],
      made: null,
    };
  }

  #decision(phase: FilterPhase, message: Message, answer: Answer): RecordedDecision | null {
    const fault = this.#fault;
    if (fault !== undefined) return { kind: "failed", reason: fault };
    if (answer === undefined) return { kind: "proceed", edited: this.#edited(phase, message) };
    if (answer === HOLD) return { kind: "hold" };
    if (answer === RESET) return { kind: "reset" };
    const inward = phase < PHASE.response;
    if (answer instanceof Reply) {
      const { head, body } = answer;
      const bytes = this.#bytes(inward, body);
      if (bytes === undefined) return null;
      return { kind: "reply", status: head.status, fields: [...head.fields], body: bytes };
    }
    if (!(answer instanceof Uint8Array)) return null;
    const bytes = this.#bytes(inward, answer);
    if (bytes === undefined) return null;
    return { kind: "replace", bytes, edited: this.#edited(phase, message) as RecordedHead | null };
  }

  /** Null when it is as it was: edited fields are other ones, and the rest is compared. */
  #edited(phase: FilterPhase, message: Message): RecordedHead | FieldList | null {
    if (message === undefined) return null;
    const same = message.fields === this.#lent[phase];
    if (message instanceof Trailers) return same ? null : [...message.fields];
    const inward = message instanceof RequestHead;
    if (same && isSameTarget(message, inward ? this.#inwardHead : this.#outwardHead)) return null;
    const head = headOf(message);
    if (inward) this.#inwardHead = head;
    else this.#outwardHead = head;
    return head;
  }

  /** A copy with a buffer of its own, as a view would be posted with all that it is a view of. Undefined: there is no room. */
  #bytes(inward: boolean, body: Uint8Array | HeldBody): Uint8Array | undefined {
    const { length } = body;
    if (inward) this.#inwardLeft -= length;
    else this.#outwardLeft -= length;
    const cut = inward ? this.#inwardCut : this.#outwardCut;
    if (!cut && (inward ? this.#inwardLeft : this.#outwardLeft) >= 0)
      return new Uint8Array(body instanceof HeldBody ? body.whole() : body);
    // Nothing of what follows on this way makes sense without it.
    if (inward) this.#inwardCut = true;
    else this.#outwardCut = true;
    this.#cut = true;
    return undefined;
  }

  #asks(request: OwnRequest): ((answer: HttpAnswer) => void) | undefined {
    this.#requestsLeft -= request.body.length;
    if (this.#requests.length >= REQUESTS_MAX || this.#requestsLeft < 0) return undefined;
    const asked: RecordedRequest = {
      request: { ...request, body: new Uint8Array(request.body) },
      answer: null,
    };
    this.#requests.push(asked);
    return (answer) => {
      if (answer.tag === "ok") {
        this.#requestsLeft -= answer.val.body.length;
        if (this.#requestsLeft < 0) return;
        const { status, fields, body } = answer.val;
        asked.answer = { tag: "ok", val: { status, fields: [...fields], body: new Uint8Array(body) } };
      } else asked.answer = answer;
    };
  }
}

/** The exchange's facts; the filter's own requests are seen on their way. */
export class TappedFacts implements ExchangeFacts {
  readonly http: HttpSender;
  readonly #owner: ExchangeFacts;

  constructor(
    owner: ExchangeFacts,
    asks: (request: OwnRequest) => ((answer: HttpAnswer) => void) | undefined,
  ) {
    this.#owner = owner;
    this.http = {
      send: (request: OwnRequest, bytesMax: number, done: (answer: HttpAnswer) => void): HttpCall => {
        const answered = asks(request);
        return owner.http.send(request, bytesMax, (answer) => {
          answered?.(answer);
          done(answer);
        });
      },
    };
  }

  get requestId(): string {
    return this.#owner.requestId;
  }

  get route(): string {
    return this.#owner.route;
  }

  get protocol(): string {
    return this.#owner.protocol;
  }

  get tlsVersion(): string | undefined {
    return this.#owner.tlsVersion;
  }

  get clientAddress(): ClientAddress {
    return this.#owner.clientAddress;
  }

  get metadata(): Map<string, MetadataValue> | undefined {
    return this.#owner.metadata;
  }

  set metadata(metadata: Map<string, MetadataValue> | undefined) {
    this.#owner.metadata = metadata;
  }

  get metadataBytes(): number {
    return this.#owner.metadataBytes;
  }

  set metadataBytes(bytes: number) {
    this.#owner.metadataBytes = bytes;
  }
}

function isSameTarget(head: RequestHead | ResponseHead, known: RecordedHead | undefined): boolean {
  if (known === undefined) return false;
  if ("status" in head) return "status" in known && head.status === known.status;
  if ("status" in known) return false;
  const { method, authority, path } = known;
  return head.method === method && head.authority === authority && head.path === path;
}

export function headOf(head: RequestHead | ResponseHead): RecordedHead {
  const fields = [...head.fields];
  if ("status" in head) return { status: head.status, fields };
  const { method, scheme, authority, path } = head;
  return { method, scheme, authority, path, fields };
}

/** What the heads of an exchange and the record itself come to. */
const HEADS_BYTES = 4_096;

/** Of bodies, on each way. */
const BODY_BYTES_MAX = 65_536;

/** Of one exchange: a sender that makes a chunk of every byte must not make a step of each. */
const STEPS_MAX = 256;

/** A filter's own, in one exchange. */
const REQUESTS_MAX = 16;
