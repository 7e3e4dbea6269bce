import { connect, type Socket } from "node:net";
import type { ServerConfig } from "./config/config.ts";
import { Failure } from "./failure.ts";
import type { HeadParser } from "./http1/head-parser.ts";
import { ServerConnection, type ServerKeeper } from "./http1/server-connection.ts";
import type { Sweeper, Timed } from "./sweeper.ts";
import type { UpstreamMaterial } from "./tls/material.ts";
import { SecureClient } from "./tls/secure-client.ts";
import type { Choice } from "./upstream/balancer.ts";
import { murmur3 } from "./upstream/hash.ts";
import type { UpstreamCall, UpstreamLimits } from "./upstream.ts";

/**
 * One address of an upstream, and this worker's connections to it: a list of free ones, used last in, first out, so that
 * those beyond the need run into their idle time.
 */
export class Server implements ServerKeeper, Choice, Timed {
  readonly origin: string;
  /** Host and port, as in its URL. */
  readonly authority: string;
  readonly weight: number;
  /** Of its origin, for hashes with a request's key. */
  readonly seed: number;
  readonly #config: ServerConfig;
  readonly #secure: SecureClient | undefined;
  readonly #limits: UpstreamLimits;
  readonly #parser: HeadParser;
  readonly #sweeper: Sweeper;
  readonly #all = new Set<ServerConnection>();
  readonly #free: ServerConnection[] = [];
  readonly #pending: UpstreamCall[] = [];
  #closed = false;

  constructor(
    config: ServerConfig,
    limits: UpstreamLimits,
    parser: HeadParser,
    sweeper: Sweeper,
    tls: UpstreamMaterial | null,
  ) {
    this.origin = config.origin;
    this.authority = config.origin.slice(config.origin.indexOf("//") + 2);
    this.weight = config.weight;
    this.seed = murmur3(config.origin, 0);
    this.#config = config;
    this.#limits = limits;
    if (config.scheme === "https") this.#secure = new SecureClient(config, tls);
    this.#parser = parser;
    this.#sweeper = sweeper;
    sweeper.add(this);
  }

  /** Requests in flight and waiting. */
  get load(): number {
    return this.#all.size - this.#free.length + this.#pending.length;
  }

  submit(call: UpstreamCall): void {
    if (call.fresh) this.#makeRoom();
    else
      for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
        if (free.usable) return call.run(free);
      }
    if (this.#all.size < this.#limits.connectionsMax) return call.run(this.#open());
    if (this.#pending.length < this.#limits.pendingMax) {
      call.pendingUntilMs = Date.now() + this.#limits.pendingMs;
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

  /** A connection takes the request that has waited longest. */
  free(connection: ServerConnection): void {
    const next = this.#pending.shift();
    if (next !== undefined) return next.run(connection);
    if (this.#closed) return connection.close();
    this.#free.push(connection);
  }

  gone(connection: ServerConnection): void {
    this.#all.delete(connection);
    this.#sweeper.remove(connection);
    const at = this.#free.indexOf(connection);
    if (at >= 0) this.#free.splice(at, 1);
    // There is room for one more.
    const next = this.#pending.shift();
    if (next !== undefined) this.submit(next);
  }

  /** It is a connection to this server, and a load on it, until its socket closes. */
  upgraded(connection: ServerConnection, socket: Socket): void {
    this.#sweeper.remove(connection);
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

  close(): void {
    this.#closed = true;
    this.#sweeper.remove(this);
    for (const connection of this.#free) connection.close();
  }

  /** One kept connection has failed a request, and others may be as stale: one of them gives its place to a new one. */
  #makeRoom(): void {
    const free = this.#free.pop();
    if (free === undefined) return;
    this.#all.delete(free);
    free.close();
  }

  #open(): ServerConnection {
    const { host, port } = this.#config;
    // A server that has sent its last byte through a tunnel may still read.
    const socket =
      this.#secure?.connect() ?? connect({ host, port, autoSelectFamily: true, allowHalfOpen: true });
    const stands = this.#secure === undefined ? "connect" : "secureConnect";
    const connection = new ServerConnection(socket, this.#parser, this.#limits, this, stands);
    this.#all.add(connection);
    this.#sweeper.add(connection);
    return connection;
  }
}
