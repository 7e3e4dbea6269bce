import type { Socket } from "node:net";
import type { RetryConfig, RetryReason, ServerConfig, UpstreamConfig } from "./config/config.ts";
import { Failure, type FailureCode } from "./failure.ts";
import type {
  Outgoing,
  ServerConnection,
  ServerLimits,
  ServerOwner,
  ServerResponse,
} from "./http1/server-connection.ts";
import type { FieldList } from "./message.ts";
import type { TryFailure } from "./ops/server-meter.ts";
import type { Server } from "./server.ts";
import type { Timeline, TryStep } from "./timeline.ts";
import { requestKey } from "./upstream/request-key.ts";
import { RetryBudget } from "./upstream/retry-budget.ts";
import { type GroupMeans, ServerGroup } from "./upstream/server-group.ts";

/** Bounds on one upstream. Units are in the names. */
export interface UpstreamLimits extends ServerLimits {
  readonly connectionsMax: number;
  readonly pendingMax: number;
  readonly pendingMs: number;
}

/** What an exchange is told by its upstream. After `upstreamEnded` or `upstreamFailed` nothing more comes. */
export interface UpstreamOwner {
  /** Where somebody wants to know what happens in the exchange. */
  readonly timeline?: Timeline | undefined;
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
  readonly config: UpstreamConfig;
  readonly retries: RetryConfig;
  readonly budget: RetryBudget;
  readonly servers: ServerGroup;
  /** Requests that have begun and not ended, upgraded ones among them. */
  inFlight = 0;

  constructor(means: GroupMeans) {
    const { config } = means;
    this.config = config;
    this.retries = config.retries;
    this.budget = new RetryBudget(config.retries.share, config.retries.perSecond, Date.now());
    this.servers = new ServerGroup(means);
  }

  /**
   * A call that `begin` puts on its way. The owner hears of all that follows, and of some of it before `begin` returns.
   * `fields`: the request's, for what the server is chosen by.
   */
  call(request: Outgoing, fields: FieldList, owner: UpstreamOwner): UpstreamCall {
    return new UpstreamCall(this, request, requestKey(this.config.balance, fields), owner);
  }

  /** These are its servers from now on. Connections to those that stay go on. */
  use(servers: readonly ServerConfig[]): void {
    this.servers.use(servers);
  }

  /** Ends idle connections now, and the others when they have finished. */
  close(): void {
    this.servers.close();
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
  /** Since when it waits for a connection; 0 when it does not. */
  pendingSinceMs = 0;
  /** How long its servers, and connections to them, have been waited for until the head came. */
  serverMs = 0;
  /** When all tries have to be over; 0 without a bound. */
  untilMs = 0;
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
  /** When the request was put on its connection; 0 when no head is waited for. */
  #sentMs = 0;
  /** Of the response that is coming; 0 before its head. */
  #status = 0;
  readonly #timeline: Timeline | undefined;
  /** What is told of the try that is under way. */
  #step: TryStep | undefined;

  constructor(upstream: Upstream, request: Outgoing, key: string, owner: UpstreamOwner) {
    this.#timeline = owner.timeline;
    this.#upstream = upstream;
    this.#key = key;
    this.request = request;
    this.#owner = owner;
  }

  begin(): void {
    const upstream = this.#upstream;
    const { inFlightMax, totalMs } = upstream.config;
    if (upstream.inFlight >= inFlightMax) {
      const owner = this.#owner;
      this.#owner = undefined;
      owner?.upstreamFailed(new Failure("UPSTREAM_BUSY", `${inFlightMax} requests are in flight already`));
      return;
    }
    upstream.inFlight += 1;
    upstream.budget.request();
    if (totalMs > 0) this.untilMs = Date.now() + totalMs;
    this.#try();
  }

  /** Its server is none any more, and has not got it. */
  elsewhere(): void {
    this.#given();
    this.#try();
  }

  #try(): void {
    const server = this.#upstream.servers.choose(this.#key, this.#avoided);
    this.#server = server;
    this.#step = this.#timeline?.tries(this.#upstream.config.name, server.origin);
    const { around } = this.request;
    if (around !== undefined)
      this.request.head = `${around.before}Host: ${server.authority}\r\n${around.after}`;
    server.submit(this);
  }

