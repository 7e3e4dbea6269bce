/** What is left of a message when a filter fails over its body; and that no way of cutting a body into chunks matters. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { ok } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { chunked, echo, post, useChains, type Way } from "./chains.ts";

const both = (way: Way): { request: Way; response: Way } => ({ request: way, response: way });
const OBEY = { take: "stream", act: "obey" } as const;
const WHOLE = { take: { whole: 65_536 } } as const;

const chains = useChains(
  {
    closed: both(OBEY),
    open: { ...both(OBEY), onFailure: "open" },
    "whole-open": { ...both({ ...WHOLE, head: true, act: "panic" }), onFailure: "open" },
    "whole-closed": both({ ...WHOLE, act: "panic" }),
    trailers: { ...both({ trailers: true }), onFailure: "open" },
    flood: { ...both({ take: "stream", act: "hold" }), onFailure: "open" },
    pass: both({ take: "stream" }),
    hold: both({ take: "stream", act: "hold" }),
    raise: both({ take: "stream", act: "raise" }),
    whole: both(WHOLE),
    "whole-raise": both({ ...WHOLE, act: "raise" }),
  },
  {
    closed: ["closed"],
    open: ["open"],
    "whole-open": ["whole-open"],
    "whole-closed": ["whole-closed"],
    trailers: ["trailers"],
    flood: ["flood"],
    pass: ["pass"],
    hold: ["hold"],
    raise: ["raise"],
    whole: ["whole"],
    "whole-raise": ["whole-raise"],
    "pass-hold-whole": ["pass", "hold", "whole"],
    "whole-hold-raise": ["whole", "hold", "raise"],
    "whole-raise-pass": ["whole", "whole-raise", "pass"],
  },
  { limits: { "body-held-bytes": "1KiB" } },
);

describe("a filter that fails over a body", () => {
  test("of a request, closed: 500", async () => {
    chains.answer = echo;
    const response = await chains.ask(post("/closed", ["panic", "abc"]));
    expect([response.status, response.body.toString()]).toEqual([500, "FILTER_TRAPPED\n"]);
  });

  test("of a response whose head is out, closed: the message breaks off", async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    chains.answer = async ({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
      await begun;
      socket.write("5\r\npanic\r\n0\r\n\r\n");
    };
    await using client = await chains.connect();
    client.send(request("/closed"));
    expect((await client.head()).startLine).toMatch(/ 200 /);
    begin();
    expect(await client.close()).toBe("3\r\nabc\r\n");
  });

  test("of both, open: what it held, the chunk and all that follows go on as they came", async () => {
    const chunks = ["abc", "holdABC", "panicDEF", "drop", "raise"];
    /** One after the other, each when the filter has seen the one before it, and none after it has failed. */
    const send = async (write: (text: string) => void, phase: string): Promise<void> => {
      const series = `sluice_filter_calls_total{filter="open",phase="${phase}"}`;
      for (const [index, chunk] of chunks.entries()) {
        const before = await chains.host.metric(series);
        write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
        if (index < 3)
          await waitFor(`call ${index} of ${phase}`, async () => (await chains.host.metric(series)) > before);
      }
      write("0\r\n\r\n");
    };
    const head = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    chains.answer = () => ok("");
    await using client = await chains.connect();
    client.send(`POST /open HTTP/1.1\r\n${head}`);
    await send((text) => client.send(text), "request-body");
    expect((await chains.last.body()).body.toString()).toBe(chunks.join(""));
    await client.response("POST");
    chains.answer = async ({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}`);
      await send((text) => void socket.write(text), "response-body");
    };
    expect((await client.ask(request("/open"))).body.toString()).toBe(chunks.join(""));
  });

  test("as a whole, closed: 500, and the upstream never hears of it", async () => {
    const { length } = chains.upstream.arrivals;
    const response = await chains.ask(request("/whole-closed", [], "POST", "abc"));
    expect([response.status, chains.upstream.arrivals.length]).toEqual([500, length]);
  });

  test("as a whole, open: the body as it came, and no edit of the call that failed", async () => {
    chains.answer = echo;
    const response = await chains.ask(request("/whole-open", [], "POST", "abc"));
    expect((await chains.last.body()).body.toString()).toBe("abc");
    expect(chains.last.head.one("x-head-whole-open")).toBe("1");
    expect(chains.last.head.all("x-body-whole-open")).toEqual([]);
    // It failed over the request, and is not asked about the response.
    expect([response.body.toString(), response.head.all("x-head-whole-open")]).toEqual(["abc", []]);
  });

  test("over trailers, open: they go on as they were", async () => {
    chains.answer = () => chunked(["abc"]);
    await chains.ask(post("/trailers", ["abc"], ["X-Do: panic", "X-T: 1"]));
    expect((await chains.last.body()).trailers).toEqual([
      ["X-Do", "panic"],
      ["X-T", "1"],
    ]);
  });

  test("by holding too much, open: nothing is lost", async () => {
    chains.answer = echo;
    const body = "x".repeat(5_000);
    const response = await chains.ask(post("/flood", [body.slice(0, 600), body.slice(600)]));
    expect(response.body.toString() === body).toBe(true);
  });
});

test.each([
  "pass",
  "hold",
  "raise",
  "whole",
  "whole-raise",
  "pass-hold-whole",
  "whole-hold-raise",
  "whole-raise-pass",
])("however a body is cut into chunks, %s makes the same of it", async (chain) => {
  const piece = fc.stringMatching(/^[a-z]{1,40}$/);
  const pieces = fc.array(piece, { maxLength: 12 });
  await using client = await chains.connect();
  await fc.assert(
    fc.asyncProperty(pieces, pieces, async (sent, answered) => {
      chains.answer = () => chunked(answered);
      const response = await client.ask(post(`/${chain}`, sent));
      const as = (text: string): string => (chain.includes("raise") ? text.toUpperCase() : text);
      expect((await chains.last.body()).body.toString()).toBe(as(sent.join("")));
      expect(response.body.toString()).toBe(as(answered.join("")));
    }),
    { numRuns: 15 },
  );
});
