import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RawClient, request } from "../support/raw-client.ts";
import { startProxy, type TestHost } from "../support/test-host.ts";
import { type Arrival, ok, Upstream } from "../support/upstream.ts";

/** A message's body, and how it is cut for the wire. */
interface Body {
  readonly text: string;
  readonly framing: "length" | "chunked" | "end";
  /** Where chunks end. */
  readonly chunks: readonly number[];
  readonly trailers: readonly string[];
}

interface Message {
  readonly fields: readonly (readonly [string, string])[];
  readonly body: Body;
  /** Where the bytes are cut into writes. */
  readonly cuts: readonly number[];
}

let upstream: Upstream;
let host: TestHost;
let answer: (arrival: Arrival) => Promise<void>;

beforeAll(async () => {
  upstream = await Upstream.start((arrival) => answer(arrival));
  // Clients close their side here, and are to be answered however busy the machine is.
  host = await startProxy(upstream, { timeouts: { "client-half-closed": "30s" } });
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

describe("however the bytes of a message are cut", () => {
  test("the same message comes out, in both directions", async () => {
    await fc.assert(
      fc.asyncProperty(
        message(["length", "chunked"]),
        message(["length", "chunked", "end"]),
        async (sent, answered) => {
          answer = async (arrival) => {
            await arrival.body();
            await writeCut(arrival.wire.socket, wireOf("HTTP/1.1 200 OK", answered), answered.cuts);
            if (answered.body.framing === "end") arrival.wire.socket.end();
          };
          await using client = await host.connect();
          const response = client.response("POST");
          await writeCut(
            client.wire.socket,
            wireOf("POST /a?b HTTP/1.1\r\nHost: sluice.test", sent),
            sent.cuts,
          );
          const { status, head, body, trailers } = await response;
          const arrival = upstream.arrivals.at(-1) as Arrival;
          const seen = await arrival.body();
          expect(seen.body.toString("latin1")).toBe(sent.body.text);
          expect(seen.trailers).toEqual(trailersOf(sent));
          expect(own(arrival.head.fields)).toEqual(sent.fields);
          expect([status, body.toString("latin1")]).toEqual([200, answered.body.text]);
          expect(trailers).toEqual(trailersOf(answered));
          expect(own(head.fields)).toEqual(answered.fields);
        },
      ),
      { numRuns: 150 },
    );
  });
});

/** One request's worth of bytes that hides another, and every way to frame it that readers have disagreed about. */
const HIDDEN = "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: sluice.test\r\n\r\n";
const FRAMINGS = [
  `Content-Length: ${HIDDEN.length}`,
  `content-length:${HIDDEN.length}`,
  "Content-Length: 5",
  "Content-Length: 0",
  "Content-Length: +5",
  "Content-Length: 5, 5",
  "Content-Length: 0x5",
  "Content-Length:",
  "Content-Length : 5",
  "Content_Length: 5",
  "Transfer-Encoding: chunked",
  "transfer-encoding:chunked",
  "Transfer-Encoding: CHUNKED",
  "Transfer-Encoding : chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding: identity, chunked",
  "Transfer-Encoding:\tchunked",
  "Transfer-Encoding:\x0bchunked",
  "Transfer-Encoding: chunked\x00",
  "Transfer-Encoding",
  " Transfer-Encoding: chunked",
  "X: y\nTransfer-Encoding: chunked",
  "X: y\rTransfer-Encoding: chunked",
  "X: y\r\n\tTransfer-Encoding: chunked",
  "Connection: Transfer-Encoding",
  "Connection: Content-Length",
  "TE: chunked",
  "X-Plain: 1",
];
/** The only framings that this hop takes; alone they are enough to know where the request ends. */
const LENGTH = /^content-length: ?(\d+)$/i;
const CHUNKED = /^transfer-encoding: ?chunked$/i;
const HARMLESS = /^(?:x-plain|te|connection|content_length):/i;

test("an upstream never sees a request that its client has not sent", async () => {
  answer = async (arrival) => {
    await arrival.body();
    arrival.wire.socket.write(ok("ok"));
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...FRAMINGS), { maxLength: 4 }),
      fc.array(fc.nat(300), { maxLength: 3 }),
      async (fields, cuts) => {
        const before = upstream.arrivals.length;
        await using client = await host.connect();
        const bytes = Buffer.from(
          `${["POST /sent HTTP/1.1", "Host: sluice.test", ...fields].join("\r\n")}\r\n\r\n${HIDDEN}`,
          "latin1",
        );
        await writeCut(client.wire.socket, bytes, cuts);
        client.wire.socket.end();
        await client.wire.closed;
        const targets = upstream.arrivals.slice(before).map(({ target }) => target);
        expect(targets, fields.join(" | ")).toEqual(expectedTargets(fields));
      },
    ),
    { numRuns: 400 },
  );
});

