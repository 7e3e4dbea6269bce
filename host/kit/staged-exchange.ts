import { type ChainBodies, type ChainOwner, ChainRun } from "../chain.ts";
import { ClientAddress } from "../client-address.ts";
import { endingOf, Failure } from "../failure.ts";
import type { MetadataValue } from "../filter/contract.ts";
import type { FilterFailure } from "../filter/fault.ts";
import type { Filter } from "../filter/filter.ts";
import type { HttpSender } from "../filter/http-client.ts";
import type { HeldBody } from "../held-body.ts";
import { AS_IT_CAME, type FieldList, Reply, RequestHead, ResponseHead } from "../message.ts";
import { reframe } from "../outgoing.ts";
import { failureReply } from "../own-reply.ts";
import { BodySender } from "./body-sender.ts";
import { EventQueue, nextTurn } from "./event-queue.ts";
import { type Received, seenRequest, type SeenRequest } from "./account.ts";
import type { ResponseScript, Script } from "./message-input.ts";
import type { CallName, CallRecord, CallWatch } from "./watched-instance.ts";

/** What an exchange is told about itself, beside its messages. */
export interface StagedFacts {
  readonly requestId: string;
  readonly route: string;
  readonly protocol: string;
  readonly tlsVersion: string | undefined;
  readonly clientAddress: string;
}

/**
 * One exchange without sockets: client and upstream are read from a script, and the chain is the one that serves traffic.
 *
 * It goes on event by event, in the order in which a host would see them, so that it can be stopped or broken off between any two of
 * them, and is the same each time.
 */
export class StagedExchange implements ChainOwner, CallWatch {
  readonly requestId: string;
  readonly route: string;
  readonly protocol: string;
  readonly tlsVersion: string | undefined;
  readonly clientAddress: ClientAddress;
  readonly http: HttpSender;
  metadata: Map<string, MetadataValue> | undefined;
  metadataBytes = 0;
  /** What the upstream got; undefined when it never saw the request. */
  upstream: Received<RequestHead> | undefined;
  /** What the client got. */
  client: Received<ResponseHead> | undefined;
  /** The reply that stands in the place of the upstream's response, as its maker made it. */
  reply: Reply | undefined;
  repliedBy: string | undefined;
  failure: Failure | undefined;
  readonly filterFailures: FilterFailure[] = [];
  readonly calls: CallRecord[] = [];
  /** Makes the upstream's answer of what it got, instead of the script's. */
  answered: ((request: SeenRequest) => ResponseScript) | undefined;
  #response: ResponseScript;
  readonly #script: Script;
  readonly #run: ChainRun;
  readonly #requestHead: RequestHead;
  readonly #fuelOf: ((call: number) => number | undefined) | undefined;
  readonly #queue = new EventQueue();
  #begun = 0;
  readonly #requestBody = new BodySender(this.#queue.later);
  readonly #responseBody = new BodySender(this.#queue.later);
  #asked = false;
  #committed = false;
  #ended = false;

  /** `fuelOf`: what a call, counted from 0, may consume, where that is not what the filter's limit says. */
  constructor(
    script: Script,
    filters: readonly Filter[],
    bodies: ChainBodies,
    http: HttpSender,
    facts: StagedFacts,
    fuelOf?: (call: number) => number | undefined,
  ) {
    this.#script = script;
    this.#response = script.response;
    this.#fuelOf = fuelOf;
    this.http = http;
    this.requestId = facts.requestId;
    this.route = facts.route;
    this.protocol = facts.protocol;
    this.tlsVersion = facts.tlsVersion;
    this.clientAddress = new ClientAddress(facts.clientAddress);
    this.#run = new ChainRun(filters, bodies, this);
    const { method, scheme, authority, path, fields } = script.request;
    this.#requestHead = new RequestHead(method, scheme, authority, path, [...fields]);
    this.#queue.later(() => this.#begin());
  }

  /** The next event; false when there is none for now. */
  step(): boolean {
    const event = this.#queue.next();
    if (event === undefined) return false;
    try {
      event();
    } catch (error) {
      this.#fail(Failure.from(error));
    }
    return true;
  }

