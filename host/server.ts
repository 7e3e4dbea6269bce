import type { Socket } from "node:net";
import type { ServerConfig, UpstreamConfig } from "./config/config.ts";
import { Failure } from "./failure.ts";
import type { HeadParser } from "./http1/head-parser.ts";
import { ServerConnection, type ServerKeeper } from "./http1/server-connection.ts";
import { SocketReader } from "./http1/socket-reader.ts";
import type { ServerMeter, TryFailure } from "./ops/server-meter.ts";
import type { Sweeper, Timed } from "./sweeper.ts";
import type { UpstreamMaterial } from "./tls/material.ts";
import type { Choice } from "./upstream/balancer.ts";
import { Dialer } from "./upstream/dialer.ts";
import { murmur3 } from "./upstream/hash.ts";
import type { Candidate } from "./upstream/name-watch.ts";
import { Standing } from "./upstream/standing.ts";
import type { UpstreamCall, UpstreamLimits } from "./upstream.ts";

/** What all servers of an upstream have in common. */
export interface ServerMeans {
  readonly config: UpstreamConfig;
  readonly limits: UpstreamLimits;
  readonly parser: HeadParser;
  readonly sweeper: Sweeper;
  readonly tls: UpstreamMaterial | null;
}

/** Who decides what becomes of a server that fails. */
export interface ServerJudge {
  failedTooOften(server: Server): void;
}

/**
 * One address of an upstream, and this worker's connections to it: a list of free ones, used last in, first out, so that
 * those beyond the need run into their idle time.
 */
export class Server implements ServerKeeper, Choice, Timed {
  readonly origin: string;
  /** Of the name in its origin; empty when that is an address itself, or has not been found yet. */
  readonly address: string;
  /** Host and port, as in its URL. */
  readonly authority: string;
  /** Of its origin and address, for hashes with a request's key. */
  readonly seed: number;
  readonly standing: Standing;
  /** An operator lets it have no new exchanges. */
  isDrained: boolean;
  readonly meter: ServerMeter;
  readonly #means: ServerMeans;
  readonly #config: ServerConfig;
  readonly #judge: ServerJudge;
  /** What counts as a failure. */
  readonly #failing: ReadonlySet<TryFailure | number>;
  readonly #all = new Set<ServerConnection>();
  readonly #free: ServerConnection[] = [];
  readonly #pending: UpstreamCall[] = [];
  #candidate: Candidate | undefined;
  #dialer: Dialer;
  #closed = false;

  /** `candidate`: which of its name's addresses it is, once they are known. */
  constructor(
    config: ServerConfig,
    candidate: Candidate | undefined,
    means: ServerMeans,
    meter: ServerMeter,
    judge: ServerJudge,
  ) {
    const { origin, weight } = config;
    const { ejection, health, slowStartMs } = means.config;
    this.origin = origin;
    this.address = candidate?.[0].address ?? "";
    this.authority = origin.slice(origin.indexOf("//") + 2);
    this.seed = murmur3(this.address === "" ? origin : `${origin} ${this.address}`, 0);
    this.isDrained = config.drained;
    this.standing = new Standing(weight, ejection, health, slowStartMs);
    this.meter = meter;
    this.#means = means;
    this.#config = config;
    this.#judge = judge;
    this.#failing = new Set<TryFailure | number>(ejection.on);
    this.#candidate = candidate;
    this.#dialer = new Dialer(config, candidate ?? [], means.tls);
    means.sweeper.add(this);
  }

  /** Requests in flight and waiting. */
  get load(): number {
    return this.#all.size - this.#free.length + this.#pending.length;
  }

  get weight(): number {
    return this.standing.weight;
  }

  get fullWeight(): number {
    return this.standing.fullWeight;
  }

  get connections(): number {
    return this.#all.size;
  }

