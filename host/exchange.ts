import type { Socket } from "node:net";
import { type ChainOwner, ChainRun } from "./chain.ts";
import { endingOf, Failure } from "./failure.ts";
import type { MetadataValue } from "./filter/contract.ts";
import type { HttpSender } from "./filter/http-client.ts";
import type { FilterFailure } from "./filter/fault.ts";
import type { Filter } from "./filter/filter.ts";
import type { Generation, Route } from "./generation.ts";
import type { Client, ClientOwner } from "./http1/client.ts";
import type { ServerResponse } from "./http1/server-connection.ts";
import type { HeldBody } from "./held-body.ts";
import { AS_IT_CAME, type FieldList, Reply, ResponseHead } from "./message.ts";
import type { ExchangeEntry } from "./ops/exchange-log.ts";
import { outgoingOf, reframe } from "./outgoing.ts";
import { failureReply, lastHopReply } from "./own-reply.ts";
import { ServerTiming } from "./server-timing.ts";
import type { Timeline } from "./timeline.ts";
import type { UpstreamCall, UpstreamOwner } from "./upstream.ts";

/** What an exchange needs of its worker. */
export interface ExchangeHost {
  /** How this host names itself in Via: unlike any other host on the way. */
  readonly viaName: string;
  nextRequestId(): string;
  /** Where the steps of an exchange that begins are kept; undefined when nobody wants to know. */
  timeline(client: Client, requestId: string, beganMs: number): Timeline | undefined;
  /** Joins the two sockets of an upgraded exchange; `exchange` is told of its end. */
  tunnel(exchange: Exchange, client: Socket, server: Socket): void;
  /** An exchange has ended: for metrics and log. */
  ended(exchange: Exchange, route: Route | undefined): void;
  /** For the log, whatever the filter's policy makes of it. */
  filterFailed(filter: Filter, requestId: string, failure: FilterFailure): void;
}

/**
 * Carries one request from its client to an upstream, and the response back.
 *
 * The path is read from top to bottom: `begin`, the request's filters, the upstream, the response's filters, the client,
 * `#end`. Whatever goes wrong becomes a reply, or a broken connection once the head is out. Nothing here is a promise: the
 * path is called back by its client, its chain and its upstream, and costs one object per exchange.
 */
export class Exchange implements ChainOwner, ClientOwner, UpstreamOwner, ExchangeEntry {
  readonly requestId: string;
  readonly timeline: Timeline | undefined;
  metadata: Map<string, MetadataValue> | undefined;
  metadataBytes = 0;
  failure: Failure | undefined;
  repliedBy: string | undefined;
  whole = false;
  durationMs = 0;
  readonly #host: ExchangeHost;
  readonly #generation: Generation;
  readonly #client: Client;
  readonly #beganMs: number;
  /** Filters that edit them put others in their place. */
  readonly requestFields: FieldList;
  responseFields: FieldList | undefined;
  #route: Route | undefined;
  #timing: ServerTiming | undefined;
  #run: ChainRun | undefined;
  #call: UpstreamCall | undefined;
  /** The same when it is over, for what it took. */
  #lastCall: UpstreamCall | undefined;
  /** The whole response that goes out in the place of the upstream's. */
  #reply: Reply | undefined;
  /** Of the upstream's response: its length, or -1. */
  #length = 0;
  /** The request's body, when filters have wanted it as a whole. */
  #body: HeldBody | undefined;
  /** Bytes of the request's body that filters have let pass. */
  #passedBytes = 0;
  /** The client's head is decided: from here on a failure can only break the message off. */
  #committed = false;
  #ended = false;

