import { type ChainOwner, ChainRun } from "./chain.ts";
import type { Client, ClientOwner } from "./client.ts";
import { FAILURES, Failure } from "./failure.ts";
import { endToEnd, type Framing, isName } from "./fields.ts";
import type { Ending, MetadataValue } from "./filter/contract.ts";
import type { Generation, Route } from "./generation.ts";
import { Reply, ResponseHead } from "./message.ts";
import type { ExchangeEntry } from "./ops/exchange-log.ts";
import type { UpstreamCall, UpstreamOwner } from "./upstream.ts";

/** What an exchange needs of its worker. */
export interface ExchangeHost {
  nextRequestId(): string;
  /** An exchange has ended: for metrics and log. */
  ended(exchange: Exchange, route: Route | undefined): void;
  /** For the log, whatever the filter's policy makes of it. */
  filterFailed(filter: string, requestId: string, detail: string): void;
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
  failure: Failure | undefined;
  repliedBy: string | undefined;
  durationMs = 0;
  readonly #host: ExchangeHost;
  readonly #generation: Generation;
  readonly #client: Client;
  readonly #beganMs: number;
  #route: Route | undefined;
  #run: ChainRun | undefined;
  #call: UpstreamCall | undefined;
  /** The whole response that goes out in the place of the upstream's. */
  #reply: Reply | undefined;
  /** The client has its head: from here on a failure can only break the message off. */
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
    const { head } = this.#client;
    try {
      const route = this.#generation.router.match(head.method, head.authority, head.path);
      if (route === undefined)
        return this.#fail(new Failure("ROUTE_NOT_FOUND", "no route matches host, path and method"));
      this.#route = route;
      if (route.filters.length === 0) return this.requestPassed();
      this.#run = new ChainRun(route.filters, this);
      this.#run.request(head);
    } catch (error) {
      this.#fail(Failure.from(error));
    }
  }

  requestPassed(): void {
    if (this.#ended) return;
    const client = this.#client;
    const route = this.#route as Route;
    const fields = upstreamFields(client.head.fields, client.head.authority, client.protocol, this.requestId);
    this.#call = route.upstream.send(client.head, fields, client.hasBody ? client.body() : undefined, this);
  }

  upstreamResponded(status: number, raw: string[]): void {
    const fields = endToEnd(raw, SCRATCH);
    // A client could frame it otherwise than undici has, and nobody would know of the other coding (RFC 9112 §6.3).
    if (SCRATCH.otherCoding || (SCRATCH.chunked && SCRATCH.contentLength >= 0))
      return this.#fail(
        new Failure("UPSTREAM_MALFORMED", "two framings, or a transfer coding other than chunked"),
      );
    fields.push("Via", "1.1 sluice");
    this.#respond(new ResponseHead(status, fields));
    // A filter had to be waited for: nothing of the body may come before its head.
    if (!this.#committed && !this.#ended) this.#call?.pause();
  }

  /** The response, or a reply in its place, on its way back through the chain. */
  #respond(head: ResponseHead): void {
    head.fields.push("X-Request-Id", this.requestId);
    if (this.#run === undefined) this.responsePassed(head);
    else this.#run.response(head);
  }

  responsePassed(head: ResponseHead): void {
    if (this.#ended) return;
    this.#committed = true;
    if (this.#reply !== undefined) return this.#client.reply(this.#reply, head);
    this.#client.sendHead(head);
    this.#call?.resume();
  }

  upstreamSent(chunk: Buffer): void {
    if (!this.#client.write(chunk)) this.#call?.pause();
  }

  clientDrained(): void {
    this.#call?.resume();
  }

  upstreamEnded(): void {
    this.#call = undefined;
    this.#client.end();
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

  filterFailed(filter: string, detail: string): void {
    this.#host.filterFailed(filter, this.requestId, detail);
  }

  clientGone(): void {
    this.failure ??= new Failure("CLIENT_GONE", "the client went away");
    this.#end();
  }

  clientServed(): void {
    this.#end();
  }

  headRefused(error: unknown): void {
    if (this.#reply !== undefined) {
      this.failure ??= Failure.from(error);
      return this.#client.abort();
    }
    this.#committed = false;
    this.#fail(new Failure("UPSTREAM_MALFORMED", error instanceof Error ? error.message : String(error)));
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
    return undefined;
  }

  get clientAddress(): string {
    return this.#client.connection.address;
  }

  get method(): string {
    return this.#client.head.method;
  }

  get target(): string {
    return this.#client.target;
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

/** The fields of the request as the upstream gets them: Host first, then the message's own, then what this hop adds. */
function upstreamFields(
  fields: readonly string[],
  authority: string,
  protocol: string,
  requestId: string,
): string[] {
  const sent: string[] = ["host", authority];
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name.length === 4 && isName(name, "host")) continue;
    // The id is this host's own: what a client calls its request is no fact here.
    if (name.length === 12 && isName(name, "x-request-id")) continue;
    sent.push(name, fields[at + 1] as string);
  }
  sent.push("via", protocol === "HTTP/1.1" ? "1.1 sluice" : "1.0 sluice", "x-request-id", requestId);
  return sent;
}

/** The host's own answer: its code, and nothing that a filter or an upstream has said. */
function failureReply({ code }: Failure): Reply {
  const { status } = FAILURES[code];
  const fields = ["Content-Type", "text/plain; charset=utf-8", "Cache-Control", "no-store"];
  if (status === 503) fields.push("Retry-After", "1");
  return new Reply(new ResponseHead(status, fields), Buffer.from(`${code}\n`));
}

function endingOf(failure: Failure | undefined): Ending {
  if (failure === undefined) return "complete";
  if (failure.code === "CLIENT_GONE") return "client-gone";
  if (failure.code.endsWith("TIMED_OUT")) return "timed-out";
  const { fault } = FAILURES[failure.code];
  return fault === "upstream" ? "upstream-failed" : fault === "filter" ? "filter-failed" : "refused";
}

/** What an upstream's framing fields say: read at once, and by nobody else. */
const SCRATCH: Framing = {
  contentLength: -1,
  chunked: false,
  otherCoding: false,
  host: undefined,
  hosts: 0,
  expect: undefined,
};
