/** Bodies that filters take as a whole, and the heads that wait for them. */
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { waitFor } from "../support/waiting.ts";
import { chunked, echo, post, useChains, type Way } from "./chains.ts";

const both = (way: Way): { request: Way; response: Way } => ({ request: way, response: way });
const WHOLE = { take: { whole: 64 } } as const;

const chains = useChains(
  {
    pass: both({ head: true, ...WHOLE }),
    count: both({ ...WHOLE, act: "count" }),
    drop: both({ ...WHOLE, act: "drop" }),
    wrap: both({ ...WHOLE, act: "wrap" }),
    obey: { ...both({ ...WHOLE, act: "obey" }), end: true },
    narrow: both({ take: { whole: 4 } }),
    stream: both({ take: "stream", act: "wrap" }),
    after: both({ head: true }),
    trailers: both({ trailers: true, ...WHOLE }),
    large: both({ take: { whole: 1_048_576 } }),
  },
  {
    pass: ["pass"],
    count: ["count"],
    drop: ["drop"],
    wrap: ["wrap"],
    obey: ["after", "obey"],
    narrow: ["after", "narrow"],
    "stream-narrow": ["stream", "narrow"],
    mixed: ["stream", "wrap", "after", "count"],
    trailers: ["trailers"],
    large: ["large"],
  },
);

describe("what a filter decides about a whole body", () => {
  test.each([
    ["pass", "abcdef"],
    ["count", "6"],
    ["wrap", "<wrap:abcdef>"],
    ["drop", ""],
  ])("%s: done, both ways, with the exact length and the head's edits", async (act, expected) => {
    for (const [sent, answer] of [
      [request(`/${act}`, [], "POST", "abcdef"), "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"],
      [post(`/${act}`, ["abc", "def"]), chunked(["abc", "def"])],
    ] as const) {
      chains.answer = () => answer;
      const response = await chains.ask(sent);
      const arrived = await chains.last.body();
      for (const [head, body] of [
        [chains.last.head, arrived.body],
        [response.head, response.body],
      ] as const) {
        expect(body.toString()).toBe(expected);
        expect(head.one("content-length")).toBe(`${expected.length}`);
        expect(head.all("transfer-encoding")).toEqual([]);
        expect(head.one(`x-body-${act}`)).toBe("6");
      }
    }
  });

  test("none is a body of nothing, and may become one", async () => {
    chains.answer = () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const response = await chains.ask(request("/wrap"));
    expect(response.body.toString()).toBe("<wrap:>");
    expect((await chains.last.body()).body.toString()).toBe("<wrap:>");
    expect(response.head.one("x-body-wrap")).toBe("0");
  });

  test("none that stays none goes on as it came", async () => {
    chains.answer = () => "HTTP/1.1 204 No Content\r\n\r\n";
    const response = await chains.ask(request("/pass"));
    expect([response.status, response.head.one("x-body-pass")]).toEqual([204, "0"]);
    expect(chains.last.head.all("content-length")).toEqual([]);
    expect(chains.last.head.one("x-body-pass")).toBe("0");
  });

  test("of a response to HEAD: a body of nothing, and nothing that is put in its place is sent", async () => {
    chains.answer = () => "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";
    await using client = await chains.connect();
    const response = await client.ask(request("/wrap", [], "HEAD"));
    expect([response.status, response.head.all("content-length")]).toEqual([200, []]);
    expect(response.head.one("x-body-wrap")).toBe("0");
    chains.answer = echo;
    expect((await client.ask(request("/wrap", [], "POST", "a"))).body.toString()).toBe("<wrap:<wrap:a>>");
  });

  test("a reply, of a request: the upstream never hears of it", async () => {
    const { length } = chains.upstream.arrivals;
    const response = await chains.ask(request("/obey", [], "POST", "reply"));
    expect([response.status, response.head.one("x-by"), response.head.one("x-head-after")]).toEqual([
      418,
      "obey",
      "1",
    ]);
    expect(chains.upstream.arrivals.length).toBe(length);
  });

  test("a reply, of a response: it takes its place, and the upstream's connection goes on", async () => {
    chains.answer = () => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nreply";
    const response = await chains.ask(request("/obey"));
    expect([response.status, response.body.toString()]).toEqual([418, "short and stout"]);
    expect(response.head.one("content-length")).toBe("15");
    expect(response.head.one("x-head-after")).toBe("1");
  });

  test("with trailers it goes on in chunks, so that they are not lost", async () => {
    chains.answer = () => chunked(["abc", "def"], ["X-T: 1"]);
    const response = await chains.ask(post("/trailers", ["ab", "c"], ["X-T: 1"]));
    const arrived = await chains.last.body();
    expect([arrived.body.toString(), response.body.toString()]).toEqual(["abc", "abcdef"]);
    for (const { trailers } of [arrived, response])
      expect(trailers).toEqual([
        ["X-T", "1"],
        ["x-trailer-trailers", "1"],
      ]);
  });
});

