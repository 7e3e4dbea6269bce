import type { Socket } from "node:net";
import type { RetryConfig, RetryReason, UpstreamConfig } from "./config/config.ts";
import { Failure } from "./failure.ts";
import type { HeadParser } from "./http1/head-parser.ts";
import type {
  Outgoing,
  ServerConnection,
  ServerLimits,
  ServerOwner,
  ServerResponse,
} from "./http1/server-connection.ts";
import type { FieldList } from "./message.ts";
import { Server } from "./server.ts";
import type { Sweeper } from "./sweeper.ts";
import type { UpstreamMaterial } from "./tls/material.ts";
import { type Balancer, balancerOf } from "./upstream/balancer.ts";
import { requestKey } from "./upstream/request-key.ts";
import { RetryBudget } from "./upstream/retry-budget.ts";

/** Bounds on one upstream. Units are in the names. */
export interface UpstreamLimits extends ServerLimits {
  readonly connectionsMax: number;
  readonly pendingMax: number;
  readonly pendingMs: number;
}

/** What an exchange is told by its upstream. After `upstreamEnded` or `upstreamFailed` nothing more comes. */
export interface UpstreamOwner {
  /** The server has the request's head: its body may come. */
  upstreamReady(): void;
  /** 1xx, but 100 and 101. */
  upstreamInterim(status: number, fields: FieldList): void;
  upstreamResponded(response: ServerResponse): void;
  /** A view that is good until the call returns. */
  upstreamSent(chunk: Buffer): void;
  upstreamEnded(trailers: FieldList): void;
  /** After `write` gave false: there is room again. */
  upstreamDrained(): void;
  /** The server speaks the protocol that the request offered. */
  upstreamUpgraded(fields: FieldList, socket: Socket, rest: Buffer | undefined): void;
  upstreamFailed(failure: Failure): void;
}

/** A named group of servers. */
export class Upstream {
  readonly name: string;
  readonly retries: RetryConfig;
  readonly budget: RetryBudget;
  readonly #config: UpstreamConfig;
  readonly #servers: readonly Server[];
  readonly #balancer: Balancer<Server>;

  constructor(
    config: UpstreamConfig,
    limits: UpstreamLimits,
    parser: HeadParser,
    sweeper: Sweeper,
    tls: UpstreamMaterial | null,
  ) {
    this.name = config.name;
    this.retries = config.retries;
    this.budget = new RetryBudget(config.retries.share, config.retries.perSecond, Date.now());
    this.#config = config;
    this.#servers = config.servers.map((server) => new Server(server, limits, parser, sweeper, tls));
    this.#balancer = balancerOf(config.balance);
    this.#balancer.use(this.#servers);
  }

