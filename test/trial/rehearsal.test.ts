/** What a shadow compares does not depend on how a message came, or on how either version takes it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { RawClient } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";
import { candidate, counted, SHADOW, startTrial } from "./tried.ts";

const stage = makeStage();

const WAYS = ["stream", { whole: 65_536 }] as const;
/** What they do with bodies is the same in pieces and as a whole. */
const ACTS = ["pass", "raise"] as const;

const config = (take: (typeof WAYS)[number], act: (typeof ACTS)[number]): object => {
  const way = { trailers: true, take, act };
  return { name: "b", request: way, response: way, end: true };
};

test.each(
  WAYS.flatMap((present) => WAYS.flatMap((tried) => ACTS.map((act) => [present, tried, act] as const))),
)("bodies that are taken as %j and as %j, to %s, are the same", async (present, tried, act) => {
  const upstream = stage.use(
    await Upstream.start(async (arrival) => {
      const { body } = await arrival.body();
      const pieces = [body.subarray(0, body.length >> 1), body.subarray(body.length >> 1)];
      return Buffer.concat([
        Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        chunked(pieces),
      ]);
    }),
  );
  const filters = { tried: { component: component("bodies"), config: config(present, act) } };
  const routes = [{ upstream: "main", filters: ["tried"] }];
  const trials = { tried: candidate("bodies", config(tried, act), SHADOW) };
  const host = stage.use(await startTrial(upstream, { filters, routes, log: { exchanges: false } }, trials));
  const client = await stage.connect(host);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 3_000 }), { maxLength: 6 }), async (pieces) => {
      await send(
        client,
        pieces.map((piece) => Buffer.from(piece)),
      );
      count += 1;
    }),
    { numRuns: 25 },
  );
  const { shadow } = await counted(host, "tried", "all", (each) => each.candidate.exchanges === count);
  // `bodies` tells the length of a whole body in a header, which it cannot of one that comes in pieces.
  const headers = JSON.stringify(present) === JSON.stringify(tried) ? 0 : 2 * count;
  expect(shadow).toMatchObject({
    compared: count,
    partly: 0,
    dropped: 0,
    kinds: { decision: 0, status: 0, headers, target: 0, body: 0, trailers: 0, failure: 0 },
  });
});

async function send(client: RawClient, pieces: readonly Buffer[]): Promise<void> {
  client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send(chunked(pieces));
  const { status } = await client.response();
  expect(status).toBe(200);
}

/** With a trailer. */
function chunked(pieces: readonly Buffer[]): Buffer {
  const lines = pieces
    .filter(({ length }) => length > 0)
    .flatMap((piece) => [Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]);
  return Buffer.concat([...lines, Buffer.from("0\r\nx-sum: 1\r\n\r\n")]);
}
