/** What RFC 9110 asks of a gateway. Each title begins with the section. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RawClient, type RawResponse, request } from "../support/raw-client.ts";
import { startProxy, type TestHost } from "../support/test-host.ts";
import { type Arrival, ok, Upstream } from "../support/upstream.ts";
import type { Head } from "../support/wire.ts";
import { tabulate } from "./table.ts";

tabulate("RFC 9110");

let upstream: Upstream;
let host: TestHost;
let client: RawClient;
/** What the upstream answers next. */
let answer: string;

beforeAll(async () => {
  upstream = await Upstream.start(() => answer);
  host = await startProxy(upstream);
  client = await host.connect();
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** Sends a request through the host, and gives what either side got. */
async function pass(
  sent: string,
  answered: string = ok(""),
): Promise<{ seen: Head; arrival: Arrival; response: RawResponse }> {
  answer = answered;
  const response = await client.ask(sent);
  const arrival = upstream.arrivals.at(-1) as Arrival;
  return { seen: arrival.head, arrival, response };
}

describe("§7.6.1 Connection", () => {
  const LISTED = [
    "Keep-Alive: timeout=9",
    "Proxy-Connection: keep-alive",
    "TE: trailers",
    "Trailer: X-Late",
    "Upgrade: h2c",
  ];
  const OWN = ["Connection: X-Own, keep-alive", "X-Own: 1", "Connection: x-other", "X-Other: 2"];

  test("fields of the client's connection do not reach the upstream", async () => {
    const { seen } = await pass(request("/", [...LISTED, ...OWN, "X-Stays: 1"]));
    const names = ["keep-alive", "proxy-connection", "trailer", "upgrade", "x-own", "x-other"];
    expect(seen.names.filter((name) => names.includes(name))).toEqual([]);
    expect(seen.one("x-stays")).toBe("1");
    // This hop says the same of its own connection, since it forwards trailers.
    expect([seen.one("te"), seen.one("connection")]).toEqual(["trailers", "te"]);
    expect(seen.all("connection").join()).not.toMatch(/x-o/i);
  });

  test("fields of the upstream's connection do not reach the client", async () => {
    const { response } = await pass(
      request("/"),
      ok("", [...LISTED, ...OWN, "Proxy-Authenticate: Basic", "X-Stays: 1"]),
    );
    const names = ["proxy-connection", "te", "trailer", "upgrade", "x-own", "x-other", "proxy-authenticate"];
    expect(response.head.names.filter((name) => names.includes(name))).toEqual([]);
    expect(response.head.one("keep-alive"), "the upstream's").not.toBe("timeout=9");
    expect(response.head.one("x-stays")).toBe("1");
    expect(response.head.all("connection").join()).not.toMatch(/x-o/i);
  });

  test("a client cannot name away what tells who it is or where the message goes", async () => {
    const { seen } = await pass(
      request("/", [
        "Authorization: a",
        "Cookie: b",
        "X-Forwarded-For: c",
        "Connection: authorization, cookie, host, x-forwarded-for, via",
      ]),
    );
    expect(
      ["host", "authorization", "cookie", "x-forwarded-for", "via"].filter(
        (name) => !seen.names.includes(name),
      ),
    ).toEqual([]);
  });

  test("close concerns the client's connection alone", async () => {
    const connections = upstream.connections;
    await using closing = await host.connect();
    answer = ok("");
    const { head } = await closing.ask(request("/", ["Connection: close"]));
    expect(head.one("connection")).toBe("close");
    await pass(request("/"));
    expect(upstream.connections, "the upstream's connection went with it").toBeLessThanOrEqual(
      connections + 1,
    );
    expect((upstream.arrivals.at(-2) as Arrival).connection).toBe(
      (upstream.arrivals.at(-1) as Arrival).connection,
    );
  });
});

test("§7.2 the host of an absolute target replaces the Host field", async () => {
  const { seen } = await pass("GET http://target.test:81/p HTTP/1.1\r\nHost: field.test\r\n\r\n");
  expect([seen.startLine, seen.one("host")]).toEqual(["GET /p HTTP/1.1", "target.test:81"]);
});

test("§7.6.3 Via names the protocol that each message came in, behind the Via that was there", async () => {
  const { seen, response } = await pass(request("/", ["Via: 1.0 fred"]), ok("", ["Via: 1.1 inner"]));
  expect(seen.all("via").join()).toMatch(/^1\.0 fred,1\.1 sluice-[0-9a-f]{8}$/);
  expect(response.head.all("via").join()).toMatch(/^1\.1 inner,1\.1 sluice-[0-9a-f]{8}$/);
});

test("§5.1 fields that nobody knows go on", async () => {
  const { seen, response } = await pass(request("/", ["X-Unheard-Of: 1"]), ok("", ["X-Unknown: 2"]));
  expect([seen.one("x-unheard-of"), response.head.one("x-unknown")]).toEqual(["1", "2"]);
});

test("§5.3 the order of fields with one name stays", async () => {
  const { seen, response } = await pass(
    request("/", ["A: 1", "B: x", "A: 2"]),
    ok("", ["C: 1", "D: x", "C: 2"]),
  );
  expect([seen.all("a"), response.head.all("c")]).toEqual([
    ["1", "2"],
    ["1", "2"],
  ]);
});

test("§5.5 values may hold any byte of 0x80 to 0xFF", async () => {
  const bytes = Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join("");
  const { seen, response } = await pass(request("/", [`X-Bytes: ${bytes}`]), ok("", [`X-Bytes: ${bytes}`]));
  expect([seen.one("x-bytes"), response.head.one("x-bytes")]).toEqual([bytes, bytes]);
});

test("§6.6.1 a response without Date gets one", async () => {
  const { response } = await pass(request("/"));
  expect(Number.isNaN(Date.parse(response.head.one("date") ?? ""))).toBe(false);
});

test("§7.7 paths and queries go on byte for byte", async () => {
  const targets = ["/a/%2e%2E/b", "/%c3%a9?%20+&=", "//x//", "/a;b=c/d?x=/..&y", "/?", "/a/../b", "/a?%zz"];
  for (const target of targets) {
    const { seen } = await pass(request(target));
    expect(seen.startLine).toBe(`GET ${target} HTTP/1.1`);
  }
});

test("§8.6 Content-Length does not go with 204", async () => {
  const { response } = await pass(request("/"), "HTTP/1.1 204 No Content\r\n\r\n");
  expect([response.status, response.head.names.includes("content-length")]).toEqual([204, false]);
});

test("§9.3.2 the length that answers HEAD is that of the upstream", async () => {
  const { response } = await pass(
    request("/", [], "HEAD"),
    "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
  );
  expect(response.head.one("content-length")).toBe("12345");
});

test("§9.3.6 CONNECT is answered with 501: a gateway opens no tunnels", async () => {
  await using tunnel = await host.connect();
  expect((await tunnel.ask("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n")).status).toBe(501);
});

describe("§10.1.1 Expect", () => {
  test("100-continue is met by this hop and does not go on", async () => {
    answer = ok("");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect((await client.head()).startLine).toMatch(/^HTTP\/1\.1 100 /);
    client.send("ab");
    expect((await client.response("POST")).status).toBe(200);
    const arrival = upstream.arrivals.at(-1) as Arrival;
    expect([arrival.head.one("expect"), (await arrival.body()).body.toString()]).toEqual([undefined, "ab"]);
  });

  test("HTTP/1.0 clients are sent no 100", async () => {
    await using old = await host.connect();
    answer = ok("");
    const sent = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab";
    expect((await old.ask(sent)).interim).toEqual([]);
  });

  test("an unknown expectation gets 417", async () => {
    await using other = await host.connect();
    expect((await other.ask(request("/", ["Expect: x"]))).status).toBe(417);
  });
});

describe("§15.2 interim responses", () => {
  const HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x-own\r\nX-Own: 1\r\n\r\n";

  test("go on in their order, without the fields of the upstream's connection, and then the final one", async () => {
    const { response } = await pass(request("/"), `HTTP/1.1 102 Processing\r\n\r\n${HINTS}${ok("final")}`);
    expect(response.interim.map(({ startLine }) => startLine)).toEqual([
      "HTTP/1.1 102 Processing",
      "HTTP/1.1 103 Early Hints",
    ]);
    expect(response.interim[1]?.fields).toEqual([["Link", "</a.css>"]]);
    expect([response.status, response.body.toString()]).toEqual([200, "final"]);
    expect((await pass(request("/"))).response.interim).toEqual([]);
  });

  test("do not go to HTTP/1.0, which has none", async () => {
    await using old = await host.connect();
    answer = `${HINTS}${ok("final")}`;
    const { interim, body } = await old.ask("GET / HTTP/1.0\r\n\r\n");
    expect([interim, body.toString()]).toEqual([[], "final"]);
  });

  test("of 100, which this hop has not asked for, are passed over", async () => {
    const { response } = await pass(request("/"), `HTTP/1.1 100 Continue\r\n\r\n${ok("final")}`);
    expect([response.interim, response.body.toString()]).toEqual([[], "final"]);
  });

  test("without end are none", async () => {
    const { response } = await pass(request("/"), `${HINTS.repeat(100)}${ok("final")}`);
    expect(response.status).toBe(502);
  });
});

describe("§6.5 trailers", () => {
  const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";

  test("of a response go on behind its body", async () => {
    const { response } = await pass(
      request("/", ["TE: trailers"]),
      `${CHUNKED}X-Sum: 1\r\nx-more: \xff\r\n\r\n`,
    );
    expect([response.body.toString(), response.trailers]).toEqual([
      "a",
      [
        ["X-Sum", "1"],
        ["x-more", "\xff"],
      ],
    ]);
  });

  test("of a request go on behind its body", async () => {
    const chunks = "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n";
    const { arrival } = await pass(
      `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`,
    );
    const { body, trailers } = await arrival.body();
    expect([body.toString(), trailers]).toEqual(["a", [["X-Sum", "1"]]]);
  });

  test("that frame, route or authenticate are dropped, in both directions", async () => {
    const forbidden = [
      "Content-Length: 5",
      "Transfer-Encoding: chunked",
      "Host: b",
      "Authorization: x",
      "Set-Cookie: a",
      "Via: 1.1 x",
    ];
    const section = [...forbidden, "X-Sum: 1"].map((line) => `${line}\r\n`).join("");
    const chunks = `1\r\na\r\n0\r\n${section}\r\n`;
    const { arrival, response } = await pass(
      `POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`,
      `${CHUNKED}${section}\r\n`,
    );
    expect((await arrival.body()).trailers).toEqual([["X-Sum", "1"]]);
    expect(response.trailers).toEqual([["X-Sum", "1"]]);
  });

  test("have no place behind a body with a length, and none in HTTP/1.0", async () => {
    await using old = await host.connect();
    answer = `${CHUNKED}X-Sum: 1\r\n\r\n`;
    const { body, trailers } = await old.ask("GET / HTTP/1.0\r\n\r\n");
    expect([body.toString(), trailers]).toEqual(["a", []]);
  });

  test("are announced by Trailer, which is harmless where none follow", async () => {
    const { response } = await pass(request("/", ["Trailer: foo"]), ok("", ["Trailer: foo"]));
    expect(response.status).toBe(200);
  });
});

describe("§7.6.2 Max-Forwards", () => {
  test.each(["OPTIONS", "TRACE"])("counts the hops of %s, and at 0 this one answers", async (method) => {
    const { seen } = await pass(request("/", ["Max-Forwards: 3"], method));
    expect([seen.startLine, seen.one("max-forwards")]).toEqual([`${method} / HTTP/1.1`, "2"]);
    const before = upstream.arrivals.length;
    expect((await client.ask(request("/", ["Max-Forwards: 0"], method))).status).toBe(
      method === "OPTIONS" ? 204 : 501,
    );
    expect(upstream.arrivals.length).toBe(before);
  });

  test("means nothing in other methods", async () => {
    const { seen } = await pass(request("/", ["Max-Forwards: 0"]));
    expect(seen.one("max-forwards")).toBe("0");
  });
});

test("§7.6.3 a request that has been here before is refused with 508", async () => {
  const { seen } = await pass(request("/"));
  const before = upstream.arrivals.length;
  const { status, body } = await client.ask(request("/", [`Via: 1.1 other, ${seen.one("via")}`]));
  expect([status, body.toString()]).toEqual([508, "LOOP_DETECTED\n"]);
  expect(upstream.arrivals.length).toBe(before);
});

test("§9.3.7 OPTIONS * asks this host itself", async () => {
  const before = upstream.arrivals.length;
  const { status, head } = await client.ask(request("*", [], "OPTIONS"));
  expect([status, head.one("allow")]).toEqual([204, expect.stringContaining("GET")]);
  expect(upstream.arrivals.length).toBe(before);
});

test("§15.4.5 304 goes on with its validators and without a body", async () => {
  const { response } = await pass(
    request("/", ['If-None-Match: "a"']),
    'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 7\r\n\r\n',
  );
  expect([response.status, response.head.one("etag")]).toEqual([304, '"a"']);
  expect((await pass(request("/"), ok("next"))).response.body.toString()).toBe("next");
});

test("§15.6 what goes wrong behind this hop has a status of its own: 502, and never 500", async () => {
  const { response } = await pass(request("/"), "garbage\r\n\r\n");
  expect(response.status).toBe(502);
});

test("§7.8 an offer to upgrade goes on as this hop's own, and need not be taken", async () => {
  const { seen, response } = await pass(
    request("/", ["Connection: Upgrade", "Upgrade: websocket"]),
    ok("plain"),
  );
  expect([seen.one("upgrade"), seen.one("connection")]).toEqual(["websocket", "upgrade"]);
  expect([response.status, response.body.toString()]).toEqual([200, "plain"]);
});
