import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterEach, describe, expect, test } from "vitest";
import { type RawClient, request } from "../support/raw-client.ts";
import { startProxy, type TestHost } from "../support/test-host.ts";
import { type Answer, type Arrival, ok, Upstream } from "../support/upstream.ts";
import { plateau, waitFor, within } from "../support/waiting.ts";
import { BrokenOff } from "../support/wire.ts";

/** More than the buffers of all sockets on the way, by far. */
const LARGE = 128 * 1024 * 1024;
/** What may be on its way at the most: the system's buffers on four sockets, and a little in the host. */
const ON_THE_WAY_MAX = 48 * 1024 * 1024;
const CHUNK = Buffer.alloc(256 * 1024, "0123456789abcdef");

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

/** A host with one upstream, and a client of it. */
async function path(answer: Answer): Promise<{ upstream: Upstream; host: TestHost; client: RawClient }> {
  const upstream = stack.use(await Upstream.start(answer));
  const host = stack.use(await startProxy(upstream));
  return { upstream, host, client: stack.use(await host.connect()) };
}

describe("bodies stream, and nobody is overrun", () => {
  test("a client that does not read stops the upstream, and then gets all of it", async () => {
    const { upstream, client } = await path(({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
      void pour(socket);
    });
    client.send(request("/"));
    const { socket } = await upstream.arrived(1);
    const sent = await plateau(
      "what the upstream can send",
      () => socket.bytesWritten - socket.writableLength,
    );
    expect(sent).toBeLessThan(ON_THE_WAY_MAX);
    const { body } = await client.response();
    expect(body.length).toBe(LARGE);
    expect(body.equals(Buffer.alloc(LARGE, CHUNK)), "other bytes than were sent").toBe(true);
  });

  test("an upstream that does not read stops the client, and then gets all of it", async () => {
    const { promise: reading, resolve: read } = Promise.withResolvers<void>();
    const { upstream, client } = await path(async (arrival) => {
      await reading;
      const { body } = await arrival.body();
      return ok(String(body.equals(Buffer.alloc(LARGE, CHUNK))));
    });
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE}\r\n\r\n`);
    const { socket } = client.wire;
    void pour(socket);
    await upstream.arrived(1);
    const sent = await plateau("what the client can send", () => socket.bytesWritten - socket.writableLength);
    expect(sent).toBeLessThan(ON_THE_WAY_MAX);
    read();
    expect((await client.response("POST")).body.toString()).toBe("true");
  });

  test("the first bytes of a response reach the client before the upstream has more", async () => {
    const { promise: seen, resolve: see } = Promise.withResolvers<void>();
    const { client } = await path(async ({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      await seen;
      socket.write("5\r\nfirst\r\n");
      await seenAgain;
      return "0\r\n\r\n";
    });
    const { promise: seenAgain, resolve: seeAgain } = Promise.withResolvers<void>();
    client.send(request("/"));
    expect((await client.head()).startLine).toMatch(/^HTTP\/1\.1 200 /);
    see();
    expect(await within("the first chunk", client.wire.line())).toBe("5");
    expect((await client.wire.bytes(7)).toString()).toBe("first\r\n");
    seeAgain();
    expect(await within("the last chunk", client.wire.chunked())).toMatchObject({ body: Buffer.alloc(0) });
  });

  test("the first bytes of a request reach the upstream before the client has more", async () => {
    const { upstream, client } = await path(async (arrival) => ok((await arrival.body()).body.toString()));
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    const arrival = await upstream.arrived(1);
    const body = arrival.body();
    await waitFor("the first chunk", () => arrival.wire.received >= arrival.head.raw.length + 3);
    client.send("2\r\nde\r\n0\r\n\r\n");
    expect((await client.response("POST")).body.toString()).toBe("abcde");
    expect((await body).body.toString()).toBe("abcde");
  });
});

describe("a client that goes away", () => {
  const WAITING: Answer = () => new Promise(() => {});

  test("before there is a response: the upstream's connection is closed", async () => {
    const { upstream, host, client } = await path(WAITING);
    client.send(request("/"));
    const arrival = await upstream.arrived(1);
    client.reset();
    await within("the end of the upstream's connection", arrival.closed);
    expect(await endings(host, "CLIENT_GONE")).toBe(1);
  });

  test("in order, without a word: the same", async () => {
    const { upstream, host, client } = await path(WAITING);
    client.send(request("/"));
    const arrival = await upstream.arrived(1);
    client.destroy();
    await within("the end of the upstream's connection", arrival.closed);
    expect(await endings(host, "CLIENT_GONE")).toBe(1);
  });

  test("within its request: the upstream sees no end of it", async () => {
    const { upstream, host, client } = await path(WAITING);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    const arrival = await upstream.arrived(1);
    client.reset();
    await expect(within("the end of the request", arrival.body())).rejects.toBeInstanceOf(BrokenOff);
    expect(await endings(host, "CLIENT_GONE")).toBe(1);
  });

  test("within its response: the upstream's connection is closed", async () => {
    const { upstream, host, client } = await path(({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
      void pour(socket);
    });
    client.send(request("/"));
    await client.head();
    client.reset();
    await within("the end of the upstream's connection", (await upstream.arrived(1)).closed);
    expect(await endings(host, "CLIENT_GONE")).toBe(1);
  });

  test("while it waits for a connection: its request is never sent", async () => {
    const upstream = stack.use(await Upstream.start(WAITING));
    const host = stack.use(await startProxy(upstream, { limits: { "upstream-connections": 1 } }));
    const first = stack.use(await host.connect());
    const second = stack.use(await host.connect());
    first.send(request("/first"));
    await upstream.arrived(1);
    second.send(request("/second"));
    await waitFor("both exchanges", async () => (await host.metric("sluice_exchanges_in_flight")) === 2);
    second.reset();
    expect(await endings(host, "CLIENT_GONE", 1)).toBe(1);
    first.reset();
    expect(await endings(host, "CLIENT_GONE", 2)).toBe(2);
    await within("the end of the first", (await upstream.arrived(1)).closed);
    const third = stack.use(await host.connect());
    third.send(request("/third"));
    expect((await upstream.arrived(2)).target).toBe("/third");
  });

  test("with requests behind it: none of them begins", async () => {
    const { upstream, host, client } = await path(WAITING);
    client.send(request("/a") + request("/b") + request("/c"));
    await upstream.arrived(1);
    client.reset();
    await within("the end of the upstream's connection", (await upstream.arrived(1)).closed);
    expect(await endings(host, "CLIENT_GONE", 1)).toBe(1);
    expect(upstream.arrivals.length).toBe(1);
    await waitFor("the end of all connections", () => upstream.open.size === 0);
    expect(await host.metric("sluice_exchanges_in_flight")).toBe(0);
  });
});

describe("an upstream that breaks off", () => {
  test.each([
    ["before its head", ""],
    ["within its head", "HTTP/1.1 200 OK\r\nX-Secret: 1"],
    ["within an interim response", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"],
  ])("%s: 502, and the client's connection goes on", async (_, bytes) => {
    const { client } = await path(({ socket }) => void socket.end(bytes));
    for (let round = 0; round < 2; round++) {
      const { status, body } = await client.ask(request("/"));
      expect([status, body.toString()]).toEqual([502, "UPSTREAM_BROKE_OFF\n"]);
    }
  });

  test.each([
    ["with a length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"],
    ["in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
    ["within a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"],
  ])("within a body %s: the client's connection breaks, and it has no whole message", async (_, bytes) => {
    const { upstream, host, client } = await path(({ socket }) => void socket.write(bytes));
    const response = client.ask(request("/"));
    const { socket } = await upstream.arrived(1);
    await waitFor("the beginning of the response", () => client.wire.received > 0);
    socket.destroy();
    await expect(response).rejects.toBeInstanceOf(BrokenOff);
    expect(await endings(host, "UPSTREAM_BROKE_OFF")).toBe(1);
  });

  test("within a body to HTTP/1.0, which has no framing: the connection is reset, not closed in order", async () => {
    const { upstream, client } = await path(
      ({ socket }) => void socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    );
    const response = client.ask("GET / HTTP/1.0\r\n\r\n");
    const { socket } = await upstream.arrived(1);
    await waitFor("the beginning of the response", () => client.wire.received > 0);
    socket.destroy();
    await expect(response).rejects.toBeInstanceOf(BrokenOff);
  });

  test("after a body that its own end frames: the client gets it whole", async () => {
    const { client } = await path(({ socket }) => void socket.end("HTTP/1.1 200 OK\r\n\r\nup to the end"));
    const { status, body } = await client.ask(request("/"));
    expect([status, body.toString()]).toEqual([200, "up to the end"]);
    expect((await client.ask(request("/"))).status).toBe(200);
  });
});

describe("a response before the request has ended", () => {
  test("reaches the client, who can stop sending", async () => {
    const { client } = await path(({ socket }) => {
      socket.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nstop");
    });
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    const { status, body } = await client.response("POST");
    expect([status, body.toString()]).toEqual([413, "stop"]);
  });

  test("reaches a client that goes on sending", async () => {
    const { client } = await path(({ socket }) => {
      socket.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nstop");
    });
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE}\r\n\r\n`);
    void pour(client.wire.socket);
    const { status, body } = await client.response("POST");
    expect([status, body.toString()]).toEqual([413, "stop"]);
  });

  test("of the host's own reaches a client that goes on sending", async () => {
    const upstream = stack.use(await Upstream.start());
    const routes = [{ match: { path: "/known" }, upstream: "main" }];
    const host = stack.use(await startProxy(upstream, { routes }));
    const client = stack.use(await host.connect());
    client.send(`POST /unknown HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE}\r\n\r\n`);
    void pour(client.wire.socket);
    const { status, body } = await client.response("POST");
    expect([status, body.toString()]).toEqual([404, "ROUTE_NOT_FOUND\n"]);
  });
});

