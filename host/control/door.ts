import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Address } from "../config/config.ts";

/**
 * A listening socket. The main thread takes the connections, which keeps the system's queue short whatever the workers are
 * doing, and gives each away at once: it never reads a byte of them.
 */
export class Door {
  readonly address: Address;
  readonly #server: Server;

  private constructor(address: Address, server: Server) {
    this.address = address;
    this.#server = server;
  }

  /** A process that takes over may listen on the same port while this one still does. */
  static async open(address: Address, take: (socket: Socket) => void): Promise<Door> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, take);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      const { host, port } = address;
      server.listen({ host, port, reusePort: true, backlog: BACKLOG }, () => {
        server.removeListener("error", reject);
        resolve();
      });
    });
    // A connection that was gone before it could be taken is nobody's loss.
    server.on("error", () => {});
    return new Door({ ...address, port: (server.address() as AddressInfo).port }, server);
  }

  /** Takes no more connections. Those that the system has accepted and nobody has taken are reset. */
  close(): void {
    this.#server.close();
  }
}

/** The system cuts this to its own limit. */
const BACKLOG = 4_096;
