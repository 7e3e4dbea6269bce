import type { Socket } from "node:net";

/** What a tunnel tells while two sockets speak a protocol that is not HTTP. */
export interface TunnelOwner {
  /** Bytes that went from the client to the server, or back. */
  tunnelled(fromClient: number, fromServer: number): void;
  /** Both sides have ended, or one of them broke or was silent for too long. Comes once. */
  tunnelEnded(): void;
}

/**
 * Two sockets joined after a 101 (RFC 9110 §7.8): bytes with back-pressure, and a half-close is passed on as one.
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
    client.resume();
    server.resume();
  }

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
    to.on("drain", () => void from.resume());
    from.on("end", () => void to.end());
    from.on("error", () => {});
    from.on("close", () => {
      // A side that broke, and did not end, takes the other with it.
      if (!from.readableEnded) to.destroy();
      if (this.#client.destroyed && this.#server.destroyed) this.#finish();
    });
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#owner.tunnelEnded();
  }
}