describe("what this hop adds", () => {
  test("a request id of its own: the same for upstream, client and log, another one for each exchange", async () => {
    const { upstream, host, client } = await path(() => ok("", ["X-Request-Id: the-upstreams"]));
    const first = await client.ask(request("/", ["X-Request-Id: the-clients"]));
    const second = await client.ask(request("/"));
    const ids = [first, second].map(({ head }) => head.all("x-request-id").at(-1));
    expect(upstream.arrivals.map(({ head }) => head.one("x-request-id"))).toEqual(ids);
    expect(new Set(ids).size).toBe(2);
    expect(ids.join(" ")).not.toContain("the-");
    const lines = await host.lines("exchanges", ({ msg }) => msg === "exchange", 2);
    expect(lines.map((line) => line["request_id"])).toEqual(ids);
  });

  test("Via on both sides, behind that of others", async () => {
    const { upstream, client } = await path(() => ok("", ["Via: 1.1 inner"]));
    const { head } = await client.ask(request("/", ["Via: 1.0 outer"]));
    expect(head.all("via").join(", ")).toMatch(/^1\.1 inner, 1\.1 sluice-[0-9a-f]{8}$/);
    expect(upstream.only.head.all("via").join(", ")).toMatch(/^1\.0 outer, 1\.1 sluice-[0-9a-f]{8}$/);
  });

  test("the host that the client asked for, before all other fields", async () => {
    const { upstream, client } = await path(() => ok(""));
    await client.ask("GET /p?q HTTP/1.1\r\nAccept: */*\r\nHost: Example.com:81\r\n\r\n");
    await client.ask("GET http://other.test:82/x?y HTTP/1.1\r\nHost: ignored\r\n\r\n");
    expect(upstream.arrivals.map(({ head }) => [head.startLine, head.one("host"), head.names[0]])).toEqual([
      ["GET /p?q HTTP/1.1", "Example.com:81", "host"],
      ["GET /x?y HTTP/1.1", "other.test:82", "host"],
    ]);
  });
});

