/** What RFC 9112 asks of a server, and what keeps two sides from framing a message differently. Each title begins with the section. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { BrokenOff } from "../support/wire.ts";
import { tabulate } from "./table.ts";

tabulate("RFC 9112");

let upstream: Upstream;
let host: TestHost;

beforeAll(async () => {
  upstream = await Upstream.start(async (arrival) => {
    const { body } = await arrival.body();
    return ok(`${arrival.target} ${body.toString("latin1")}`);
  });
  host = await startProxy(upstream);
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** Requests that end in 400 and the end of the connection, and that no upstream ever sees. */
const REFUSED: readonly (readonly [title: string, bytes: string])[] = [
  ["§2.2 lines that end in LF alone", "GET / HTTP/1.1\nHost: a\n\n"],
  ["§2.2 a CR within a line", "GET / HTTP/1.1\r\nHost: a\r\nX-Own: a\rb\r\n\r\n"],
  ["§2.2 white space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"],
  ["§2.2 white space before the request", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["§2.3 HTTP/2.0 in a request line", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"],
  ["§2.3 a version that does not exist", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"],
  ["§3 no version", "GET /\r\n\r\n"],
  ["§3.2 no Host", "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"],
  ["§3.2 two Hosts, even alike", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"],
  ["§3.2 a Host with user information", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"],
  ["§3.2 a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"],
  ["§3.2 a Host of two words", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"],
  ["§3.2 a Host whose port is no number", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"],
  ["§3.2 a Host with a byte beyond ASCII", "GET / HTTP/1.1\r\nHost: caf\xe9\r\n\r\n"],
  ["§3.2 white space within the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["§3.2 a control byte in the target", "GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["§3.2 a byte beyond ASCII in the target", "GET /caf\xe9 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["§3.2.1 a fragment in the target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["§3.2.1 a path without its slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["§3.2.2 an absolute target with user information", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["§3.2.2 an absolute target without a host", "GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["§3.2.2 an absolute target of another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["§3.2.4 an asterisk for anything but OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["§5 a field without a colon", "GET / HTTP/1.1\r\nHost: a\r\nX-Own\r\n\r\n"],
  ["§5 a field without a name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"],
  ["§5 a name that is no token", "GET / HTTP/1.1\r\nHost: a\r\nX(Own): b\r\n\r\n"],
  ["§5.1 white space before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX-Own : b\r\n\r\n"],
  ["§5.2 a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX-Own: a\r\n b\r\n\r\n"],
  ["§5 NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-Own: a\0b\r\n\r\n"],
  ["§6.1 a length beside chunks", chunked("Content-Length: 3\r\nTransfer-Encoding: chunked")],
  ["§6.1 chunks beside a length", chunked("Transfer-Encoding: chunked\r\nContent-Length: 3")],
  ["§6.1 chunked twice", chunked("Transfer-Encoding: chunked, chunked")],
  ["§6.1 chunked twice, in two fields", chunked("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")],
  ["§6.1 chunked that something else hides", chunked("Transfer-Encoding: \x0bchunked")],
  ["§6.3 chunked that is not the last coding", chunked("Transfer-Encoding: chunked, gzip")],
  ["§6.3 another coding than chunked", chunked("Transfer-Encoding: gzip")],
  ["§6.3 a coding that does not exist", chunked("Transfer-Encoding: xchunked")],
  ["§6.3 identity, which is gone", chunked("Transfer-Encoding: identity")],
  ["§6.3 two lengths that differ", sized("Content-Length: 3\r\nContent-Length: 4")],
  ["§6.3 a length with a sign", sized("Content-Length: +3")],
  ["§6.3 a length below zero", sized("Content-Length: -3")],
  ["§6.3 a length in hexadecimal", sized("Content-Length: 0x3")],
  ["§6.3 a length with a fraction", sized("Content-Length: 3.0")],
  ["§6.3 a length that is empty", sized("Content-Length:")],
  ["§6.3 a length of two words", sized("Content-Length: 3 4")],
  ["§6.3 a length beyond 2^64", sized("Content-Length: 99999999999999999999")],
  ["§6.3 a length beyond what a number holds exactly", sized("Content-Length: 9007199254740993")],
  ["§9.3 what an HTTP/2 client begins with", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
];

describe("requests that are refused", () => {
  test.each(REFUSED)(
    "%s: 400 and the end of the connection, and nothing behind it is read",
    async (_, bytes) => {
      const before = upstream.arrivals.length;
      await using client = await host.connect();
      client.send(bytes + request("/behind"));
      const { status, head } = await client.response();
      expect([status, head.one("connection")]).toEqual([400, "close"]);
      expect(await client.close()).toBe("");
      expect(upstream.arrivals.slice(before).map(({ head: seen }) => seen.raw)).toEqual([]);
    },
  );
});

test("§6.1 a coding that nobody here decodes: 501 and the end of the connection", async () => {
  await using client = await host.connect();
  client.send(chunked("Transfer-Encoding: gzip, chunked") + request("/behind"));
  const { status, head, body } = await client.response();
  expect([status, head.one("connection"), body.toString()]).toEqual([501, "close", "CODING_UNKNOWN\n"]);
  expect(await client.close()).toBe("");
});

describe("§7.1 chunks", () => {
  test.each([
    ["a size that is no number", "zz\r\nabc\r\n0\r\n\r\n"],
    ["a size with a sign", "+3\r\nabc\r\n0\r\n\r\n"],
    ["a size beyond 2^64", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"],
    ["more bytes than were told", "3\r\nabcd\r\n0\r\n\r\n"],
    ["a line that ends in LF alone", "3\nabc\n0\n\n"],
  ])("%s: the request has no whole body, and nothing behind it is read", async (_, body) => {
    const before = upstream.arrivals.length;
    await using client = await host.connect();
    client.send(
      `POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}${request("/behind")}`,
    );
    // A request under way may be answered or not; the connection ends either way.
    expect(await client.close()).toMatch(/^(HTTP\/1\.1 (400|502) |$)/);
    const arrivals = upstream.arrivals.slice(before);
    expect(arrivals.map(({ target }) => target)).not.toContain("/behind");
    for (const arrival of arrivals) await expect(arrival.body()).rejects.toBeInstanceOf(BrokenOff);
  });

  test("extensions and trailers do not change where the next request begins", async () => {
    await using client = await host.connect();
    const body = "3;name=value\r\nabc\r\n2;q\r\nde\r\n0;last\r\nX-Trailer: 1\r\n\r\n";
    client.send(
      `DELETE /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}${request("/two")}`,
    );
    expect((await client.response()).body.toString()).toBe("/one abcde");
    expect((await client.response()).body.toString()).toBe("/two ");
  });

  test.each(["GET", "DELETE", "OPTIONS", "HEAD"])(
    "a request in the body of a chunked %s stays a body",
    async (method) => {
      const before = upstream.arrivals.length;
      await using client = await host.connect();
      const hidden = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
      const size = hidden.length.toString(16);
      await client.ask(
        `${method} /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\n${hidden}\r\n0\r\n\r\n`,
      );
      await client.ask(request("/next"));
      const arrivals = upstream.arrivals.slice(before);
      expect(arrivals.map(({ target }) => target)).toEqual(["/outer", "/next"]);
      expect((await arrivals[0]?.body())?.body.toString()).toBe(hidden);
    },
  );
});

test("§2.2 an empty line before a request is passed over", async () => {
  await using client = await host.connect();
  expect((await client.ask(`\r\n${request("/")}`, "GET")).status).toBe(200);
});

test("§3.2.2 an absolute target is taken, also without a path", async () => {
  await using client = await host.connect();
  for (const target of ["http://a.test", "HTTP://A.test/", "http://[::1]:80?q", "http://a.test:/x"]) {
    expect((await client.ask(`GET ${target} HTTP/1.1\r\nHost: b\r\n\r\n`)).status, target).toBe(200);
  }
});

test("§6.1 chunks from HTTP/1.0: the message may be read, but its connection ends", async () => {
  await using client = await host.connect();
  client.send(
    `POST /old HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${request("/behind")}`,
  );
  expect(await client.close()).not.toContain("/behind");
  expect(upstream.arrivals.map(({ target }) => target)).not.toContain("/behind");
});

test("§6.3 GET may have a body, which ends where its length says", async () => {
  await using client = await host.connect();
  client.send(`${request("/one", [], "GET", "abc")}${request("/two")}`);
  expect((await client.response()).body.toString()).toBe("/one abc");
  expect((await client.response()).body.toString()).toBe("/two ");
});

test("§8 a request that is cut off reaches no upstream as a whole one", async () => {
  const before = upstream.arrivals.length;
  await using client = await host.connect();
  client.send("POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  const arrival = await upstream.arrived(before + 1);
  client.destroy();
  await expect(arrival.body()).rejects.toBeInstanceOf(BrokenOff);
});

test("§9.3.2 pipelined requests are answered in their order", async () => {
  await using client = await host.connect();
  const targets = Array.from({ length: 20 }, (_, index) => `/${index}`);
  client.send(targets.map((target) => request(target)).join(""));
  for (const target of targets) expect((await client.response()).body.toString()).toBe(`${target} `);
});

function chunked(fields: string): string {
  return `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;
}

function sized(fields: string): string {
  return `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\nabc`;
}