  constructor(host: ExchangeHost, generation: Generation, client: Client) {
    this.#host = host;
    this.#generation = generation;
    this.#client = client;
    this.requestFields = client.head.fields;
    this.#beganMs = performance.now();
    this.requestId = host.nextRequestId();
    this.timeline = host.timeline(client, this.requestId, this.#beganMs);
    if (this.timeline?.wish === "told") this.#timing = new ServerTiming(this.#beganMs, this.timeline);
    client.owner = this;
    generation.hold();
  }

  begin(): void {
    const { head, facts } = this.#client;
    try {
      const refusal = lastHopReply(this.#client);
      if (refusal !== undefined) return this.#replyWith(refusal);
      if (facts.via.includes(this.#host.viaName))
        return this.#fail(new Failure("LOOP_DETECTED", "its Via says that it has been here before"));
      const route = this.#generation.router.match(head.method, head.authority, head.path);
      if (route === undefined)
        return this.#fail(new Failure("ROUTE_NOT_FOUND", "no route matches host, path and method"));
      this.#route = route;
      if (route.serverTiming) this.#timing ??= new ServerTiming(this.#beganMs);
      if (route.filters.length === 0) return this.requestPassed(AS_IT_CAME, undefined);
      this.#run =
        route.chains?.begin(head.fields, this.#client.address, this) ??
        new ChainRun(route.filters, route.bodies, this);
      this.#run.request(head, facts.hasBody ? facts.contentLength : 0);
    } catch (error) {
      this.#fail(Failure.from(error));
    }
  }

  requestPassed(framing: number, body: HeldBody | undefined): void {
    if (this.#ended) return;
    this.#timing?.requestPassed();
    const route = this.#route as Route;
    this.#body = body;
    const { requestId, timeline } = this;
    const outgoing = outgoingOf(this.#client, route, this.#host, requestId, framing, body, timeline);
    const call = route.upstream.call(outgoing, this.#client.head.fields, this);
    // Much may happen before `begin` returns, all of it by way of the call.
    this.#call = call;
    this.#lastCall = call;
    call.begin();
  }

  upstreamReady(): void {
    const inward = this.#run?.inward;
    if (this.#body !== undefined) this.#sendBody(this.#body);
    else if (inward !== undefined) inward.drained();
    else if (this.#client.facts.hasBody) this.#client.startBody();
  }

  clientSent(chunk: Buffer): void {
    const inward = this.#run?.inward;
    const room = inward === undefined ? this.#call?.write(chunk) : inward.chunk(chunk);
    if (room === false) this.#client.pauseBody();
  }

  requestChunk(chunk: Buffer): boolean {
    this.#passedBytes += chunk.length;
    return this.#call?.write(chunk) !== false;
  }

  upstreamDrained(): void {
    const inward = this.#run?.inward;
    if (inward === undefined) this.#client.startBody();
    else inward.drained();
  }

  requestWanted(): void {
    this.#client.startBody();
  }

  clientEnded(trailers: FieldList): void {
    const inward = this.#run?.inward;
    if (inward === undefined) this.#call?.endBody(trailers);
    else inward.end(trailers);
  }

  requestEnded(trailers: FieldList): void {
    this.#call?.endBody(trailers);
  }

  /** A body that is here as a whole is sent as often as the request is tried. */
  #sendBody(body: HeldBody): void {
    this.#passedBytes = body.length;
    body.sendTo(this.#call);
  }

  upstreamInterim(status: number, fields: FieldList): void {
    this.#client.interim(status, fields);
  }

  upstreamResponded({ status, fields, length }: ServerResponse): void {
    this.#length = length;
    this.#timing?.responded();
    // It will not be tried again.
    this.#body = undefined;
    fields.push("Via", `1.1 ${this.#host.viaName}`);
    this.#respond(new ResponseHead(status, fields));
    // A filter has to be waited for: nothing of the body may come before its head, unless it is the body that is waited for.
    if (!this.#committed && !this.#ended && this.#run?.outward?.room !== true) this.#call?.pause();
  }

  /** The response, or a reply in its place, on its way back through the chain. */
  #respond(head: ResponseHead): void {
    head.fields.push("X-Request-Id", this.requestId);
    try {
      if (this.#run === undefined) this.responsePassed(head, AS_IT_CAME, undefined);
      else if (this.#reply === undefined) this.#run.response(head, this.#length);
      else this.#run.reply(this.#reply);
    } catch (error) {
      this.failure = Failure.from(error);
      this.#client.abort();
    }
  }

  responsePassed(head: ResponseHead, framing: number, body: HeldBody | undefined): void {
    if (this.#ended) return;
    this.#committed = true;
    this.responseFields = head.fields;
    const elsewhereMs = (this.#lastCall?.serverMs ?? 0) + (this.#run?.calledMs ?? 0);
    this.#route?.meter.headSent(this.#beganMs, elsewhereMs);
    if (this.#timing !== undefined) head.fields.push("Server-Timing", this.#timing.value);
    const reply = this.#reply;
    if (reply !== undefined)
      return this.#client.reply(body === undefined ? reply : new Reply(head, body.whole()), head);
    const outward = this.#run?.outward;
    const bodiless = this.#client.head.method === "HEAD" || head.status === 304;
    if (framing !== AS_IT_CAME || (outward !== undefined && bodiless))
      reframe(head.fields, bodiless ? 0 : framing);
    this.#client.sendHead(head, framing === AS_IT_CAME ? this.#length : framing);
    if (body === undefined) return this.#call?.resume();
    for (const chunk of body.chunks) this.#client.write(chunk);
    this.#client.end(body.trailers);
  }

  upstreamSent(chunk: Buffer): void {
    const outward = this.#run?.outward;
    // A passage may keep what it is given, and the view is good until this returns.
    const room = outward === undefined ? this.#client.write(chunk) : outward.chunk(Buffer.from(chunk));
    if (!room) this.#call?.pause();
  }

  responseChunk(chunk: Buffer): boolean {
    return this.#client.write(chunk);
  }

  clientDrained(): void {
    const outward = this.#run?.outward;
    if (outward === undefined) this.#call?.resume();
    else outward.drained();
  }

  responseWanted(): void {
    this.#call?.resume();
  }

  upstreamEnded(trailers: FieldList): void {
    this.#call = undefined;
    const outward = this.#run?.outward;
    if (outward === undefined) this.#client.end(trailers);
    else outward.end(trailers);
  }

  responseEnded(trailers: FieldList): void {
    this.#client.end(trailers);
  }

  /** The protocol changes (RFC 9110 §7.8): filters have seen the request's head, and see nothing more but the end. */
  upstreamUpgraded(fields: FieldList, server: Socket, rest: Buffer | undefined): void {
    this.#call = undefined;
    this.#committed = true;
    this.#run?.responseless();
    fields.push("Via", `1.1 ${this.#host.viaName}`, "X-Request-Id", this.requestId);
    this.#client.upgrade(fields, rest);
    const { socket, early } = this.#client.connection.takeOver();
    if (early !== undefined) {
      this.#client.requestBytes = early.length;
      server.write(early);
    }
    this.#host.tunnel(this, socket, server);
  }

  tunnelled(fromClient: number, fromServer: number): void {
    this.#client.requestBytes += fromClient;
    this.#client.responseBytes += fromServer;
  }

  tunnelEnded(): void {
    this.clientServed();
  }

  upstreamFailed(failure: Failure): void {
    this.#call = undefined;
    this.#fail(failure);
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
    this.#client.abort();
  }

  filterFailed(filter: Filter, failure: FilterFailure): void {
    this.#host.filterFailed(filter, this.requestId, failure);
  }

  clientBroken(failure: Failure): void {
    this.#fail(failure);
  }

  clientGone(detail: string): void {
    this.failure ??= new Failure("CLIENT_GONE", detail);
    this.#end();
  }

  clientServed(): void {
    this.whole = true;
    this.#end();
  }

  get route(): string {
    return this.#route?.name ?? "";
  }

  get routeName(): string | undefined {
    return this.#route?.name;
  }

  get generation(): number {
    return this.#generation.number;
  }

  get protocol(): string {
    return this.#client.protocol;
  }

  get tlsVersion(): string | undefined {
    return this.#client.connection.tlsVersion;
  }

  get clientAddress(): Client["address"] {
    return this.#client.address;
  }

  get http(): HttpSender {
    return this.#generation.requests;
  }

  get method(): string {
    return this.#client.method;
  }

  get target(): string {
    return this.#client.facts.target;
  }

  get status(): number {
    return this.#client.status;
  }

  get versions(): Readonly<Record<string, string>> | undefined {
    return this.#run?.versions;
  }

  get requestBytes(): number {
    return this.#run?.inward === undefined ? this.#client.requestBytes : this.#passedBytes;
  }

  get responseBytes(): number {
    return this.#client.responseBytes;
  }

  #fail(failure: Failure): void {
    if (this.#ended) return;
    this.failure ??= failure;
    if (this.#committed) return this.#client.abort();
    this.#replyWith(failureReply(failure));
  }

  #replyWith(reply: Reply): void {
    this.#call?.cancel();
    this.#call = undefined;
    this.#reply = reply;
    this.#respond(reply.head);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call?.cancel();
    this.#call = undefined;
    this.durationMs = performance.now() - this.#beganMs;
    this.#run?.end({
      ending: endingOf(this.failure),
      status: this.status,
      durationUs: this.durationMs * 1000,
      requestBytes: this.requestBytes,
      responseBytes: this.responseBytes,
    });
    this.#host.ended(this, this.#route);
    this.#generation.letGo();
  }
}