test("a request that no route takes gets 404, with its code and nothing else", async () => {
  const upstream = stack.use(await Upstream.start());
  const host = stack.use(
    await startProxy(upstream, { routes: [{ match: { path: "/a" }, upstream: "main" }] }),
  );
  const client = stack.use(await host.connect());
  const { status, head, body } = await client.ask(request("/b"));
  expect([status, body.toString(), head.one("cache-control")]).toEqual([
    404,
    "ROUTE_NOT_FOUND\n",
    "no-store",
  ]);
  expect(upstream.arrivals).toEqual([]);
  expect((await client.ask(request("/a"))).status, "the connection does not go on").toBe(200);
});

/** Writes `LARGE` bytes, no faster than they are taken. */
async function pour(socket: Arrival["socket"]): Promise<void> {
  const chunks = Array.from({ length: LARGE / CHUNK.length }, () => CHUNK);
  // The other side may well go away before: that is for the tests to see.
  await pipeline(Readable.from(chunks), socket, { end: false }).catch(() => {});
}

/** How many exchanges have ended with this failure, once there are so many. */
function endings(host: TestHost, code: string, count = 1): Promise<number> {
  return waitFor(`${count} ${code}`, async () => {
    const found = await host.metric(`sluice_failures_total{code="${code}"}`);
    return found >= count && found;
  });
}
