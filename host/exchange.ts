import type { Socket } from "node:net";
import { type ChainOwner, ChainRun } from "./chain.ts";
import { FAILURES, Failure } from "./failure.ts";
import type { Ending, MetadataValue } from "./filter/contract.ts";
import type { FilterFailure } from "./filter/fault.ts";
import type { Filter } from "./filter/filter.ts";
import type { Generation, Route } from "./generation.ts";
import type { Client, ClientOwner } from "./http1/client.ts";
import type { ServerResponse } from "./http1/server-connection.ts";
import { type FieldList, type Reply, ResponseHead } from "./message.ts";
import type { ExchangeEntry } from "./ops/exchange-log.ts";
import { outgoingOf } from "./outgoing.ts";
import { failureReply, lastHopReply } from "./own-reply.ts";
import { ServerTiming } from "./server-timing.ts";
import type { UpstreamCall, UpstreamOwner } from "./upstream.ts";

/** What an exchange needs of its worker. */
export interface ExchangeHost {
  /** How this host names itself in Via: unlike any other host on the way. */
  readonly viaName: string;
  nextRequestId(): string;
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
  metadata: Map<string, MetadataValue> | undefined;
  metadataBytes = 0;
  failure: Failure | undefined;
  repliedBy: string | undefined;
  durationMs = 0;
  readonly #host: ExchangeHost;
  readonly #generation: Generation;
  readonly #client: Client;
  readonly #beganMs: number;
  #route: Route | undefined;
  #timing: ServerTiming | undefined;
  #run: ChainRun | undefined;
  #call: UpstreamCall | undefined;
  /** The whole response that goes out in the place of the upstream's. */
  #reply: Reply | undefined;
  /** Of the upstream's response: its length, or -1. */
  #length = 0;
  /** The client's head is decided: from here on a failure can only break the message off. */
  #committed = false;
  #ended = false;

  constructor(host: ExchangeHost, generation: Generation, client: Client) {
    this.#host = host;
    this.#generation = generation;
    this.#client = client;
    this.#beganMs = performance.now();
    this.requestId = host.nextRequestId();
    client.owner = this;
    generation.hold();
  }

  begin(): void {
    const { head, facts } = this.#client;
    try {
      const refusal = lastHopReply(this.#client);
      if (refusal !== undefined) return this.#replyWith(refusal);
      if (facts.via.includes(this.#host.viaName))
        return this.#fail(new Failure("LOOP_DETECTED", `Via: ${facts.via}`));
      const route = this.#generation.router.match(head.method, head.authority, head.path);
      if (route === undefined) {
        return this.#fail(new Failure("ROUTE_NOT_FOUND", "no route matches host, path and method"));
      }
      this.#route = route;
      if (route.serverTiming) this.#timing = new ServerTiming(this.#beganMs);
      if (route.filters.length === 0) return this.requestPassed();
      this.#run = new ChainRun(route.filters, this);
      this.#run.request(head);
    } catch (error) {
      this.#fail(Failure.from(error));
    }
  }

  requestPassed(): void {
    if (this.#ended) return;
    this.#timing?.requestPassed();
    const { upstream } = this.#route as Route;
    const call = upstream.call(
      outgoingOf(this.#client, this.#route as Route, this.#host.viaName, this.requestId),
      this.#client.head.fields,
      this,
    );
    // Much may happen before `begin` returns, all of it by way of the call.
    this.#call = call;
    call.begin();
  }

  upstreamReady(): void {
    if (this.#client.facts.hasBody) this.#client.startBody();
  }

  clientSent(chunk: Buffer): void {
    if (this.#call?.write(chunk) === false) this.#client.pauseBody();
  }

  upstreamDrained(): void {
    this.#client.startBody();
  }

  clientEnded(trailers: FieldList): void {
    this.#call?.endBody(trailers);
  }

  upstreamInterim(status: number, fields: FieldList): void {
    this.#client.interim(status, fields);
  }

  upstreamResponded({ status, fields, length }: ServerResponse): void {
    this.#length = length;
    this.#timing?.responded();
    fields.push("Via", `1.1 ${this.#host.viaName}`);
    this.#respond(new ResponseHead(status, fields));
    // A filter has to be waited for: nothing of the body may come before its head.
    if (!this.#committed && !this.#ended) this.#call?.pause();
  }

  /** The response, or a reply in its place, on its way back through the chain. */
  #respond(head: ResponseHead): void {
    head.fields.push("X-Request-Id", this.requestId);
    try {
      if (this.#run === undefined) this.responsePassed(head);
      else this.#run.response(head);
    } catch (error) {
      this.failure = Failure.from(error);
      this.#client.abort();
    }
  }

  responsePassed(head: ResponseHead): void {
    if (this.#ended) return;
    this.#committed = true;
    if (this.#timing !== undefined) head.fields.push("Server-Timing", this.#timing.value);
    if (this.#reply !== undefined) return this.#client.reply(this.#reply, head);
    this.#client.sendHead(head, this.#length);
    this.#call?.resume();
  }

  upstreamSent(chunk: Buffer): void {
    if (!this.#client.write(chunk)) this.#call?.pause();
  }

  clientDrained(): void {
    this.#call?.resume();
  }

  upstreamEnded(trailers: FieldList): void {
    this.#call = undefined;
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
    this.#end();
  }

  upstreamFailed(failure: Failure): void {
    this.#call = undefined;
    this.#fail(failure);
  }

  replied(reply: Reply, filter: string): void {
    if (this.#ended) return;
    this.repliedBy = filter;
    this.#replyWith(reply);
  }

  chainFailed(failure: Failure): void {
    this.#fail(failure);
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

  get clientAddress(): string {
    return this.#client.address;
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

  get requestBytes(): number {
    return this.#client.requestBytes;
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

function endingOf(failure: Failure | undefined): Ending {
  if (failure === undefined) return "complete";
  if (failure.code === "CLIENT_GONE") return "client-gone";
  if (failure.code.endsWith("TIMED_OUT")) return "timed-out";
  const { fault } = FAILURES[failure.code];
  return fault === "upstream" ? "upstream-failed" : fault === "filter" ? "filter-failed" : "refused";
}
