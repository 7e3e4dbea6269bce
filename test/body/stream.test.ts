/** Bodies that filters take chunk by chunk. */
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { chunked, echo, post, useChains, type Way } from "./chains.ts";

const both = (way: Way): { request: Way; response: Way } => ({ request: way, response: way });
const ACTS = ["pass", "raise", "wrap", "measure", "drop", "hold", "count"] as const;

const chains = useChains(
  {
    ...Object.fromEntries(ACTS.map((act) => [act, both({ take: "stream", act })])),
    a: both({ take: "stream", act: "wrap" }),
    b: both({ take: "stream", act: "wrap" }),
    obey: { ...both({ take: "stream", act: "obey" }), end: true },
    before: { response: { head: true, take: "stream", act: "wrap" } },
    trailers: both({ trailers: true }),
    more: both({ trailers: true, take: "stream" }),
  },
  {
    ...Object.fromEntries(ACTS.map((act) => [act, [act]])),
    ab: ["a", "b"],
    held: ["hold", "a"],
    obey: ["before", "obey"],
    trailers: ["trailers", "more"],
  },
  { limits: { "body-held-bytes": "4KiB" } },
);

describe("what a filter decides about a chunk", () => {
  test.each([
    ["pass", "abcdef", "ghijkl"],
    ["raise", "ABCDEF", "GHIJKL"],
    ["wrap", "<wrap:abcdef>", "<wrap:ghijkl>"],
    ["measure", "6.", "6."],
    ["drop", "", ""],
    ["hold", "abcdef", "ghijkl"],
    ["count", "6", "6"],
  ])("%s: done with a body that has a length, both ways", async (act, sent, answered) => {
    chains.answer = () => "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nghijkl";
    const response = await chains.ask(request(`/${act}`, [], "POST", "abcdef"));
    expect((await chains.last.body()).body.toString()).toBe(sent);
    expect(response.body.toString()).toBe(answered);
    // It might be another length with each chunk, and nobody knows before.
    for (const { head } of [chains.last, response])
      expect([head.all("transfer-encoding"), head.all("content-length")]).toEqual([["chunked"], []]);
  });

  test.each([
    ["pass", /^abcdef$/],
    ["wrap", /^(<wrap:[a-f]+>)+(<wrap:>)?$/],
    ["measure", /^(\d+,)*\d+\.$/],
    ["hold", /^abcdef$/],
    ["count", /^6$/],
  ])("%s: done with a body in chunks, both ways", async (act, expected) => {
    chains.answer = () => chunked(["abc", "def"]);
    const response = await chains.ask(post(`/${act}`, ["abc", "def"]));
    for (const body of [(await chains.last.body()).body.toString(), response.body.toString()])
      expect(body).toMatch(expected);
  });

  test("requests pass filters in order, responses in reverse", async () => {
    chains.answer = echo;
    const response = await chains.ask(request("/ab", [], "POST", "x"));
    expect((await chains.last.body()).body.toString()).toBe("<b:<a:x>>");
    expect(response.body.toString()).toBe("<a:<b:<b:<a:x>>>>");
  });

  test("what is held goes on at the end, through the filters behind", async () => {
    chains.answer = echo;
    await chains.ask(post("/held", ["abc", "def"]));
    expect((await chains.last.body()).body.toString()).toMatch(/^(<a:[a-f]+>)+$/);
  });
});

describe("a body that is none", () => {
  test.each(["wrap", "count", "hold"])("is no call of %s, and keeps its framing", async (act) => {
    chains.answer = () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const before = [await calls(act, "request-body"), await calls(act, "response-body")];
    const response = await chains.ask(request(`/${act}`));
    expect(response.body.length).toBe(0);
    expect(response.head.one("content-length")).toBe("0");
    expect(chains.last.head.names).not.toContain("transfer-encoding");
    expect([await calls(act, "request-body"), await calls(act, "response-body")]).toEqual(before);
  });

  test("but comes in chunks is one call, of nothing, that says last", async () => {
    chains.answer = () => chunked([]);
    const response = await chains.ask(post("/measure", []));
    expect([response.body.toString(), (await chains.last.body()).body.toString()]).toEqual(["0.", "0."]);
  });

  test.each([
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", 200],
    ["GET", "HTTP/1.1 204 No Content\r\n\r\n", 204],
    ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\n", 304],
  ])("%s, %s: no call, and no length that would be another one's", async (method, answer, status) => {
    chains.answer = () => answer;
    const before = await calls("wrap", "response-body");
    await using client = await chains.connect();
    const response = await client.ask(request("/wrap", [], method));
    expect([response.status, response.head.all("content-length")]).toEqual([status, []]);
    // The connection goes on.
    expect((await client.ask(request("/wrap", [], method))).status).toBe(status);
    expect(await calls("wrap", "response-body")).toBe(before);
  });

  test("HTTP/1.0 gets a replaced body until the end of the connection", async () => {
    chains.answer = () => "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef";
    const response = await chains.ask("GET /wrap HTTP/1.0\r\nHost: a\r\n\r\n");
    expect(response.body.toString()).toBe("<wrap:abcdef>");
    expect(response.head.names).not.toContain("content-length");
    expect(response.head.names).not.toContain("transfer-encoding");
  });
});

