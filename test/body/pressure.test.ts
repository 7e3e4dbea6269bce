/** Receivers that do not read, behind filters that take bodies: whoever sends has to wait for them. */
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { ok } from "../support/upstream.ts";
import { plateau } from "../support/waiting.ts";
import { useChains, type Way } from "./chains.ts";

/** More than the buffers of all sockets on the way, by far. */
const LENGTH = 64 * 2 ** 20;
/** What may be on its way at the most: the system's buffers on four sockets, and a little in the host. */
const ON_THE_WAY_MAX = 48 * 2 ** 20;
const PIECE = Buffer.alloc(262_144, "sluice ");

const both = (way: Way): { request: Way; response: Way } => ({ request: way, response: way });
const chains = useChains(
  {
    pass: both({ take: "stream", act: "pass" }),
    wrap: both({ take: "stream", act: "wrap" }),
  },
  { pass: ["pass"], wrap: ["wrap", "pass"] },
  { limits: { "client-body-bytes": LENGTH } },
);

describe.each(["pass", "wrap"])("behind a filter that does %s with each chunk", (path) => {
  test("a client that does not read stops the upstream, and then gets all of it", async () => {
    let earlier = 0;
    chains.answer = ({ socket }) => {
      // The connection may be one that another exchange has had.
      earlier = socket.bytesWritten;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LENGTH}\r\n\r\n`);
      void pour(socket);
    };
    await using client = await chains.connect();
    client.send(request(`/${path}`));
    await client.head();
    const { socket } = chains.last;
    const sent = await plateau("what the upstream can send", () => written(socket) - earlier);
    expect(sent).toBeLessThan(ON_THE_WAY_MAX);
    expect(plain((await client.wire.chunked()).body)).toBe(LENGTH);
  });

  test("an upstream that does not read stops the client, and then gets all of it", async () => {
    const { promise: reading, resolve: read } = Promise.withResolvers<void>();
    chains.answer = async (arrival) => {
      await reading;
      return ok(String(plain((await arrival.body()).body)));
    };
    const before = chains.upstream.arrivals.length;
    await using client = await chains.connect();
    client.send(`POST /${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${LENGTH}\r\n\r\n`);
    const { socket } = client.wire;
    void pour(socket);
    await chains.upstream.arrived(before + 1);
    const sent = await plateau("what the client can send", () => written(socket));
    expect(sent).toBeLessThan(ON_THE_WAY_MAX);
    read();
    const { body } = await client.response("POST");
    expect(body.toString()).toMatch(new RegExp(`^(<wrap:)?${LENGTH}>?$`));
  });
});

/** What a sender has got rid of. */
function written(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength;
}

/** Writes `LENGTH` bytes, no faster than they are taken. */
async function pour(socket: Socket): Promise<void> {
  const pieces = Array.from({ length: LENGTH / PIECE.length }, () => PIECE);
  // The other side may well go away before: that is for the tests to see.
  await pipeline(Readable.from(pieces), socket, { end: false }).catch(() => {});
}

/** How long a body is without what the filter has put around its chunks. */
function plain(body: Buffer): number {
  let wrapped = 0;
  for (let at = body.indexOf(">"); at >= 0; at = body.indexOf(">", at + 1)) wrapped += 1;
  return body.length - wrapped * "<wrap:>".length;
}