test("memory stays bounded while a large body passes in both directions", async () => {
  const megabytes = 768;
  answer = async (arrival) => {
    const { socket } = arrival.wire;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${megabytes * 1_048_576}\r\n\r\n`);
    for (let sent = 0; sent < megabytes; sent++) await written(socket, MEGABYTE);
  };
  await using client = await host.connect();
  client.send(request("/large"));
  await client.head();
  const before = process.memoryUsage().rss;
  let received = 0;
  let most = before;
  while (received < megabytes * 1_048_576) {
    received += (await client.wire.bytes(1_048_576)).length;
    most = Math.max(most, process.memoryUsage().rss);
  }
  expect((most - before) / 1_048_576, "MiB of growth, test and host together").toBeLessThan(256);
});

const MEGABYTE = Buffer.alloc(1_048_576, 0x61);

function expectedTargets(fields: readonly string[]): string[] {
  const lengths = fields
    .filter((field) => LENGTH.test(field))
    .map((field) => Number(LENGTH.exec(field)?.[1]));
  const chunked = fields.filter((field) => CHUNKED.test(field)).length;
  const plain = fields.every((field) => LENGTH.test(field) || CHUNKED.test(field) || HARMLESS.test(field));
  if (!plain || lengths.length + chunked > 1) return [];
  // By its length the whole is one body; a client that says less has itself sent a second request behind it.
  if (lengths[0] === HIDDEN.length) return ["/sent"];
  if (chunked === 1 || lengths[0] === 5) return ["/sent", "/hidden"];
  return ["/sent"];
}

function message(framings: readonly Body["framing"][]): fc.Arbitrary<Message> {
  const name = fc.stringMatching(/^X-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/);
  const value = fc.stringMatching(
    /^(?:[!-~\x80-\x9f\xa1-\xff](?:[ -~\x80-\xff]{0,20}[!-~\x80-\x9f\xa1-\xff])?)?$/,
  );
  const text = fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 })
    .map((codes) => String.fromCharCode(...codes));
  const places = fc.array(fc.nat(600), { maxLength: 6 });
  const trailer = fc
    .tuple(fc.stringMatching(/^X-T[a-z]{0,5}$/), fc.stringMatching(/^[a-z]{0,9}$/))
    .map(([a, b]) => `${a}: ${b}`);
  const body = fc.record({
    text,
    framing: fc.constantFrom(...framings),
    chunks: places,
    trailers: fc.array(trailer, { maxLength: 2 }),
  });
  return fc.record({ fields: fc.array(fc.tuple(name, value), { maxLength: 8 }), body, cuts: places });
}

function wireOf(start: string, { fields, body }: Message): Buffer {
  const lines = [start, ...fields.map(([name, value]) => `${name}: ${value}`)];
  if (body.framing === "length") lines.push(`Content-Length: ${body.text.length}`);
  if (body.framing === "chunked") lines.push("Transfer-Encoding: chunked");
  const rest = body.framing === "chunked" ? chunkedOf(body) : body.text;
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${rest}`, "latin1");
}

function chunkedOf({ text, chunks, trailers }: Body): string {
  const places = [...new Set([0, ...chunks.filter((place) => place < text.length), text.length])].sort(
    (a, b) => a - b,
  );
  const parts = places.slice(1).map((end, index) => text.slice(places[index], end));
  const framed = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("");
  return `${framed}0\r\n${trailers.map((line) => `${line}\r\n`).join("")}\r\n`;
}

function trailersOf({ body }: Message): (readonly [string, string])[] {
  if (body.framing !== "chunked") return [];
  return body.trailers.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]);
}

/** The fields that the test itself has sent: those of this hop and of framing have other names. */
function own(fields: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  return fields.filter(([name]) => name.startsWith("X-") && !/^x-(?:request-id|forwarded-.*)$/i.test(name));
}

async function writeCut(
  socket: RawClient["wire"]["socket"],
  bytes: Buffer,
  cuts: readonly number[],
): Promise<void> {
  const places = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort(
    (a, b) => a - b,
  );
  for (let index = 1; index < places.length; index++) {
    await written(socket, bytes.subarray(places[index - 1], places[index]));
    // A turn of the loop lets the host read the piece for itself.
    await turn();
  }
}

function written(socket: RawClient["wire"]["socket"], data: Buffer): Promise<void> {
  return new Promise((resolve) => void socket.write(data, () => resolve()));
}
