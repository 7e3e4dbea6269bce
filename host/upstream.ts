import type { Socket } from "node:net";
import type { ServerConfig } from "./config/config.ts";
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

/** Bounds on one upstream. Units are in the names. */
export interface UpstreamLimits extends ServerLimits {
  readonly connectionsMax: number;
  readonly pendingMax: number;
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
  readonly #servers: readonly Server[];
  #next = 0;

  constructor(
    name: string,
    servers: readonly ServerConfig[],
    limits: UpstreamLimits,
    parser: HeadParser,
    sweeper: Sweeper,
    tls: UpstreamMaterial | null,
  ) {
    this.name = name;
    this.#servers = servers.map((server) => new Server(server, limits, parser, sweeper, tls));
  }

  /** A call that `begin` puts on its way. The owner hears of all that follows, and of some of it before `begin` returns. */
  call(request: Outgoing, owner: UpstreamOwner): UpstreamCall {
    return new UpstreamCall(this, request, owner);
  }

  /** The server with the fewest requests in flight; the turn decides among equals. `not`: one that has just failed. */
  choose(not: Server | undefined): Server {
    const servers = this.#servers;
    const first = this.#next;
    this.#next = (first + 1) % servers.length;
    let best: Server | undefined;
    for (let step = 0; step < servers.length; step++) {
      const server = servers[(first + step) % servers.length] as Server;
      if (server !== not && (best === undefined || server.load < best.load)) best = server;
    }
    return best ?? (servers[0] as Server);
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
 * One request under way. While nothing of it can have reached a server, and nothing of its body is gone, a failure is not
 * told but tried again: once, elsewhere when there is another server.
 */
export class UpstreamCall implements ServerOwner {
  readonly request: Outgoing;
  readonly #upstream: Upstream;
  #owner: UpstreamOwner | undefined;
  #server: Server | undefined;
  #connection: ServerConnection | undefined;
  #tries = 0;
  #bodyBegun = false;

  constructor(upstream: Upstream, request: Outgoing, owner: UpstreamOwner) {
    this.#upstream = upstream;
    this.request = request;
    this.#owner = owner;
  }

  begin(): void {
    this.#tries += 1;
    const server = this.#upstream.choose(this.#server);
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
    const again = untouched && !this.#bodyBegun && this.#tries < TRIES_MAX && this.#worthTrying(failure);
    if (again) return this.begin();
    const owner = this.#owner;
    this.#owner = undefined;
    owner.upstreamFailed(failure);
  }

  /** A server that cannot be reached will not be in a moment; one that closed a reused connection is there. */
  #worthTrying({ code }: Failure): boolean {
    return code === "UPSTREAM_BROKE_OFF" ? IDEMPOTENT.has(this.request.method) : this.#upstream.size > 1;
  }
}

const TRIES_MAX = 3;

/** RFC 9110 §9.2.2: done twice, they are as if done once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