  /**
   * A call that `begin` puts on its way. The owner hears of all that follows, and of some of it before `begin` returns.
   * `fields`: the request's, for what the server is chosen by.
   */
  call(request: Outgoing, fields: FieldList, owner: UpstreamOwner): UpstreamCall {
    return new UpstreamCall(this, request, requestKey(this.#config.balance, fields), owner);
  }

  /** `not`: one that has just failed. */
  choose(key: string, not: Server | undefined): Server {
    return this.#balancer.choose(key, not);
  }

  get size(): number {
    return this.#servers.length;
  }

  /** Ends idle connections now, and the others when they have finished. */
  close(): void {
    for (const server of this.#servers) server.close();
  }
}

/**
 * One request under way. While nothing of the response has come and nothing of the request's body is gone, a failure is not
 * told but tried again, as far as the upstream's `retries` and its budget go.
 */
export class UpstreamCall implements ServerOwner {
  readonly request: Outgoing;
  /** When it has waited too long for a connection. */
  pendingUntilMs = 0;
  /** It wants a connection that has carried nothing before: a kept one has broken under it. */
  fresh = false;
  readonly #upstream: Upstream;
  readonly #key: string;
  #owner: UpstreamOwner | undefined;
  #server: Server | undefined;
  /** It is no use to try there again. */
  #avoided: Server | undefined;
  #connection: ServerConnection | undefined;
  #retries = 0;
  #bodyBegun = false;

  constructor(upstream: Upstream, request: Outgoing, key: string, owner: UpstreamOwner) {
    this.#upstream = upstream;
    this.#key = key;
    this.request = request;
    this.#owner = owner;
  }

  begin(): void {
    this.#upstream.budget.request();
    this.#try();
  }

  #try(): void {
    const server = this.#upstream.choose(this.#key, this.#avoided);
    this.#server = server;
    const { around } = this.request;
    if (around !== undefined)
      this.request.head = `${around.before}Host: ${server.authority}\r\n${around.after}`;
    server.submit(this);
  }

  /** The server has a connection for it. */
  run(connection: ServerConnection): void {
    this.#connection = connection;
    connection.start(this.request, this);
  }

  write(chunk: Buffer): boolean {
    return this.#connection?.write(chunk) ?? true;
  }

  endBody(trailers: FieldList): void {
    this.#connection?.endBody(trailers);
  }

  pause(): void {
    this.#connection?.pause();
  }

  resume(): void {
    this.#connection?.resume();
  }

  /** Nobody waits for the answer any more: the connection is dropped with it. */
  cancel(): void {
    if (this.#owner === undefined) return;
    this.#owner = undefined;
    if (this.#connection === undefined) this.#server?.forget(this);
    else this.#connection.cancel();
  }

  ready(): void {
    this.#bodyBegun = this.request.hasBody;
    this.#owner?.upstreamReady();
  }

  interim(status: number, fields: FieldList): void {
    this.#owner?.upstreamInterim(status, fields);
  }

  responded(response: ServerResponse): void {
    if (response.status >= 502 && this.#triesElsewhere(response.status)) {
      const connection = this.#connection;
      this.#connection = undefined;
      // Whatever else it has to say, nobody hears it.
      connection?.cancel();
      return this.#try();
    }
    this.#owner?.upstreamResponded(response);
  }

  sent(chunk: Buffer): void {
    this.#owner?.upstreamSent(chunk);
  }

  drained(): void {
    this.#owner?.upstreamDrained();
  }

  ended(trailers: FieldList): void {
    const owner = this.#owner;
    this.#owner = undefined;
    this.#connection = undefined;
    owner?.upstreamEnded(trailers);
  }

  upgraded(fields: FieldList, socket: Socket, rest: Buffer | undefined): void {
    const owner = this.#owner;
    this.#owner = undefined;
    if (owner === undefined) socket.destroy();
    else owner.upstreamUpgraded(fields, socket, rest);
  }

  failed(failure: Failure, untouched: boolean): void {
    this.#connection = undefined;
    if (this.#owner === undefined) return;
    if (untouched && this.#triesAgain(failure)) return this.#try();
    const owner = this.#owner;
    this.#owner = undefined;
    owner.upstreamFailed(failure);
  }

  /** A server that cannot be reached will not be in a moment; one that closed a kept connection is there. */
  #triesAgain({ code }: Failure): boolean {
    if (code === "UPSTREAM_BROKE_OFF") {
      const { on } = this.#upstream.retries;
      if (!on.includes("reset") || !IDEMPOTENT.has(this.request.method) || !this.#pays()) return false;
      this.fresh = true;
      return true;
    }
    if (this.#upstream.size < 2 || !this.#upstream.retries.on.includes("connect") || !this.#pays())
      return false;
    this.#avoided = this.#server;
    return true;
  }

  /** Whether a status is taken for a failure: the server has acted on the request, and another one may, too. */
  #triesElsewhere(status: number): boolean {
    const { retries, size } = this.#upstream;
    if (size < 2 || this.#owner === undefined || !retries.on.includes(status as RetryReason)) return false;
    if (!IDEMPOTENT.has(this.request.method) || !this.#pays()) return false;
    this.#avoided = this.#server;
    return true;
  }

  /** The last question of all: what is paid for is tried. */
  #pays(): boolean {
    const { retries, budget } = this.#upstream;
    if (this.#bodyBegun || this.#retries >= retries.attempts || !budget.take(Date.now())) return false;
    this.#retries += 1;
    return true;
  }
}

/** RFC 9110 §9.2.2: done twice, they are as if done once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
