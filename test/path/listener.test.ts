import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

let upstream: Upstream;
let host: TestHost;

beforeAll(async () => {
  upstream = await Upstream.start();
  host = await startProxy(upstream, {
    limits: { "client-head-bytes": "4KiB", "client-headers": 8 },
    timeouts: { "client-head": "100ms" },
  });
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

describe("a request that is refused at the door", () => {
  test.each([
    ["no Host", "GET / HTTP/1.1\r\n\r\n"],
    ["a Host that is no host", "GET / HTTP/1.1\r\nHost: user@example.com\r\n\r\n"],
    ["a target that is neither a path nor an absolute URI", "GET example HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["bytes that are no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ])("gets 400, a code and the end of the connection: %s", async (_, bytes) => {
    const before = await failures("MESSAGE_MALFORMED");
    await using client = await host.connect();
    const { status, head, body } = await client.ask(bytes);
    expect(status).toBe(400);
    expect(body.toString()).toBe("MESSAGE_MALFORMED\n");
    expect(head.one("connection")).toBe("close");
    expect(await client.close(), "something came behind the refusal").toBe("");
    expect(await failures("MESSAGE_MALFORMED")).toBe(before + 1);
  });

  test("never reaches an upstream", () => {
    expect(upstream.arrivals.map(({ head }) => head.raw)).toEqual([]);
  });

  test("is answered without a word of what it said", async () => {
    await using client = await host.connect();
    client.send("GET / HTTP/1.1\r\nHost: <script>alert(1)</script>\r\nX-Own: <script>\r\n\r\n");
    expect(await client.close()).not.toContain("script");
  });

  test("takes what comes behind it with it", async () => {
    await using client = await host.connect();
    const behind = [request("/behind"), "no HTTP at all\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"].join("");
    const { status } = await client.ask(`GET / HTTP/1.1\r\n\r\n${behind}`);
    expect(status).toBe(400);
    expect(await client.close()).toBe("");
    expect(upstream.arrivals.map(({ target }) => target)).not.toContain("/behind");
  });

  test("waits for its turn behind a request that is in order", async () => {
    await using client = await host.connect();
    const first = await client.ask(`${request("/first")}GET / HTTP/1.1\r\n\r\n`);
    expect(first.status).toBe(200);
    expect((await client.response()).status).toBe(400);
    expect(await client.close()).toBe("");
  });

  test("gets 501 for CONNECT", async () => {
    await using client = await host.connect();
    const { status, body } = await client.ask(
      "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    );
    expect([status, body.toString()]).toEqual([501, "METHOD_REFUSED\n"]);
    expect(await client.close()).toBe("");
  });

  test("gets 417 for an expectation that nobody knows", async () => {
    await using client = await host.connect();
    const { status, body } = await client.ask(request("/", ["Expect: a-miracle"], "POST", "x"));
    expect([status, body.toString()]).toEqual([417, "EXPECTATION_UNKNOWN\n"]);
    expect(await client.close()).toBe("");
  });

  test("gets 408 when its head does not come to an end", async () => {
    await using client = await host.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    const { status, body } = await client.response();
    expect([status, body.toString()]).toEqual([408, "REQUEST_TIMED_OUT\n"]);
    expect(await client.close()).toBe("");
  });
});

describe("the size of a head", () => {
  test("a head within the limits goes on whole", async () => {
    await using client = await host.connect();
    const field = `X-Long: ${"x".repeat(3_000)}`;
    const others = Array.from({ length: 6 }, (_, index) => `X-${index}: ${index}`);
    const { status } = await client.ask(request("/whole", [field, ...others]));
    expect(status).toBe(200);
    const arrival = upstream.arrivals.find(({ target }) => target === "/whole");
    expect(arrival?.head.fields).toEqual(
      expect.arrayContaining([
        ["X-Long", "x".repeat(3_000)],
        ["X-5", "5"],
      ]),
    );
  });

  test.each([
    ["a field beyond limits.client-head-bytes", request("/", [`X-Long: ${"x".repeat(4_096)}`])],
    [
      "many fields that come to more than that",
      request(
        "/",
        Array.from({ length: 6 }, (_, at) => `X-${at}: ${"x".repeat(800)}`),
      ),
    ],
    ["a target beyond it", request(`/${"x".repeat(4_096)}`)],
    [
      "more fields than limits.client-headers",
      request(
        "/",
        Array.from({ length: 8 }, (_, at) => `X-${at}: ${at}`),
      ),
    ],
  ])("431 for %s", async (_, bytes) => {
    await using client = await host.connect();
    const { status, body } = await client.ask(bytes);
    expect([status, body.toString()]).toEqual([431, "HEAD_TOO_LARGE\n"]);
    expect(await client.close()).toBe("");
  });

  test("a head that does not end is refused at the limit, not read on", async () => {
    await using client = await host.connect();
    client.send(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${"x".repeat(64 * 1024)}`);
    expect((await client.response()).status).toBe(431);
    expect(await client.close()).toBe("");
  });
});

describe("connections", () => {
  test("one that is idle for timeouts.client-idle is closed without a word", async () => {
    await using brief = await startProxy(upstream, { timeouts: { "client-idle": "100ms" } });
    await using client = await brief.connect();
    expect((await client.ask(request("/"))).status).toBe(200);
    expect(await client.close()).toBe("");
  });

  test("one whose client is waiting for its response is not idle", async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await using slow = await Upstream.start(async () => {
      await released;
      return ok("late");
    });
    await using brief = await startProxy(slow, { timeouts: { "client-idle": "1ms" } });
    await using waiting = await brief.connect();
    waiting.send(request("/"));
    await slow.arrived(1);
    // Others, which are idle, are closed twice meanwhile.
    for (let round = 0; round < 2; round++) {
      await using idle = await brief.connect();
      expect(await idle.close()).toBe("");
    }
    release();
    expect((await waiting.response()).body.toString()).toBe("late");
  });

  test("are counted while they are open", async () => {
    await waitFor("all earlier connections to be gone", async () => (await open()) === 0);
    {
      await using client = await host.connect();
      expect((await client.ask(request("/"))).status).toBe(200);
      expect(await open()).toBe(1);
    }
    await waitFor("the end of the connection", async () => (await open()) === 0);
  });

  test("one that is reset within a request costs nothing else", async () => {
    await using other = await host.connect();
    for (const bytes of [
      "GET / HT",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
      request("/"),
    ]) {
      await using client = await host.connect();
      client.send(bytes);
      client.reset();
    }
    expect((await other.ask(request("/"))).status).toBe(200);
  });
});

function failures(code: string): Promise<number> {
  return host.metric(`sluice_failures_total{code="${code}"}`);
}

function open(): Promise<number> {
  return host.metric("sluice_connections_open");
}