  /** To its end, and until every filter has returned. */
  async finish(): Promise<void> {
    const queue = this.#queue;
    for (let idle = 0; idle < TURNS_MAX; ) {
      while (this.step());
      // A filter that had to be waited for is told of the end in a turn of its own.
      if (this.#ended && !queue.calling && (idle > 0 || !queue.waited)) return;
      if (await queue.stirred()) idle = 0;
      else {
        idle += 1;
        await nextTurn();
      }
    }
    throw new Error("the exchange stands still");
  }

  /** Waits until there is an event again; false when nothing is waited for. */
  stirred(): Promise<boolean> {
    return this.#queue.stirred();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Whether the upstream has been asked and its answer is still to come, as a whole or in part. */
  get answering(): boolean {
    return this.#asked && !this.#ended && this.reply === undefined && this.client?.whole !== true;
  }

  /** The client goes away. */
  clientGone(): void {
    if (this.#ended) return;
    this.failure ??= new Failure("CLIENT_GONE", "the client has gone away");
    this.#end();
  }

  /** The upstream breaks off. */
  upstreamGone(): void {
    if (this.answering) this.#fail(new Failure("UPSTREAM_BROKE_OFF", "the upstream has broken off"));
  }

  callBegins(_call: CallName): number | undefined {
    this.#queue.callBegins();
    this.#begun += 1;
    return this.#fuelOf?.(this.#begun - 1);
  }

  callEnds(record: CallRecord): void {
    this.calls.push(record);
    this.#queue.callEnds();
  }

  requestPassed(framing: number, body: HeldBody | undefined): void {
    if (this.#ended) return;
    const { method, scheme, authority, path, fields } = this.#requestHead;
    const head = new RequestHead(method, scheme, authority, path, [...fields]);
    if (framing !== AS_IT_CAME) {
      reframe(head.fields, 0);
      if (framing >= 0) head.fields.push("content-length", String(framing));
    }
    this.upstream = { head, chunks: [], trailers: [], whole: false };
    this.#asked = true;
    const { body: script } = this.#script.request;
    if (body !== undefined) this.#upstreamHasAll(body.chunks, body.trailers);
    else if (this.#run.inward === undefined || script.length === 0)
      this.#upstreamHasAll(script.chunks, script.trailers);
    else this.#queue.later(() => this.#run.inward?.drained());
  }

  requestChunk(chunk: Buffer): boolean {
    this.upstream?.chunks.push(Buffer.from(chunk));
    return true;
  }

  requestEnded(trailers: FieldList): void {
    this.#upstreamHasAll([], trailers);
  }

  requestWanted(): void {
    const { inward } = this.#run;
    if (inward !== undefined) this.#requestBody.begin(inward, this.#script.request.body);
    this.#requestBody.wanted();
  }

  responsePassed(head: ResponseHead, framing: number, body: HeldBody | undefined): void {
    if (this.#ended) return;
    this.#committed = true;
    const { reply } = this;
    const bodiless = this.#bodiless(head.status);
    if (reply === undefined && (framing !== AS_IT_CAME || (this.#run.outward !== undefined && bodiless)))
      reframe(head.fields, bodiless ? 0 : framing);
    const seen = new ResponseHead(head.status, [...head.fields]);
    this.client = { head: seen, chunks: [], trailers: [], whole: false };
    if (reply !== undefined) this.#clientHasAll(body?.chunks ?? [Buffer.from(reply.body)], []);
    else if (body !== undefined) this.#clientHasAll(body.chunks, body.trailers);
    else if (this.#run.outward === undefined) {
      const { chunks, trailers } = this.#response.body;
      this.#clientHasAll(chunks, trailers);
    }
  }

  responseChunk(chunk: Buffer): boolean {
    if (!this.#bodiless(this.client?.head.status)) this.client?.chunks.push(Buffer.from(chunk));
    return true;
  }

  responseEnded(trailers: FieldList): void {
    this.#clientHasAll([], trailers);
  }

  responseWanted(): void {
    this.#responseBody.wanted();
  }

  replied(reply: Reply, filter: string): void {
    if (this.#ended) return;
    if (this.#committed)
      return this.#fail(new Failure("FILTER_BROKE_OFF", `${filter} has replied when the head was out`));
    this.repliedBy = filter;
    this.#replyWith(reply);
  }

  chainFailed(failure: Failure): void {
    this.#fail(failure);
  }

  chainBrokeOff(failure: Failure): void {
    if (this.#ended) return;
    this.failure ??= failure;
    this.#end();
  }

  filterFailed(_filter: Filter, failure: FilterFailure): void {
    this.filterFailures.push(failure);
  }

  /** Whether the client has its response to the last byte. */
  get whole(): boolean {
    return this.client?.whole === true;
  }

  #begin(): void {
    this.#run.request(this.#requestHead, this.#script.request.body.length);
  }

  #upstreamHasAll(chunks: readonly Buffer[], trailers: Readonly<FieldList>): void {
    const { upstream } = this;
    if (upstream === undefined || upstream.whole) return;
    upstream.chunks.push(...chunks);
    upstream.trailers = [...trailers];
    upstream.whole = true;
    this.#queue.later(() => this.#respond());
  }

  #respond(): void {
    if (!this.answering) return;
    const asked = seenRequest(this.upstream);
    if (asked !== null && this.answered !== undefined) this.#response = this.answered(asked);
    const { status, fields, body, failure } = this.#response;
    if (failure !== undefined) return this.#fail(new Failure(failure, "the case says so"));
    this.#run.response(new ResponseHead(status, [...fields]), body.length);
    const { outward } = this.#run;
    // It may have been answered otherwise meanwhile.
    if (!this.answering || outward === undefined) return;
    this.#responseBody.begin(outward, body);
    if (this.#committed || outward.room) this.#responseBody.wanted();
  }

  #clientHasAll(chunks: readonly Buffer[], trailers: Readonly<FieldList>): void {
    const { client } = this;
    if (client === undefined || client.whole) return;
    if (!this.#bodiless(client.head.status)) {
      client.chunks.push(...chunks);
      client.trailers = [...trailers];
    }
    client.whole = true;
    this.#queue.later(() => this.#end());
  }

  #fail(failure: Failure): void {
    if (this.#ended) return;
    this.failure ??= failure;
    if (this.#committed) this.#end();
    else this.#replyWith(failureReply(failure));
  }

  #replyWith(reply: Reply): void {
    this.#requestBody.stop();
    this.#responseBody.stop();
    this.reply = reply;
    // The exchange gives its own copy of the head to the filters before: what the maker said stays as it was.
    const { status, fields } = reply.head;
    try {
      this.#run.reply(new Reply(new ResponseHead(status, [...fields]), reply.body));
    } catch (error) {
      this.failure = Failure.from(error);
      this.#end();
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#queue.clear();
    this.#run.end({
      ending: endingOf(this.failure),
      status: this.client?.head.status ?? 0,
      durationUs: 0,
      requestBytes: lengthOf(this.upstream?.chunks),
      responseBytes: lengthOf(this.client?.chunks),
    });
  }

  #bodiless(status: number | undefined): boolean {
    return this.#script.request.method === "HEAD" || status === 204 || status === 304;
  }
}

function lengthOf(chunks: readonly Buffer[] = []): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** For an instance that has to be made; no exchange waits for anything else. */
const TURNS_MAX = 1_000;
