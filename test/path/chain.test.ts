import { afterEach, describe, expect, test } from "vitest";
import { type RawClient, type RawResponse, request } from "../support/raw-client.ts";
import { component, type ConfigParts, startProxy, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { within } from "../support/waiting.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

/** A filter that adds its name to `x-order`, on the way in and on the way out. */
function order(name: string): object {
  const append = { "x-order": name };
  return { component: component("headers"), config: { request: { append }, response: { append } } };
}

const TRAP = { component: component("trap") };
const RULES = { component: component("rules") };
const REPLY = { component: component("probe"), config: { work: "reply" } };

interface Path {
  readonly upstream: Upstream;
  readonly host: TestHost;
  readonly client: RawClient;
}

/** A host whose only route has these filters, in this order. */
async function path(
  filters: Readonly<Record<string, object>>,
  parts: ConfigParts = {},
  answer?: Answer,
): Promise<Path> {
  const upstream = stack.use(await Upstream.start(answer));
  const routes = [{ upstream: "main", filters: Object.keys(filters) }];
  const host = stack.use(await startProxy(upstream, { filters, routes, ...parts }));
  return { upstream, host, client: stack.use(await host.connect()) };
}

describe("the order of filters", () => {
  test("requests pass them as they stand, responses the other way round", async () => {
    const { upstream, client } = await path({ a: order("a"), b: order("b"), c: order("c") });
    expect(orderOf(await client.ask(request("/")))).toEqual(["c", "b", "a"]);
    expect(upstream.only.head.all("x-order")).toEqual(["a", "b", "c"]);
  });

  test("each sees what those before it have made of the message", async () => {
    const copy = { request: { set: { "x-seen": "{header:x-mark}" } } };
    const { upstream, client } = await path({
      mark: { component: component("mark"), config: { mark: "v1" } },
      copy: { component: component("headers"), config: copy },
    });
    await client.ask(request("/", ["X-Mark: the-clients"]));
    expect([upstream.only.head.one("x-mark"), upstream.only.head.one("x-seen")]).toEqual(["v1", "v1"]);
  });

  test("a filter is called for the phases that it asked for, and for no other", async () => {
    const set = { "x-a": "1" };
    const { host, client } = await path({
      in: { component: component("headers"), config: { request: { set } } },
      out: { component: component("headers"), config: { response: { set } } },
      none: { component: component("headers"), config: {} },
    });
    await client.ask(request("/"));
    const calls = (filter: string, phase: string): Promise<number> =>
      host.metric(`sluice_filter_calls_total{filter="${filter}",phase="${phase}"}`);
    const counted = ["in", "out", "none"].map((name) =>
      Promise.all([calls(name, "request"), calls(name, "response")]),
    );
    expect(await Promise.all(counted)).toEqual([
      [1, 0],
      [0, 1],
      [0, 0],
    ]);
  });

  test("each route has its own", async () => {
    const upstream = stack.use(await Upstream.start());
    const host = stack.use(
      await startProxy(upstream, {
        filters: { a: order("a"), b: order("b") },
        routes: [
          { match: { path: "/a" }, filters: ["a"], upstream: "main" },
          { match: { path: "/ba" }, filters: ["b", "a"], upstream: "main" },
          { upstream: "main" },
        ],
      }),
    );
    const client = stack.use(await host.connect());
    for (const target of ["/a", "/ba", "/"]) await client.ask(request(target));
    expect(upstream.arrivals.map(({ head }) => head.all("x-order"))).toEqual([["a"], ["b", "a"], []]);
  });
});

describe("a filter that replies", () => {
  test("keeps the request from those behind it and from the upstream; the reply passes those before it", async () => {
    const { upstream, host, client } = await path({
      a: order("a"),
      b: order("b"),
      reply: REPLY,
      c: order("c"),
    });
    const response = await client.ask(request("/"));
    expect(orderOf(response)).toEqual(["b", "a"]);
    expect([response.status, response.body.toString()]).toEqual([200, "a".repeat(1_024)]);
    expect(response.head.one("x-probe")).toBe("reply");
    expect(upstream.arrivals, "the upstream saw a request that was answered").toEqual([]);
    const [line] = await host.lines("the exchange", ({ msg }) => msg === "exchange");
    expect(line).toMatchObject({ "http.response.status_code": 200, "sluice.replied_by": "reply" });
    expect(line).not.toHaveProperty(["error.type"]);
  });

  test("need not see to length, date and request id", async () => {
    const { client } = await path({ reply: REPLY });
    const { head } = await client.ask(request("/"));
    expect(head.one("content-length")).toBe("1024");
    expect(Date.parse(head.one("date") ?? "")).toBeGreaterThan(0);
    expect(head.one("x-request-id")).toMatch(/^[\w-]{12,}$/);
  });

  test("to HEAD tells its length and sends no body", async () => {
    const { client } = await path({ reply: REPLY });
    const { head } = await client.ask(request("/", [], "HEAD"));
    expect(head.one("content-length")).toBe("1024");
    expect((await client.ask(request("/"))).body.length, "a body came behind a HEAD").toBe(1_024);
  });

  test("to a request whose body has come keeps the connection, and otherwise it ends", async () => {
    const { client } = await path({ reply: REPLY });
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n");
    const { head, body } = await client.response("POST");
    expect([head.one("connection"), body.length]).toEqual(["close", 1_024]);
    client.send("GET /smuggled HTTP/1.1\r\nHost:a\r\n\r\n");
    expect(await client.close()).toBe("");
  });

  test("api-key: 401 with a challenge, and with a key the upstream learns the name and not the key", async () => {
    const sha256 = "72ee9d4355ccb9d3a4c9dbf37382e38e75c1b1a225b5bd1f729ee91bbda30c20";
    const { upstream, client } = await path({
      keys: { component: component("api_key"), config: { keys: { alice: sha256 } } },
    });
    const refused = await client.ask(request("/", ["X-Api-Key: guess"]));
    expect([refused.status, refused.head.one("www-authenticate")]).toEqual([
      401,
      'ApiKey realm="api", header="x-api-key"',
    ]);
    expect(upstream.arrivals).toEqual([]);
    await client.ask(request("/", ["X-Api-Key: alice-key", "X-Api-Key-Name: root"]));
    const { head } = upstream.only;
    expect([head.one("x-api-key"), head.one("x-api-key-name")]).toEqual([undefined, "alice"]);
  });
});

describe("a filter that fails", () => {
  test("in a request, closed: 500 through those before it, and nobody behind it is asked", async () => {
    const { upstream, host, client } = await path({ a: order("a"), trap: TRAP, c: order("c") });
    const response = await client.ask(request("/panic"));
    expect([response.status, response.body.toString()]).toEqual([500, "FILTER_TRAPPED\n"]);
    expect(orderOf(response)).toEqual(["a"]);
    expect(upstream.arrivals).toEqual([]);
    expect(await host.metric('sluice_filter_calls_total{filter="c",phase="request"}')).toBe(0);
    const [line] = await host.lines("the exchange", ({ msg }) => msg === "exchange");
    expect(line).toMatchObject({ "http.response.status_code": 500, "error.type": "FILTER_TRAPPED" });
  });

  test("in a request, open: on as if it were not there, in the response, too", async () => {
    const { upstream, client } = await path({
      a: order("a"),
      trap: { ...TRAP, "on-failure": "open" },
      c: order("c"),
    });
    const response = await client.ask(request("/panic-edited"));
    expect([response.status, response.body.toString()]).toEqual([200, "ok"]);
    expect(orderOf(response)).toEqual(["c", "a"]);
    expect(upstream.only.head.all("x-order")).toEqual(["a", "c"]);
    expect(upstream.only.head.names, "an edit of a call that trapped").not.toContain("x-edited");
  });

  test("in a response, closed: 500 in the place of the upstream's, through those before it", async () => {
    const answer: Answer = () => ok("secret", ["X-Secret: 1"]);
    const { upstream, client } = await path({ a: order("a"), trap: TRAP, c: order("c") }, {}, answer);
    const response = await client.ask(request("/panic-response"));
    expect([response.status, response.body.toString()]).toEqual([500, "FILTER_TRAPPED\n"]);
    expect([orderOf(response), response.head.names.includes("x-secret")]).toEqual([["a"], false]);
    await within("the end of the upstream's connection", upstream.only.closed);
    expect((await client.ask(request("/"))).body.toString(), "the client's connection does not go on").toBe(
      "secret",
    );
  });

  test("in a response, open: the response goes on whole", async () => {
    const { client } = await path({ a: order("a"), trap: { ...TRAP, "on-failure": "open" }, c: order("c") });
    const response = await client.ask(request("/panic-response"));
    expect([response.status, response.body.toString()]).toEqual([200, "ok"]);
    expect(orderOf(response)).toEqual(["c", "a"]);
  });

  test("in a response with no end of its body: neither the client nor the upstream waits for the rest", async () => {
    const { upstream, client } = await path(
      { trap: TRAP },
      {},
      ({ socket }) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning"),
    );
    expect((await client.ask(request("/panic-response"))).status).toBe(500);
    await within("the end of the upstream's connection", upstream.only.closed);
  });

  test("when the exchange has ended: the client has its response, and the failure is told", async () => {
    const { host, client } = await path({ trap: TRAP });
    for (const target of ["/panic-end", "/panic-drop"])
      expect((await client.ask(request(target))).status).toBe(200);
    const lines = await host.lines("both failures", ({ msg }) => msg === "filter failed", 2);
    // Each line is completed with the names in its stack by itself: which one is first is not said.
    const failures = lines.map((line) => JSON.stringify(line["attributes"]));
    expect(failures).toHaveLength(2);
    for (const words of ["panicked in on_end", "panicked while the exchange was dropped"])
      expect(failures.filter((failure) => failure.includes(words))).toHaveLength(1);
  });

  test("by a broken rule in its reply to a response: 500, and the upstream's response is gone", async () => {
    const { client } = await path({ a: order("a"), rules: RULES });
    const response = await client.ask(request("/", ["X-Break: response-reply-status-600"]));
    expect([response.status, response.body.toString()]).toEqual([500, "FILTER_BROKE_CONTRACT\n"]);
    expect(orderOf(response)).toEqual(["a"]);
  });
});

describe("the host's own answers to failures", () => {
  test("pass all filters of the route", async () => {
    const { client } = await path({ a: order("a"), b: order("b") }, {}, ({ socket }) => void socket.end());
    const response = await client.ask(request("/"));
    expect([response.status, orderOf(response)]).toEqual([502, ["b", "a"]]);
    expect(response.head.all("x-request-id").length).toBe(1);
  });

  test("pass no filter where no route took the request", async () => {
    const routes = [{ match: { path: "/a" }, upstream: "main", filters: ["a"] }];
    const { client } = await path({ a: order("a") }, { routes });
    const response = await client.ask(request("/b"));
    expect([response.status, orderOf(response)]).toEqual([404, []]);
  });
});

function orderOf({ head }: RawResponse): string[] {
  return head.all("x-order");
}