  get pending(): number {
    return this.#pending.length;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Where connections fall back may change while the address stays. */
  reach(candidate: Candidate): void {
    if (JSON.stringify(candidate) === JSON.stringify(this.#candidate)) return;
    this.#candidate = candidate;
    this.#dialer = new Dialer(this.#config, candidate, this.#means.tls);
  }

  submit(call: UpstreamCall): void {
    const { connectionsMax, pendingMax, pendingMs } = this.#means.limits;
    if (call.fresh) this.#makeRoom();
    else
      for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
        if (free.usable) return call.run(free);
      }
    if (this.#all.size < connectionsMax) return call.run(this.#open());
    if (this.#pending.length < pendingMax) {
      call.pendingUntilMs = Date.now() + pendingMs;
      if (call.pendingSinceMs === 0) call.pendingSinceMs = performance.now();
      this.#pending.push(call);
      return;
    }
    call.failed(
      new Failure("UPSTREAM_BUSY", `${this.origin}: ${this.#pending.length} requests wait already`),
      false,
    );
  }

  /** Forgets a request that has not got a connection. */
  forget(call: UpstreamCall): void {
    const at = this.#pending.indexOf(call);
    if (at >= 0) this.#pending.splice(at, 1);
  }

  /** A try has ended in a whole response. */
  answered(status: number): void {
    this.meter.tries += 1;
    if (status >= 500) this.meter.failed("status");
    if (status >= 500 && this.#failing.has(status)) this.#failed();
    else this.standing.succeeded();
  }

  /** A try has ended without one, and by no fault of others. */
  missed(reason: TryFailure): void {
    this.meter.tries += 1;
    this.meter.failed(reason);
    if (this.#failing.has(reason)) this.#failed();
  }

  /** A connection takes the request that has waited longest. */
  free(connection: ServerConnection): void {
    const next = this.#pending.shift();
    if (next !== undefined) return next.run(connection);
    if (this.#closed) return connection.close();
    this.#free.push(connection);
  }

  gone(connection: ServerConnection): void {
    this.#all.delete(connection);
    this.#means.sweeper.remove(connection);
    const at = this.#free.indexOf(connection);
    if (at >= 0) this.#free.splice(at, 1);
    // There is room for one more.
    const next = this.#pending.shift();
    if (next !== undefined) this.submit(next);
  }

  /** It is a connection to this server, and a load on it, until its socket closes. */
  upgraded(connection: ServerConnection, socket: Socket): void {
    this.#means.sweeper.remove(connection);
    socket.once("close", () => this.gone(connection));
  }

  /** Those that have waited longest are the first. */
  sweep(nowMs: number): void {
    for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
      if (nowMs <= first.pendingUntilMs) return;
      this.#pending.shift();
      first.failed(new Failure("UPSTREAM_BUSY", `${this.origin}: no connection came free in time`), false);
    }
  }

  /** No request begins here any more. Idle connections end now, those in use when they have finished; who waits goes elsewhere. */
  close(): void {
    this.#closed = true;
    this.#means.sweeper.remove(this);
    for (const connection of this.#free.splice(0)) connection.close();
    for (const call of this.#pending.splice(0)) call.elsewhere();
  }

  dial(reader?: SocketReader): Socket {
    return this.#dialer.dial(reader);
  }

  get stands(): Dialer["stands"] {
    return this.#dialer.stands;
  }

  #failed(): void {
    if (this.standing.failed()) this.#judge.failedTooOften(this);
  }

  /** One kept connection has failed a request, and others may be as stale: one of them gives its place to a new one. */
  #makeRoom(): void {
    const free = this.#free.pop();
    if (free === undefined) return;
    this.#all.delete(free);
    free.close();
  }

  #open(): ServerConnection {
    const { parser, limits, sweeper } = this.#means;
    const reader = this.stands === "connect" ? new SocketReader() : undefined;
    const socket = this.dial(reader);
    const connection = new ServerConnection(socket, parser, limits, this, this.stands, reader);
    this.#all.add(connection);
    sweeper.add(connection);
    return connection;
  }
}
