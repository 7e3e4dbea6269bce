/** Clients of every kind, which look at what version answers them, and the upstream that they reach. */
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as time } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { type Endpoint, RawClient, request } from "../support/raw-client.ts";
import { waitFor, within } from "../support/waiting.ts";
import type { Versions } from "./versions.ts";

/** Answers at once, with a long body in pieces (`/stream`), or as a WebSocket that echoes. Tells which mark a request had. */
export class MixedUpstream implements AsyncDisposable {
  readonly origin: string;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;

  private constructor(server: Server, sockets: WebSocketServer) {
    this.#server = server;
    this.#sockets = sockets;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<MixedUpstream> {
    const server = createServer((asked, response) => {
      response.setHeader("x-seen", asked.headers["x-mark"] ?? "");
      if (asked.url === "/stream") void stream(response);
      else response.end("hello");
    });
    const sockets = new WebSocketServer({ server });
    sockets.on("headers", (fields, asked) => fields.push(`x-seen: ${String(asked.headers["x-mark"])}`));
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    await once(server.listen(0, "127.0.0.1"), "listening");
    return new MixedUpstream(server, sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Longer than several swaps. */
async function stream(response: ServerResponse): Promise<void> {
  for (let piece = 0; piece < PIECES && !response.destroyed; piece++) {
    response.write(PIECE);
    await time(PIECE_MS);
  }
  response.end();
}

export interface MixedShape {
  readonly keeping: number;
  readonly fresh: number;
  readonly streaming: number;
  readonly upgraded: number;
}

/**
 * Exchanges without end, of four kinds. What is no whole answer of one version that may answer is a failure, and the clients end with
 * the first one.
 */
export class MixedTraffic implements AsyncDisposable {
  readonly served: Record<keyof MixedShape, number> = { keeping: 0, fresh: 0, streaming: 0, upgraded: 0 };
  readonly failures: string[] = [];
  readonly #endpoint: Endpoint;
  readonly #versions: Versions;
  readonly #clients: Promise<void>[] = [];
  #stopping = false;

  constructor(endpoint: Endpoint, versions: Versions, shape: MixedShape) {
    this.#endpoint = endpoint;
    this.#versions = versions;
    const turns: Record<keyof MixedShape, () => Promise<void>> = {
      keeping: () => this.#keep(),
      fresh: () => this.#freshly("fresh", "/", "hello"),
      streaming: () => this.#freshly("streaming", "/stream", STREAMED),
      upgraded: () => this.#upgrade(),
    };
    for (const kind of Object.keys(turns) as (keyof MixedShape)[])
      for (let count = 0; count < shape[kind]; count++) this.#clients.push(this.#repeat(kind, turns[kind]));
  }

  get total(): number {
    return Object.values(this.served).reduce((sum, count) => sum + count, 0);
  }

  /** Resolves when so many more exchanges have been served, or one has failed. */
  async more(count: number): Promise<void> {
    const goal = this.total + count;
    await waitFor(`${count} more exchanges`, () => this.total >= goal || this.failures.length > 0);
  }

  /** Lets every client end with the exchange that it is at. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #repeat(kind: keyof MixedShape, turn: () => Promise<void>): Promise<void> {
    while (!this.#stopping) {
      try {
        await turn();
      } catch (error) {
        this.failures.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
        this.#stopping = true;
      }
    }
  }

  async #keep(): Promise<void> {
    await using client = await RawClient.connect(this.#endpoint);
    for (let left = KEPT_FOR; left > 0 && !this.#stopping; left--) {
      await this.#ask(client, "/", "hello", left === 1 ? ["Connection: close"] : []);
      this.served.keeping += 1;
    }
  }

  async #freshly(kind: "fresh" | "streaming", target: string, body: string): Promise<void> {
    await using client = await RawClient.connect(this.#endpoint);
    await this.#ask(client, target, body, ["Connection: close"]);
    this.served[kind] += 1;
  }

  async #ask(client: RawClient, target: string, body: string, fields: readonly string[]): Promise<void> {
    const since = this.#versions.now;
    const answer = await client.ask(request(target, fields));
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    if (answer.body.toString("latin1") !== body) throw new Error(`a body of ${answer.body.length} bytes`);
    const [mark, tag, seen] = ["x-mark", "x-tag", "x-seen"].map((name) => answer.head.one(name));
    if (seen !== mark) throw new Error(`a request was marked ${seen}, and its response ${mark}`);
    this.#versions.check(since, { mark, tag });
  }

  /** Messages for longer than several swaps take. */
  async #upgrade(): Promise<void> {
    const since = this.#versions.now;
    const socket = new WebSocket(`ws://${this.#endpoint.host}:${this.#endpoint.port}/socket`);
    let seen: string | undefined;
    socket.on("upgrade", ({ headers }) => (seen = String(headers["x-seen"])));
    await within("a WebSocket", once(socket, "open"));
    // A 101 passes no filter: what is left of the version is the mark that the request had.
    this.#versions.check(since, { mark: seen });
    for (let left = MESSAGES; left > 0 && !this.#stopping; left--) {
      const echo = once(socket, "message") as Promise<[Buffer]>;
      socket.send(`message ${left}`);
      const [data] = await within("an echo", echo);
      if (data.toString() !== `message ${left}`) throw new Error(`another message: ${data.toString()}`);
      await time(PIECE_MS);
    }
    const closed = once(socket, "close");
    socket.close(1000);
    const [code] = await within("the end of a WebSocket", closed);
    if (code !== 1000) throw new Error(`a WebSocket that ended with ${code}`);
    this.served.upgraded += 1;
  }
}

const PIECES = 40;
const PIECE = "sluice ".repeat(2_000);
const PIECE_MS = 50;
const STREAMED = PIECE.repeat(PIECES);
const MESSAGES = 40;

/** Requests on one connection. */
const KEPT_FOR = 200;
