import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Address } from "./config/config.ts";
import type { Failure } from "./failure.ts";
import type { Forwarding } from "./forwarding.ts";
import type { Client } from "./http1/client.ts";
import { ClientConnection, type ConnectionLimits, type ConnectionOwner } from "./http1/client-connection.ts";
import type { HeadParser } from "./http1/head-parser.ts";
import { HeldHeads } from "./http1/held-heads.ts";
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

/** Sockets in: accepts connections, and looks at their clocks. */
export class Listener implements ConnectionOwner, SecureServerOwner {
  readonly #server: Server;
  readonly #secure: SecureServer | undefined;
  readonly #owner: ListenerOwner;
  readonly #limits: ConnectionLimits;
  readonly #parser: HeadParser;
  readonly #sweeper: Sweeper;
  readonly #forwarding: Forwarding;
  readonly #connections = new Set<ClientConnection>();
  readonly #heads = new HeldHeads();
  /** Nobody is accepted any more, and every connection has ended. */
  readonly #over: Promise<void>;
  #draining = false;

  /** `tls` is null in the clear. */
  constructor(
    limits: ConnectionLimits,
    parser: HeadParser,
    sweeper: Sweeper,
    tls: ListenerMaterial | null,
    forwarding: Forwarding,
    owner: ListenerOwner,
  ) {
    this.#limits = limits;
    this.#parser = parser;
    this.#sweeper = sweeper;
    this.#forwarding = forwarding;
    this.#owner = owner;
    if (tls !== null) this.#secure = new SecureServer(tls, limits.headMs, this);
    // A client that has sent its last byte may still read.
    this.#server =
      this.#secure?.server ??
      createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#connected(socket));
    this.#over = new Promise((resolve) => void this.#server.once("close", resolve));
  }

  /** Every worker listens on the same address; the system spreads the connections over them. */
  listen(address: Address): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      const { host, port } = address;
      this.#server.listen({ host, port, reusePort: true, backlog: BACKLOG }, () => {
        this.#server.removeListener("error", reject);
        const bound = this.#server.address() as AddressInfo;
        resolve({ ...address, port: bound.port });
      });
    });
  }

  /** Answers with other certificates from now on. */
  renew(tls: ListenerMaterial): void {
    this.#secure?.renew(tls);
  }

  secured(socket: Socket): void {
    this.#connected(socket);
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
    this.#owner.connections(-1);
  }

  /** Takes no new connection, ends idle ones and lets the others finish the response that they are at. */
  drain(): Promise<void> {
    this.#draining = true;
    for (const connection of this.#connections) connection.drain();
    this.#server.close();
    return this.#over;
  }

  /** Breaks what is left. Resolves when the ends of it have been told. */
  destroy(): Promise<void> {
    this.#server.close();
    for (const connection of this.#connections) connection.abort(false);
    this.#secure?.destroy();
    return this.#over;
  }

  #connected(socket: Socket): void {
    const scheme = this.#secure === undefined ? "http" : "https";
    const world = {
      scheme,
      parser: this.#parser,
      limits: this.#limits,
      owner: this,
      heads: this.#heads,
      forwarding: this.#forwarding,
    } as const;
    const connection = new ClientConnection(socket, world);
    if (this.#draining) connection.drain();
    this.#connections.add(connection);
    this.#sweeper.add(connection);
    this.#owner.connections(1);
  }
}

/** The system cuts this to its own limit. */
const BACKLOG = 4_096;
