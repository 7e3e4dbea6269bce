/** What a filter changes about a message that changes how it is framed: both wires must still agree. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Handmade, handmade } from "../contract/handmade.ts";
import { type RawClient, request } from "../support/raw-client.ts";
import { startProxy, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";

let folder: string;
let stack = new AsyncDisposableStack();
let made = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-edit-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

interface Path {
  readonly host: TestHost;
  readonly upstream: Upstream;
  readonly client: RawClient;
}

async function path(parts: Handmade, answer: Answer): Promise<Path> {
  made += 1;
  const file = await handmade(join(folder, `${made}.wasm`), parts);
  const upstream = stack.use(await Upstream.start(answer));
  const host = stack.use(
    await startProxy(upstream, {
      filters: { own: { component: file } },
      // The filter is only on the way of what is asked for under /edit.
      routes: [{ match: { path: "/edit" }, filters: ["own"], upstream: "main" }, { upstream: "main" }],
    }),
  );
  return { host, upstream, client: stack.use(await host.connect()) };
}

/** A filter that gives requests another method, authority or path. */
function setting(what: "method" | "path" | "authority", to: string): Handmade {
  return {
    beside: `(data (i32.const 1024) "${to}")`,
    onRequest: `
      (call $request-set-${what} (local.get $head) (i32.const 1024) (i32.const ${to.length}))
      (call $drop-request (local.get $head)) (i32.const 48)`,
  };
}

/** A filter that gives responses another status. */
function status(to: number): Handmade {
  return {
    plan: [4],
    onResponse: `
      (call $response-set-status (local.get $head) (i32.const ${to}))
      (call $drop-response (local.get $head)) (i32.const 48)`,
  };
}

const NEXT = request("/next");

/** A server that sends no body to HEAD. */
const server: Answer = ({ method, target }) =>
  method === "HEAD" ? ok(target).slice(0, -target.length) : ok(target);

describe("the method", () => {
  test("in the log is the one that the client sent, whatever a filter has made of it", async () => {
    const { host, upstream, client } = await path(setting("method", "PUT"), server);
    await client.ask(request("/edit"));
    expect(upstream.arrivals[0]?.method).toBe("PUT");
    const [line] = await host.lines("of the exchange", ({ msg }) => msg === "exchange");
    expect(line?.["http.request.method"]).toBe("GET");
  });

  test("of a GET that becomes HEAD: the client gets a response that ends, and the next one is its own", async () => {
    const { upstream, client } = await path(setting("method", "HEAD"), server);
    const { status: given, body } = await client.ask(request("/edit"));
    expect(upstream.arrivals[0]?.method).toBe("HEAD");
    expect([given, body.toString()]).toEqual([200, ""]);
    expect((await client.ask(NEXT)).body.toString()).toBe("/next");
  });

  test("of a HEAD that becomes GET: the client gets no body, and the next response is its own", async () => {
    const { upstream, client } = await path(setting("method", "GET"), server);
    const { status: given, head } = await client.ask(request("/edit", [], "HEAD"));
    expect(upstream.arrivals[0]?.method).toBe("GET");
    expect([given, head.one("content-length")]).toEqual([200, "5"]);
    expect((await client.ask(NEXT)).body.toString()).toBe("/next");
    expect((await client.ask(NEXT)).body.toString()).toBe("/next");
  });

  test("of a request with a body may become any other, and the body goes on", async () => {
    const { upstream, client } = await path(setting("method", "PATCH"), server);
    await client.ask(request("/edit", [], "POST", "body"));
    const [arrival] = upstream.arrivals;
    expect([arrival?.method, (await arrival?.body())?.body.toString()]).toEqual(["PATCH", "body"]);
    expect((await client.ask(NEXT)).body.toString()).toBe("/next");
  });
});

describe("the target", () => {
  test("path and query become others, and the route stays", async () => {
    const { upstream, client } = await path(setting("path", "/else?where"), server);
    expect((await client.ask(request("/edit"))).body.toString()).toBe("/else?where");
    expect(upstream.only.head.startLine).toBe("GET /else?where HTTP/1.1");
  });

  test("the authority becomes the upstream's Host, once", async () => {
    const { upstream, client } = await path(setting("authority", "b.test:8"), server);
    await client.ask(request("/edit"));
    expect(upstream.only.head.one("host")).toBe("b.test:8");
  });

  test("an asterisk goes on as one", async () => {
    const { upstream, client } = await path(setting("path", "*"), server);
    expect((await client.ask(request("/edit", [], "OPTIONS"))).status).toBe(200);
    expect(upstream.only.head.startLine).toBe("OPTIONS * HTTP/1.1");
  });
});

describe("the status", () => {
  test.each([204, 304])(
    "of a response with a body becomes %d: the body is dropped, and the next response is whole",
    async (to) => {
      for (const answer of [server, (() => CHUNKED) satisfies Answer]) {
        const { client } = await path(status(to), answer);
        const { status: given, head } = await client.ask(request("/edit"));
        expect(given).toBe(to);
        expect(head.one("transfer-encoding")).toBeUndefined();
        const next = await client.ask(NEXT);
        expect([next.status, next.body.length > 0]).toEqual([200, true]);
      }
    },
  );

  test.each([
    ["204", "HTTP/1.1 204 No Content\r\n\r\n"],
    [
      "304 with the length of what it stands for",
      'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 7\r\n\r\n',
    ],
  ])(
    "of a response without one becomes 200, where it was %s: an empty body, and the next response is whole",
    async (_, bytes) => {
      const { client } = await path(status(200), ({ target }) => (target === "/edit" ? bytes : ok(target)));
      const { status: given, body } = await client.ask(request("/edit"));
      expect([given, body.length]).toEqual([200, 0]);
      expect((await client.ask(NEXT)).body.toString()).toBe("/next");
    },
  );

  test("becomes another one whose body stays", async () => {
    const { client } = await path(status(503), server);
    const { status: given, body } = await client.ask(request("/edit"));
    expect([given, body.toString()]).toEqual([503, "/edit"]);
  });

  test("to HEAD becomes another one, and there is still no body", async () => {
    const { client } = await path(status(404), server);
    expect((await client.ask(request("/edit", [], "HEAD"))).status).toBe(404);
    expect((await client.ask(NEXT)).body.toString()).toBe("/next");
  });
});

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