  /** The server has a connection for it. */
  run(connection: ServerConnection): void {
    this.#connection = connection;
    this.#sentMs = performance.now();
    if (this.pendingSinceMs > 0) this.#waited(this.#sentMs);
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
    if (this.#finish() === undefined) return;
    this.#given();
    this.#tried(null);
    if (this.#connection === undefined) this.#server?.forget(this);
    else this.#connection.cancel();
  }

  ready(): void {
    this.#bodyBegun = this.request.hasBody && !this.request.replayable;
    this.#owner?.upstreamReady();
  }

  interim(status: number, fields: FieldList): void {
    this.#owner?.upstreamInterim(status, fields);
  }

  responded(response: ServerResponse): void {
    this.#status = response.status;
    this.#headCame();
    this.#answered(response.status);
    if (response.status >= 502 && this.#triesElsewhere(response.status)) {
      const connection = this.#connection;
      this.#connection = undefined;
      this.#server?.answered(response.status);
      this.#status = 0;
      this.#tried(null);
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
    this.#server?.answered(this.#status);
    this.#connection = undefined;
    this.#tried(null);
    this.#finish()?.upstreamEnded(trailers);
  }

  upgraded(fields: FieldList, socket: Socket, rest: Buffer | undefined): void {
    this.#server?.answered(101);
    this.#headCame();
    this.#answered(101);
    this.#tried(null);
    const owner = this.#owner;
    this.#owner = undefined;
    if (owner === undefined) return void socket.destroy();
    const upstream = this.#upstream;
    socket.once("close", () => {
      upstream.inFlight -= 1;
    });
    owner.upstreamUpgraded(fields, socket, rest);
  }

  failed(failure: Failure, untouched: boolean): void {
    this.#connection = undefined;
    if (this.#owner === undefined) return;
    this.#given();
    this.#tried(failure.code);
    const reason = this.#blame(failure.code, untouched);
    if (reason !== undefined) this.#server?.missed(reason);
    if (untouched && this.#triesAgain(failure)) return this.#try();
    this.#finish()?.upstreamFailed(failure);
  }

  #headCame(): void {
    const ms = performance.now() - this.#sentMs;
    this.#sentMs = 0;
    this.serverMs += ms;
    this.#server?.meter.responded(ms / 1_000);
  }

  /** No head comes any more. */
  #given(): void {
    if (this.pendingSinceMs > 0) this.#waited(performance.now());
    if (this.#sentMs > 0) this.serverMs += performance.now() - this.#sentMs;
    this.#sentMs = 0;
  }

  /** It has a connection now, or will never get one. */
  #waited(nowMs: number): void {
    const ms = nowMs - this.pendingSinceMs;
    this.pendingSinceMs = 0;
    this.serverMs += ms;
    this.#server?.meter.waited(ms / 1_000);
  }

  #answered(status: number): void {
    if (this.#timeline === undefined || this.#step === undefined) return;
    this.#step.status = status;
    this.#step.headMs = this.#timeline.now;
  }

  /** A try is over. */
  #tried(failure: FailureCode | null): void {
    if (this.#timeline === undefined || this.#step === undefined) return;
    this.#step.failure = failure;
    this.#step.ms = this.#timeline.now - this.#step.startMs;
    this.#step = undefined;
  }

  /** What of a failure is the server's fault. */
  #blame(code: FailureCode, untouched: boolean): TryFailure | undefined {
    // It was free to close a connection that it had kept for long enough.
    if (code === "UPSTREAM_BROKE_OFF" && untouched) return undefined;
    // The whole time may have gone in other tries, or in a client that reads slowly.
    if (code === "UPSTREAM_TIMED_OUT" && this.untilMs !== 0 && Date.now() > this.untilMs)
      return this.#status === 0 && this.#retries === 0 ? "timeout" : undefined;
    return BLAME[code];
  }

  /** Nothing more comes. Gives the owner, if there still was one. */
  #finish(): UpstreamOwner | undefined {
    const owner = this.#owner;
    this.#owner = undefined;
    if (owner !== undefined) this.#upstream.inFlight -= 1;
    return owner;
  }

  /** A server that cannot be reached will not be in a moment; one that closed a kept connection is there. */
  #triesAgain({ code }: Failure): boolean {
    if (code === "UPSTREAM_BROKE_OFF") {
      const { on } = this.#upstream.retries;
      if (!on.includes("reset") || !IDEMPOTENT.has(this.request.method) || !this.#pays()) return false;
      this.fresh = true;
      return true;
    }
    if (this.#upstream.servers.size < 2 || !this.#upstream.retries.on.includes("connect") || !this.#pays())
      return false;
    this.#avoided = this.#server;
    return true;
  }

  /** Whether a status is taken for a failure: the server has acted on the request, and another one may, too. */
  #triesElsewhere(status: number): boolean {
    const { retries, servers } = this.#upstream;
    if (servers.size < 2 || this.#owner === undefined || !retries.on.includes(status as RetryReason))
      return false;
    if (!IDEMPOTENT.has(this.request.method) || !this.#pays()) return false;
    this.#avoided = this.#server;
    return true;
  }

  /** The last question of all: what is paid for is tried. */
  #pays(): boolean {
    const { retries, budget } = this.#upstream;
    if (this.untilMs !== 0 && Date.now() > this.untilMs) return false;
    if (this.#bodyBegun || this.#retries >= retries.attempts || !budget.take(Date.now())) return false;
    this.#retries += 1;
    if (this.#server !== undefined) this.#server.meter.retries += 1;
    return true;
  }
}

/** RFC 9110 §9.2.2: done twice, they are as if done once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

const BLAME: Readonly<Partial<Record<FailureCode, TryFailure>>> = {
  UPSTREAM_UNREACHABLE: "connect",
  UPSTREAM_TLS_FAILED: "connect",
  UPSTREAM_CONNECT_TIMED_OUT: "connect",
  UPSTREAM_BROKE_OFF: "reset",
  UPSTREAM_MALFORMED: "reset",
  UPSTREAM_TIMED_OUT: "timeout",
};
