import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** An upstream that answers every request with what it saw of it, as JSON. */
export class Echo {
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Listens on the loopback; port 0 lets the system choose. */
  static async start(port: number): Promise<Echo> {
    const server = createServer((request, response) => {
      // Read to its end, so that the connection can carry the next request.
      request.resume();
      const seen = { method: request.method, path: request.url, headers: request.headers };
      const body = `${JSON.stringify(seen, null, 2)}\n`;
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      });
      response.end(body);
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return new Echo(server);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
