/** Very long bodies through a host in a process of its own, whose memory can be looked at. */
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { FILTERS_DIRECTORY } from "../../scripts/build-filters.ts";
import { RunningHost } from "../cli/running-host.ts";

/** From the server to the client, or from the client to the server. */
export type Bulk = "down" | "up";

/** What came out at the other end. */
export interface Came {
  /** Without what the filter has put around each chunk. */
  readonly bytes: number;
  /** Chunks that the filter has put something around. */
  readonly wrapped: number;
}

const PIECE = Buffer.alloc(262_144, "sluice ");

/** What goes to `/filtered/…` passes two filters, both ways: one puts another chunk in the place of each, one passes them. */
export function startBulkHost(upstream: BulkUpstream): Promise<RunningHost> {
  const streaming = (act: "wrap" | "pass"): object => {
    const way = { take: "stream", act };
    const config = { name: act, request: way, response: way };
    return { component: join(FILTERS_DIRECTORY, "bodies.wasm"), config };
  };
  return RunningHost.start(() => {}, {
    filters: { wrap: streaming("wrap"), pass: streaming("pass") },
    upstreams: { bulk: { servers: [upstream.origin] } },
    routes: [
      { match: { path: "/filtered/*" }, filters: ["wrap", "pass"], upstream: "bulk" },
      { upstream: "bulk" },
    ],
    timeouts: { "client-request": "2h" },
    limits: { "client-body-bytes": "16GiB" },
  });
}

/** Sends a body of so many bytes through the host: `folder` is "/", or "/filtered/". */
export async function transfer(
  host: RunningHost,
  folder: "/" | "/filtered/",
  way: Bulk,
  bytes: number,
): Promise<Came> {
  const url = `${host.url}${folder}${bytes}`;
  const asking =
    way === "down"
      ? request(url, { agent: false }).end()
      : request(url, { agent: false, method: "POST", headers: { "content-length": bytes } });
  const answered = once(asking, "response") as Promise<[IncomingMessage]>;
  if (way === "up") await pipeline(pieces(bytes), asking);
  const [answer] = await answered;
  if (way === "down") return await count(answer);
  const told = await text(answer);
  return JSON.parse(told.replaceAll(/<wrap:|>/g, "")) as Came;
}

/** Sends as many bytes as the path says, or tells of those that come. */
export class BulkUpstream implements AsyncDisposable {
  // The bodies take longer than Node lets a request take.
  readonly #server: Server = createServer({ requestTimeout: 0 }, (asked, answer) => {
    // What breaks off here is missing at the other end.
    serve(asked, answer).catch(() => answer.destroy());
  });

  static async start(): Promise<BulkUpstream> {
    const upstream = new BulkUpstream();
    upstream.#server.listen(0, "127.0.0.1");
    await once(upstream.#server, "listening");
    return upstream;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
  if (asked.method === "POST") {
    answer.end(JSON.stringify(await count(asked)));
    return;
  }
  const bytes = Number(asked.url?.slice(asked.url.lastIndexOf("/") + 1));
  answer.setHeader("content-length", bytes);
  await pipeline(pieces(bytes), answer);
}

async function count(message: IncomingMessage): Promise<Came> {
  let bytes = 0;
  let wrapped = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    for (let at = chunk.indexOf(">"); at >= 0; at = chunk.indexOf(">", at + 1)) wrapped += 1;
  }
  return { bytes: bytes - wrapped * "<wrap:>".length, wrapped };
}

function* pieces(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= PIECE.length) {
    yield left >= PIECE.length ? PIECE : PIECE.subarray(0, left);
  }
}
