/** What long bodies are read into is used again: no byte of one may turn up in another, however slowly a client reads. */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RawClient, request } from "../support/raw-client.ts";
import { startProxy, type TestHost } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";
import { plateau } from "../support/waiting.ts";

/** More than the system keeps on the way: 4 MB at each sender, and what the host's socket may have grown to while it read. */
const BODY_BYTES = 48_000_000;
const BODIES = [randomBytes(BODY_BYTES), randomBytes(BODY_BYTES)];
let upstream: Upstream;
let host: TestHost;

beforeAll(async () => {
  upstream = await Upstream.start(({ socket, target }) => {
    const body = BODIES[Number(target.at(-1))] as Buffer;
    if (target.startsWith("/length")) {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
      socket.write(body);
      return;
    }
    socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (let at = 0; at < body.length; at += CHUNK) {
      const chunk = body.subarray(at, at + CHUNK);
      socket.write(`${chunk.length.toString(16)}\r\n`);
      socket.write(chunk);
      socket.write("\r\n");
    }
    socket.write("0\r\n\r\n");
  });
  host = await startProxy(upstream);
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

const CHUNK = 30_011;

describe.each(["/length", "/chunks"])("%s", (path) => {
  test("a body that a client is slow to take is whole, whatever others are sent meanwhile", async () => {
    await using slow = await stopped(`${path}/0`);
    for (let times = 0; times < 3; times++) {
      await using quick = await RawClient.connect(host.address);
      const { body } = await quick.ask(request(`${path}/1`));
      expect(digest(body), "of the quick one").toBe(digest(BODIES[1]));
    }
    const { body } = await slow.response();
    expect(digest(body), "of the slow one").toBe(digest(BODIES[0]));
  });
});

/** A client that has asked, and has read nothing when the host cannot get rid of more. */
async function stopped(path: string): Promise<RawClient> {
  const client = await RawClient.connect(host.address);
  const before = upstream.arrivals.length;
  client.send(request(path));
  const { socket } = await upstream.arrived(before + 1);
  await plateau("what the upstream got rid of", () => socket.bytesWritten - socket.writableLength);
  expect(socket.writableLength, "the whole body is on its way").toBeGreaterThan(0);
  return client;
}

function digest(body: Buffer | undefined): string {
  return createHash("sha256")
    .update(body ?? "")
    .digest("hex");
}