describe("filters that take bodies in different ways", () => {
  test("make one chain: in order with the request, in reverse with the response", async () => {
    chains.answer = echo;
    const response = await chains.ask(request("/mixed", [], "POST", "abc"));
    // stream: <stream:abc>, 12 bytes; wrap: 19; count: its length.
    expect((await chains.last.body()).body.toString()).toBe("19");
    expect(chains.last.head.one("x-body-wrap")).toBe("12");
    expect(chains.last.head.one("x-body-count")).toBe("19");
    // The filter behind the first that waits has seen the head after it.
    const { names } = chains.last.head;
    expect(names.indexOf("x-head-after")).toBeGreaterThan(names.indexOf("x-body-wrap"));
    expect(names.indexOf("x-head-after")).toBeLessThan(names.indexOf("x-body-count"));
    // count: "19" is 2 bytes long; wrap and stream around it.
    expect(response.body.toString()).toBe("<stream:<wrap:2>>");
  });
});

describe("a body that is longer than a filter takes", () => {
  test("is refused from its length, before a byte of it is read and before the filter is asked", async () => {
    await using client = await chains.connect();
    // The client waits for a word before it sends anything.
    client.send(request("/narrow", ["Expect: 100-continue", "Content-Length: 5"], "POST"));
    const response = await client.response("POST");
    expect([response.status, response.interim.length, response.body.toString()]).toEqual([
      413,
      0,
      "FILTER_BODY_TOO_LARGE\n",
    ]);
    expect(response.head.one("proxy-status")).toBe(
      'sluice; error=http_request_error; details="FILTER_BODY_TOO_LARGE"',
    );
    expect(response.head.one("x-head-after")).toBe("1");
    expect(response.head.raw).not.toMatch(/narrow/);
    const [line] = await chains.host.lines("it", (line) => line["error.type"] === "FILTER_BODY_TOO_LARGE");
    expect(line?.["sluice.detail"]).toBe("narrow takes bodies of up to 4 bytes");
  });

  test("is refused at the byte that is too much, when no length tells", async () => {
    await using client = await chains.connect();
    client.send("POST /narrow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n1\r\ne");
    const response = await client.response("POST");
    expect(response.status).toBe(413);
    expect(await client.close()).toBe("");
  });

  test("as another filter has made it, too", async () => {
    const response = await chains.ask(request("/stream-narrow", [], "POST", "a"));
    expect(response.status).toBe(413);
  });

  test.each([
    ["from its length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"],
    [
      "at the byte that is too much",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde",
    ],
  ])("in a response is a 502, %s", async (_, answer) => {
    chains.answer = ({ socket }) => void socket.write(answer);
    const response = await chains.ask(request("/narrow"));
    expect([response.status, response.body.toString()]).toEqual([502, "FILTER_RESPONSE_TOO_LARGE\n"]);
    expect(response.head.one("proxy-status")).toBe(
      'sluice; error=http_response_body_size; details="FILTER_RESPONSE_TOO_LARGE"',
    );
    expect(response.head.one("x-head-after")).toBe("1");
    await chains.last.closed;
  });
});

describe("while a head waits for its body", () => {
  test("a client that expects it is told to go on, and the upstream hears nothing yet", async () => {
    chains.answer = echo;
    const { length } = chains.upstream.arrivals;
    await using client = await chains.connect();
    client.send(request("/wrap", ["Expect: 100-continue", "Content-Length: 3"], "POST"));
    expect((await client.head()).startLine).toMatch(/^HTTP\/1.1 100 /);
    expect(chains.upstream.arrivals.length).toBe(length);
    client.send("abc");
    expect((await client.response("POST")).body.toString()).toBe("<wrap:<wrap:abc>>");
  });

  test("a client that goes away ends the exchange, and the upstream never hears of it", async () => {
    const { length } = chains.upstream.arrivals;
    await using client = await chains.connect();
    client.send(`${request("/obey", ["Content-Length: 9"], "POST")}abc`);
    await inFlight(1);
    client.reset();
    const [end] = await chains.host.lines(
      "the end",
      (line) => line.msg === "end" && told(line, "ClientGone"),
    );
    expect(end?.["attributes"]).toMatchObject({ went: "0 0" });
    expect(chains.upstream.arrivals.length).toBe(length);
  });

  test("an upstream that breaks off is a 502, since no head is out", async () => {
    chains.answer = ({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
      socket.end();
    };
    const response = await chains.ask(request("/obey"));
    expect([response.status, response.body.toString()]).toEqual([502, "UPSTREAM_BROKE_OFF\n"]);
    expect(response.head.one("x-body-obey")).toBe("19");
  });
});

test("a whole body is sent again when a kept connection turns out to be closed", async () => {
  let closes = 1;
  chains.answer = async (arrival) => {
    const { body } = await arrival.body();
    if (body.toString() === "again" && closes > 0) {
      closes -= 1;
      arrival.socket.destroy();
      return undefined;
    }
    return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body.toString()}`;
  };
  await using client = await chains.connect();
  await client.ask(request("/pass", [], "PUT", "first"));
  const response = await client.ask(request("/pass", [], "PUT", "again"));
  expect([response.status, response.body.toString()]).toEqual([200, "again"]);
});

test("a large body in many small chunks comes whole", async () => {
  chains.answer = echo;
  const body = "0123456789".repeat(20_000);
  const response = await chains.ask(post("/large", body.match(/.{1,7}/g) ?? []));
  expect(response.body.toString() === body).toBe(true);
  expect(chains.last.head.one("content-length")).toBe(`${body.length}`);
});

async function inFlight(count: number): Promise<void> {
  await waitFor(
    "exchanges in flight",
    async () => (await chains.host.metric("sluice_exchanges_in_flight")) === count,
  );
}

function told(line: Readonly<Record<string, unknown>>, ending: string): boolean {
  return JSON.stringify(line["attributes"]).includes(ending);
}
