/** Very many clients at once, all of whose exchanges go through the same filters, of which one traps now and then. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Endpoint } from "../support/raw-client.ts";
import type { ConfigParts } from "../support/test-host.ts";

/** Of so many requests one makes the filter `trap` panic. */
export const TRAPPED_OF = 1_000;

/** Three filters, each of which has an instance for an exchange from its request to its response. */
export function throngParts(upstream: HoldingUpstream, clients: number): ConfigParts {
  const mark = (name: string): object => ({ component: component("mark"), config: { mark: name } });
  return {
    upstreams: { main: { servers: [upstream.origin] } },
    filters: { before: mark("before"), trap: { component: component("trap") }, after: mark("after") },
    routes: [{ filters: ["before", "trap", "after"], upstream: "main" }],
    limits: { instances: clients + 100, "upstream-connections": clients + 100 },
    timeouts: { "instance-idle": "1s", "instance-wait": "1m", "event-loop-delay": "1m" },
    log: { exchanges: false },
    workers: 1,
  };
}

/** Answers a request with its path, but holds `least` of them back all the time, so that as many exchanges are in flight. */
export class HoldingUpstream implements AsyncDisposable {
  /** The most that it has held at once. */
  most = 0;
  least: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held: Held[] = [];

  private constructor(least: number) {
    this.least = least;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      let head = "";
      socket.on("data", (chunk: Buffer) => {
        head += chunk.latin1Slice();
        if (!head.endsWith("\r\n\r\n")) return;
        const path = head.slice(head.indexOf(" ") + 1, head.indexOf(" HTTP/"));
        head = "";
        this.#hold(socket, `HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
      });
    });
  }

  static async start(least: number): Promise<HoldingUpstream> {
    const upstream = new HoldingUpstream(least);
    await new Promise<void>((resolve) => upstream.#server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Answers all from here on. */
  release(): void {
    this.least = 0;
    this.#answer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #hold(socket: Socket, answer: string): void {
    this.#held.push({ socket, answer });
    this.most = Math.max(this.most, this.#held.length);
    this.#answer();
  }

  #answer(): void {
    while (this.#held.length > this.least) {
      const { socket, answer } = this.#held.shift() as Held;
      socket.write(answer);
    }
  }
}

/** Not the one of the tests' hosts, which nothing but a test can load. */
function component(name: string): string {
  return join(import.meta.dirname, "..", "..", ".sluice", "filters", `${name}.wasm`);
}

interface Held {
  readonly socket: Socket;
  readonly answer: string;
}

/** What came of the exchanges of a throng. */
export interface Tally {
  served: number;
  trapped: number;
  /** Answers that are not what they should be; of very many the first ones. */
  readonly wrong: string[];
}

/** Sends so many requests over so many connections, each of which has one under way all the time. */
export async function throng(
  endpoint: Endpoint,
  upstream: HoldingUpstream,
  clients: number,
  exchanges: number,
): Promise<Tally> {
  const tally: Tally = { served: 0, trapped: 0, wrong: [] };
  let begun = 0;
  const next = (): string | undefined => {
    if (begun === exchanges) {
      // The last ones are not to be waited for.
      upstream.release();
      return undefined;
    }
    begun += 1;
    return `/${begun % TRAPPED_OF === 0 ? "panic" : "well"}/${begun}`;
  };
  await Promise.all(Array.from({ length: clients }, () => one(endpoint, next, tally)));
  return tally;
}

/** One client, for as long as there is something to ask. */
function one(endpoint: Endpoint, next: () => string | undefined, tally: Tally): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(endpoint);
  let target: string | undefined;
  let text = "";
  const ask = (): void => {
    target = next();
    if (target === undefined) socket.end();
    else socket.write(`GET ${target} HTTP/1.1\r\nHost: throng.test\r\n\r\n`);
  };
  socket.setNoDelay(true);
  socket.on("connect", ask);
  socket.on("data", (chunk: Buffer) => {
    text += chunk.latin1Slice();
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1]);
    if (text.length < end + 4 + length) return;
    judge(target as string, text.slice(0, end), text.slice(end + 4), tally);
    text = "";
    ask();
  });
  socket.on("error", (error) => note(tally, `${target}: ${error.message}`));
  socket.on("close", () => {
    if (target !== undefined) note(tally, `${target}: the connection broke off`);
    resolve();
  });
  return promise;
}

function judge(target: string, head: string, body: string, tally: Tally): void {
  const status = head.slice(9, 12);
  const marks = [...head.matchAll(/\r\nx-mark: (\w+)/gi)].map(([, mark]) => mark).join();
  if (target.startsWith("/panic")) {
    // The filter before it has seen its answer.
    if (status === "500" && body === "FILTER_TRAPPED\n" && marks === "before") tally.trapped += 1;
    else note(tally, `${target}: ${status} ${body} ${marks}`);
  } else if (status === "200" && body === target && marks === "before") tally.served += 1;
  else note(tally, `${target}: ${status} ${body} ${marks}`);
}

function note({ wrong }: Tally, sentence: string): void {
  if (wrong.length < 20) wrong.push(sentence);
}
