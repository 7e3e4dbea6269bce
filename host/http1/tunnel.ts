import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

/** What a tunnel tells while two sockets speak a protocol that is not HTTP. */
export interface TunnelOwner {
  /** Bytes that went from the client to the server, or back. */
  tunnelled(fromClient: number, fromServer: number): void;
  /** Both sides have ended, or one of them broke or was silent for too long. Comes once. */
  tunnelEnded(): void;
}

/**
 * Two sockets joined after a 101 (RFC 9110 §7.8): bytes with back-pressure, and a half-close is passed on as one.
 *
 * A side that breaks takes the other with it, and a reset is passed on as a reset: the other protocol may take an end in
 * order for the end of its message.
 */
export class Tunnel {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #owner: TunnelOwner;
  readonly #idleMs: number;
  #deadline: number;
  #ended = false;

  constructor(client: Socket, server: Socket, idleMs: number, owner: TunnelOwner) {
    this.#client = client;
    this.#server = server;
    this.#idleMs = idleMs;
    this.#owner = owner;
    this.#deadline = Date.now() + idleMs;
    this.#join(client, server, true);
    this.#join(server, client, false);
  }

  /** Bytes either way put the end of the silence off; those that wait for a slow reader do not. */
  sweep(nowMs: number): void {
    if (nowMs > this.#deadline) this.close();
  }

  close(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  #join(from: Socket, to: Socket, isClient: boolean): void {
    from.on("data", (data: Buffer) => {
      this.#deadline = Date.now() + this.#idleMs;
      this.#owner.tunnelled(isClient ? data.length : 0, isClient ? 0 : data.length);
      if (!to.write(data)) from.pause();
    });
    to.on("drain", () => {
      this.#deadline = Date.now() + this.#idleMs;
      from.resume();
    });
    // Nothing follows on a `close` that came after an error, and `close` comes in any case.
    from.on("error", () => {});
    from.on("end", () => void to.end());
    from.on("close", () => this.#closed(from, to));
    // The client may have ended its side while it waited for the 101.
    if (from.readableEnded) to.end();
    // What was written before, the 101 among it, may still be on its way.
    if (!to.writableNeedDrain) from.resume();
    else from.pause();
  }

  #closed(from: Socket, to: Socket): void {
    if (from.errored !== null) breakOff(to);
    // It has ended in order only when it has both said its last and got ours.
    else if (!from.readableEnded || !from.writableFinished) to.destroy();
    if (!this.#client.destroyed || !this.#server.destroyed || this.#ended) return;
    this.#ended = true;
    this.#owner.tunnelEnded();
  }
}

/** Ends a connection in a way that cannot be taken for an end in order: over TLS, one without an alert tells that. */
export function breakOff(socket: Socket): void {
  // Only TCP's own sockets have a reset; the method throws on others.
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