describe("a filter that ends the exchange over a chunk", () => {
  test("of a request: its reply goes through those before it, with a length of its own", async () => {
    chains.answer = echo;
    const response = await chains.ask(request("/obey", [], "POST", "reply"));
    expect([response.status, response.body.toString()]).toEqual([418, "<before:short and stout>"]);
    expect(response.head.one("content-length")).toBe("24");
    expect(response.head.one("x-head-before")).toBe("1");
    await chains.last.closed;
  });

  test("of a response whose head is out: the message breaks off", async () => {
    chains.answer = async ({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
      await begun;
      socket.write("5\r\nreply\r\n");
    };
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    await using client = await chains.connect();
    client.send(request("/obey"));
    expect((await client.head()).startLine).toMatch(/ 200 /);
    begin();
    // Not `0` and the empty line, which would be an end in order.
    expect(await client.close()).toBe("c\r\n<before:abc>\r\n");
    await failed("FILTER_BROKE_OFF", /^obey has replied/);
  });

  test("by a reset: the client is cut off, whatever it has got", async () => {
    chains.answer = echo;
    await using client = await chains.connect();
    client.send(request("/obey", [], "POST", "reset"));
    expect(await client.close()).toBe("");
    await chains.last.closed;
    await failed("FILTER_BROKE_OFF", /^obey has reset/);
  });

  test("by holding too much: it has failed, and the log says by how much", async () => {
    chains.answer = echo;
    const response = await chains.ask(request("/hold", [], "POST", "x".repeat(4_097)));
    expect([response.status, response.body.toString()]).toEqual([500, "FILTER_BROKE_CONTRACT\n"]);
    await failed("FILTER_BROKE_CONTRACT", /more than 4096 bytes of a body are held/);
  });
});

describe("trailers", () => {
  test("pass filters in their order, behind the body", async () => {
    chains.answer = () => chunked(["abc", "def"], ["X-T: 1"]);
    const response = await chains.ask(post("/trailers", ["ab", "c"], ["X-T: 1"]));
    const arrived = await chains.last.body();
    expect([response.body.toString(), arrived.body.toString()]).toEqual(["abcdef", "abc"]);
    expect(arrived.trailers).toEqual([
      ["X-T", "1"],
      ["x-trailer-trailers", "1"],
      ["x-trailer-more", "2"],
    ]);
    expect(response.trailers.map(([name]) => name)).toEqual(["X-T", "x-trailer-more", "x-trailer-trailers"]);
  });

  test("that are none are no call", async () => {
    chains.answer = () => chunked(["abc"]);
    const response = await chains.ask(post("/trailers", ["abc"]));
    expect([response.trailers, (await chains.last.body()).trailers]).toEqual([[], []]);
  });

  test.each([
    ["refused", '"content-length" frames or routes the message'],
    ["untrailing", '"authorization" must not be in trailers'],
    ["panic", "panicked over trailers"],
  ])("with an edit that is refused, or a trap, are a failure: %s", async (what, detail) => {
    chains.answer = () => new Promise(() => {});
    const response = await chains.ask(post("/trailers", ["abc"], [`X-Do: ${what}`]));
    expect(response.status).toBe(500);
    const line = await chains.host.lines(
      "it",
      ({ msg, ...line }) => msg === "exchange" && String(line["sluice.detail"]).includes(detail),
    );
    expect(line.length).toBe(1);
  });

  test("that a filter answers: the upstream is given up, and the client has the reply", async () => {
    chains.answer = () => new Promise(() => {});
    const response = await chains.ask(post("/trailers", ["abc"], ["X-Do: reply"]));
    expect([response.status, response.head.one("x-by")]).toEqual([418, "trailers"]);
    await chains.last.closed;
  });
});

function calls(filter: string, phase: string): Promise<number> {
  return chains.host.metric(`sluice_filter_calls_total{filter="${filter}",phase="${phase}"}`);
}

/** Resolves when the log has an exchange that failed so, in these words. */
async function failed(code: string, words: RegExp): Promise<void> {
  await chains.host.lines(
    code,
    (line) => line["error.type"] === code && words.test(String(line["sluice.detail"])),
  );
}
