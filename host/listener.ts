import type { Socket } from "node:net";
import type { ClientAddress } from "./client-address.ts";
import type { Failure } from "./failure.ts";
import type { Forwarding } from "./forwarding.ts";
import type { Client } from "./http1/client.ts";
import { ClientConnection, type ConnectionLimits, type ConnectionOwner } from "./http1/client-connection.ts";
import type { HeadParser } from "./http1/head-parser.ts";
import { HeldHeads } from "./http1/held-heads.ts";
import { type GateOwner, ProxyGate } from "./http1/proxy-gate.ts";
import type { HandshakeFailure } from "./ops/meter.ts";
import type { Sweeper } from "./sweeper.ts";
import type { ListenerMaterial } from "./tls/material.ts";
import { SecureServer, type SecureServerOwner } from "./tls/secure-server.ts";

/** What a listener tells the worker. */
export interface ListenerOwner {
  /** A request whose head is complete and in order. */
  arrived(client: Client): void;
  /** A request that is refused at the door: it has no exchange. */
  refused(failure: Failure): void;
  /** The number of open connections changed by so many. */
  connections(change: number): void;
  /** A connection that ended before it was one. */
  handshakeFailed(reason: HandshakeFailure): void;
}

/** What connections are served with; the same for all listeners of a worker. */
export interface ListenerWorld {
  readonly limits: ConnectionLimits;
  readonly parser: HeadParser;
  readonly forwarding: Forwarding;
}

/** Sockets in: the connections of one address that this worker has been given. */
export class Listener implements ConnectionOwner, SecureServerOwner, GateOwner {
  readonly #secure: SecureServer | undefined;
  readonly #owner: ListenerOwner;
  readonly #sweeper: Sweeper;
  #world: ListenerWorld;
  readonly #connections = new Set<ClientConnection>();
  readonly #proxyProtocol: boolean;
  /** Connections whose proxies have not yet said whom they speak for. */
  readonly #gates = new Set<ProxyGate>();
  /** Whom connections in their handshakes are from, by where they come from themselves. */
  readonly #proxied = new Map<string, ClientAddress>();
  readonly #heads = new HeldHeads();
  /** Resolves when every connection has ended, once there are no new ones. */
  #over: (() => void) | undefined;
  #draining = false;

  /** `tls` is null in the clear; `proxyProtocol`: every connection begins with a header of that protocol. */
  constructor(
    world: ListenerWorld,
    sweeper: Sweeper,
    tls: ListenerMaterial | null,
    proxyProtocol: boolean,
    owner: ListenerOwner,
  ) {
    this.#world = world;
    this.#sweeper = sweeper;
    this.#proxyProtocol = proxyProtocol;
    this.#owner = owner;
    if (tls !== null) this.#secure = new SecureServer(tls, world.limits.headMs, this);
  }

  /** Connections from now on are served with this; those that are open go on with what they have, and so does the bound on handshakes. */
  use(world: ListenerWorld): void {
    this.#world = world;
  }

  /** Takes over a connection that has been accepted elsewhere, and of which nothing has been read. */
  take(socket: Socket): void {
    // A client that has sent its last byte may still read.
    socket.allowHalfOpen = true;
    if (!this.#proxyProtocol) return this.#enter(socket, undefined);
    const gate = new ProxyGate(socket, this.#world.limits.headMs, this);
    if (this.#draining) gate.drain();
    this.#gates.add(gate);
    this.#sweeper.add(gate);
    this.#owner.connections(1);
    socket.resume();
  }

  passed(gate: ProxyGate, address: ClientAddress | undefined): void {
    const { socket } = gate;
    if (this.#secure !== undefined && address !== undefined) {
      const key = endpointOf(socket);
      this.#proxied.set(key, address);
      socket.once("close", () => this.#proxied.delete(key));
    }
    this.#enter(socket, address);
    this.#leave(gate);
  }

  stopped(gate: ProxyGate, failure: Failure | undefined): void {
    if (failure !== undefined) this.#owner.refused(failure);
    this.#leave(gate);
  }

  /** Answers with other certificates from now on. */
  renew(tls: ListenerMaterial): void {
    this.#secure?.renew(tls);
  }

  secured(socket: Socket): void {
    this.#connected(socket, this.#proxied.get(endpointOf(socket)));
  }

  sockets(change: number): void {
    this.#owner.connections(change);
    this.#endWhenEmpty();
  }

  handshakeFailed(reason: HandshakeFailure): void {
    this.#owner.handshakeFailed(reason);
  }

  arrived(client: Client): void {
    this.#owner.arrived(client);
  }

  refused(failure: Failure): void {
    this.#owner.refused(failure);
  }

  closed(connection: ClientConnection): void {
    this.#connections.delete(connection);
    this.#sweeper.remove(connection);
    if (this.#secure === undefined) this.#owner.connections(-1);
    this.#endWhenEmpty();
  }

  /** Ends idle connections and lets the others finish the response that they are at. Resolves when all have ended. */
  drain(): Promise<void> {
    this.#draining = true;
    for (const gate of this.#gates) gate.drain();
    for (const connection of this.#connections) connection.drain();
    return this.#whenOver();
  }

  /** Breaks what is left. Resolves when the ends of it have been told. */
  destroy(): Promise<void> {
    this.#draining = true;
    for (const gate of this.#gates) gate.socket.destroy();
    for (const connection of this.#connections) connection.abort(false);
    this.#secure?.destroy();
    return this.#whenOver();
  }

  #whenOver(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#over;
      this.#over = () => {
        before?.();
        resolve();
      };
      this.#endWhenEmpty();
    });
  }

  #endWhenEmpty(): void {
    if (this.#connections.size + this.#gates.size + (this.#secure?.open ?? 0) > 0) return;
    this.#over?.();
    this.#over = undefined;
  }

  #enter(socket: Socket, address: ClientAddress | undefined): void {
    if (this.#secure !== undefined) return this.#secure.take(socket);
    this.#connected(socket, address);
    socket.resume();
  }

  #leave(gate: ProxyGate): void {
    this.#gates.delete(gate);
    this.#sweeper.remove(gate);
    this.#owner.connections(-1);
    this.#endWhenEmpty();
  }

  #connected(socket: Socket, address: ClientAddress | undefined): void {
    const scheme = this.#secure === undefined ? "http" : "https";
    const world = {
      scheme,
      ...this.#world,
      owner: this,
      heads: this.#heads,
    } as const;
    const connection = new ClientConnection(socket, world, address);
    if (this.#draining) connection.drain();
    this.#connections.add(connection);
    this.#sweeper.add(connection);
    // Over TLS it has been counted since its handshake began.
    if (this.#secure === undefined) this.#owner.connections(1);
  }
}

/** Unlike that of any other connection to this listener that is open; the same for a socket and for the TLS upon it. */
function endpointOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
