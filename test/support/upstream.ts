import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer, type TlsOptions } from "node:tls";
import { BrokenOff, type Field, type Head, Wire } from "./wire.ts";
import { waitFor } from "./waiting.ts";

/** A request as the upstream got it. */
export class Arrival {
  readonly head: Head;
  readonly method: string;
  readonly target: string;
  readonly wire: Wire;
  /** Which of the upstream's connections it came on, the first one being 1. */
  readonly connection: number;
  #whole: Promise<{ body: Buffer; trailers: readonly Field[] }> | undefined;

  constructor(head: Head, wire: Wire, connection: number) {
    const [method = "", target = ""] = head.startLine.split(" ");
    this.head = head;
    this.method = method;
    this.target = target;
    this.wire = wire;
    this.connection = connection;
  }

  get socket(): Socket {
    return this.wire.socket;
  }

  /** The host has closed this request's connection. */
  get closed(): Promise<void> {
    return this.wire.closed;
  }

  /** The whole body; read only when it is asked for, or when the answer has been given. */
  body(): Promise<{ body: Buffer; trailers: readonly Field[] }> {
    this.#whole ??= this.#read();
    return this.#whole;
  }

  async #read(): Promise<{ body: Buffer; trailers: readonly Field[] }> {
    if (this.head.one("transfer-encoding") === "chunked") return this.wire.chunked();
    return { body: await this.wire.bytes(Number(this.head.one("content-length") ?? 0)), trailers: [] };
  }
}

/**
 * What an upstream does with a request whose head has come. Text is sent as it is once the body has been read; with
 * nothing given the function has seen to the answer itself.
 */
export type Answer = (
  arrival: Arrival,
) => string | Buffer | undefined | void | Promise<string | Buffer | undefined | void>;

/** A server behind the host, on a socket of its own, which keeps what it is sent. */
export class Upstream implements AsyncDisposable {
  /** In the order in which their heads came. */
  readonly arrivals: Arrival[] = [];
  /** Connections accepted since the start. */
  connections = 0;
  readonly open: Set<Socket> = new Set();
  readonly #server: Server;
  readonly #answer: Answer;

  readonly #scheme: "http" | "https";

  private constructor(answer: Answer, tls: TlsOptions | undefined) {
    this.#answer = answer;
    this.#scheme = tls === undefined ? "http" : "https";
    const serve = (socket: Socket): void => void this.#serve(socket);
    this.#server =
      tls === undefined ? createServer({ noDelay: true }, serve) : createSecureServer(tls, serve);
    // What a handshake comes to is told by whoever wanted it.
    this.#server.on("tlsClientError", () => {});
  }

  /** `tls`: what it is secured with; in the clear without. */
  static async start(answer: Answer = () => ok("ok"), tls?: TlsOptions): Promise<Upstream> {
    const upstream = new Upstream(answer, tls);
    await upstream.listen();
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** As the configuration names it. */
  get origin(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  listen(port = 0, address = "127.0.0.1"): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, address, () => resolve());
    });
  }

  /** The head of the only request there was. */
  get only(): Arrival {
    const [first, ...more] = this.arrivals;
    if (first === undefined || more.length > 0)
      throw new Error(`expected one request at the upstream, got ${this.arrivals.length}`);
    return first;
  }

  /** Resolves when so many requests have come. */
  async arrived(count: number): Promise<Arrival> {
    await waitFor(`request ${count} at the upstream`, () => this.arrivals.length >= count);
    return this.arrivals[count - 1] as Arrival;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(socket: Socket): Promise<void> {
    this.connections += 1;
    const connection = this.connections;
    this.open.add(socket);
    socket.once("close", () => this.open.delete(socket));
    const wire = new Wire(socket);
    try {
      for (;;) {
        const arrival = new Arrival(await wire.head(), wire, connection);
        this.arrivals.push(arrival);
        const answer = await this.#answer(arrival);
        await arrival.body();
        if (answer !== undefined)
          socket.write(typeof answer === "string" ? Buffer.from(answer, "latin1") : answer);
      }
    } catch (error) {
      // The end of the connection, wherever it comes, is the end of this loop.
      if (!(error instanceof BrokenOff)) throw error;
    }
  }
}

/** A response of 200 with this body. */
export function ok(body: string, fields: readonly string[] = []): string {
  const lines = ["HTTP/1.1 200 OK", ...fields, `Content-Length: ${Buffer.byteLength(body, "latin1")}`];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}
