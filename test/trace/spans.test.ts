import { expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, type ConfigParts } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { Collector, type SentSpan } from "./collector.ts";

const { use, path, connect } = makeStage();

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const TRACEPARENT = `traceparent: 00-${TRACE}-${PARENT}-01`;

const FILTERS = {
  mark: { component: component("mark"), config: { mark: "here" } },
  trap: { component: component("trap") },
};

/** An upstream, a collector, and a host between them that records everything. */
async function traced(answer?: Answer, parts: ConfigParts = {}, traces: object = {}) {
  const collector = use(await Collector.start());
  const options = { otlp: collector.origin, sample: "100%", batch: { delay: "10ms" }, ...traces };
  return { collector, ...(await path(answer, { traces: options, ...parts })) };
}

function only(spans: readonly SentSpan[], kind: SentSpan["kind"]): SentSpan {
  const [span, ...more] = spans.filter((one) => one.kind === kind);
  if (span === undefined || more.length > 0) throw new Error(`${more.length} more spans of ${kind} than one`);
  return span;
}

test("an exchange, its filters' calls and its try at a server are spans of the trace that the client has begun", async () => {
  const parts = {
    filters: FILTERS,
    routes: [{ name: "api", match: { path: "/api/*" }, filters: ["mark"], upstream: "main" }],
  };
  const { collector, upstream, host } = await traced(() => ok("served"), parts);
  const client = await connect(host);
  const { status } = await client.ask(
    request("/api/users?token=secret", [TRACEPARENT, "tracestate: a=1", "tracestate: b=2"]),
  );
  expect(status).toBe(200);

  const spans = await collector.exchanges(1);
  const server = only(spans, "SERVER");
  const attempt = only(spans, "CLIENT");
  expect(server).toMatchObject({
    traceId: TRACE,
    parentSpanId: PARENT,
    traceState: "a=1,b=2",
    name: "GET /api/*",
    isError: false,
  });
  expect(server.attributes).toMatchObject({
    "http.request.method": "GET",
    "http.route": "/api/*",
    "http.response.status_code": 200,
    "url.path": "/api/users",
    "url.scheme": "http",
    "server.address": "sluice.test",
    "server.port": 80,
    "network.protocol.version": "1.1",
    "http.response.body.size": 6,
    "sluice.route": "api",
    "sluice.generation": 1,
  });
  expect(attempt).toMatchObject({ traceId: TRACE, parentSpanId: server.spanId, name: "GET", isError: false });
  expect(attempt.attributes).toMatchObject({
    "http.request.method": "GET",
    "http.response.status_code": 200,
    "url.full": `${upstream.origin}/api/users`,
    "server.address": "127.0.0.1",
    "server.port": upstream.port,
    "sluice.upstream": "main",
  });
  expect(attempt.attributes).not.toHaveProperty("http.request.resend_count");
  const calls = spans.filter(({ kind }) => kind === "INTERNAL");
  expect(calls.map(({ name }) => name)).toContain("mark request");
  for (const call of [...calls, attempt]) {
    expect(call.parentSpanId).toBe(server.spanId);
    expect(call.traceId).toBe(TRACE);
    expect(call.startMs).toBeGreaterThanOrEqual(server.startMs);
    expect(call.endMs).toBeLessThanOrEqual(server.endMs);
  }
  expect(Math.abs(Date.now() - server.endMs), "the clock of a span is off").toBeLessThan(60_000);
  const { head } = upstream.only;
  expect(head.one("traceparent")).toBe(`00-${TRACE}-${attempt.spanId}-01`);
  expect(head.one("tracestate")).toBe("a=1,b=2");
  const { body } = await host.host.metrics("openmetrics");
  expect(body, "the exchange's exemplar does not name its trace").toContain(`trace_id="${TRACE}"`);
  expect(JSON.stringify(spans), "a query is in a span").not.toContain("secret");
});

test("a trace begins here where the client has none, or one that is not in order", async () => {
  const { collector, upstream, host } = await traced();
  const client = await connect(host);
  await client.ask(request("/none"));
  await client.ask(request("/two", [TRACEPARENT, TRACEPARENT, "tracestate: a=1"]));

  const spans = await collector.exchanges(2);
  const servers = spans.filter(({ kind }) => kind === "SERVER");
  expect(servers.map(({ parentSpanId, traceState }) => parentSpanId + traceState)).toEqual(["", ""]);
  expect(new Set([TRACE, ...servers.map(({ traceId }) => traceId)]).size).toBe(3);
  for (const { head } of upstream.arrivals) {
    const [, traceId, spanId, flags] = head.one("traceparent")?.split("-") ?? [];
    const attempt = spans.find((span) => span.spanId === spanId);
    expect([attempt?.kind, attempt?.traceId, flags]).toEqual(["CLIENT", traceId, "03"]);
    expect(head.all("tracestate"), "the state of a trace that was not continued").toEqual([]);
  }
});

test("with a sample of nothing, only those are recorded of which the client says so", async () => {
  const { collector, upstream, host } = await traced(undefined, {}, { sample: "0%" });
  const client = await connect(host);
  const unsampled = `traceparent: 00-${TRACE}-${PARENT}-00`;
  await client.ask(request("/begun"));
  await client.ask(request("/unsampled", [unsampled, "tracestate: a=1 , b=2"]));
  await client.ask(request("/sampled", [TRACEPARENT]));

  const spans = await collector.exchanges(1);
  expect(only(spans, "SERVER").attributes["url.path"]).toBe("/sampled");
  const [begun, passed] = upstream.arrivals.map(({ head }) => head);
  expect(begun?.one("traceparent"), "nobody is told that nobody records it").toMatch(
    /^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/,
  );
  expect([passed?.one("traceparent"), passed?.one("tracestate")]).toEqual([
    unsampled.slice("traceparent: ".length),
    "a=1 , b=2",
  ]);
});

test("without `traces` both fields go on as they came", async () => {
  const { upstream, host } = await path();
  const client = await connect(host);
  const odd = ["traceparent: odd", "traceparent: twice", "tracestate: ,,"];
  await client.ask(request("/", odd));
  expect(upstream.only.head.all("traceparent")).toEqual(["odd", "twice"]);
  expect(upstream.only.head.one("tracestate")).toBe(",,");
});

test("each try at a server is a span of its own, of which its server is told", async () => {
  const busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  const other = use(await Upstream.start(() => busy));
  const collector = use(await Collector.start());
  const main = use(await Upstream.start());
  const { host } = await path(undefined, {
    upstreams: {
      main: {
        servers: [other.origin, main.origin],
        balance: "round-robin",
        retries: { on: [503], "budget-min": 100 },
      },
    },
    traces: { otlp: collector.origin, sample: "100%", batch: { delay: "10ms" } },
  });
  const client = await connect(host);
  // One of the two begins with the server that is busy.
  for (const target of ["/1", "/2"]) expect((await client.ask(request(target))).status).toBe(200);

  const spans = await collector.exchanges(2);
  const again = spans.find(({ attributes }) => attributes["http.request.resend_count"] !== undefined);
  const tries = spans.filter(
    ({ kind, parentSpanId }) => kind === "CLIENT" && parentSpanId === again?.parentSpanId,
  );
  expect(
    tries.map(({ attributes, isError }) => [
      attributes["http.response.status_code"],
      attributes["error.type"],
      attributes["http.request.resend_count"],
      isError,
    ]),
  ).toEqual([
    [503, "503", undefined, true],
    [200, undefined, 1, false],
  ]);
  const told = [...other.arrivals, ...main.arrivals].map(
    ({ head }) => head.one("traceparent")?.split("-")[2] ?? "",
  );
  expect(told).toEqual(expect.arrayContaining(tries.map(({ spanId }) => spanId)));
});

test("a filter that fails is an error of its call and of the exchange; a client's mistake is none", async () => {
  const parts = {
    filters: FILTERS,
    routes: [{ match: { path: "/panic" }, filters: ["trap"], upstream: "main" }],
  };
  const { collector, host } = await traced(undefined, parts);
  const client = await connect(host);
  expect((await client.ask(request("/panic"))).status).toBe(500);
  expect((await client.ask(request("/nowhere"))).status).toBe(404);
  expect((await client.ask(request("/nowhere", [], "MADE-UP"))).status).toBe(404);

  const spans = await collector.exchanges(3);
  const call = spans.find(({ name }) => name === "trap request");
  expect(call).toMatchObject({ kind: "INTERNAL", isError: true });
  expect(call?.attributes).toMatchObject({
    "error.type": "trap",
    "sluice.filter.name": "trap",
    "sluice.filter.decision": "fail",
    "sluice.filter.digest": expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  const [panicked, ...lost] = spans.filter(({ kind }) => kind === "SERVER");
  expect(panicked).toMatchObject({ spanId: call?.parentSpanId, name: "GET /panic", isError: true });
  expect(panicked?.attributes).toMatchObject({
    "error.type": "FILTER_TRAPPED",
    "http.response.status_code": 500,
  });
  expect(lost.map(({ name, isError }) => [name, isError])).toEqual([
    ["GET", false],
    ["HTTP", false],
  ]);
  expect(lost[0]?.attributes).toMatchObject({ "sluice.failure": "ROUTE_NOT_FOUND" });
  expect(lost[0]?.attributes).not.toHaveProperty("error.type");
  expect(lost[1]?.attributes["http.request.method"]).toBe("_OTHER");
});

test("filters see the trace as it goes on, and what they make of it is what servers get", async () => {
  const remove = { component: component("headers"), config: { request: { remove: ["traceparent"] } } };
  const set = { component: component("headers"), config: { request: { set: { traceparent: "own" } } } };
  const caller = { component: component("headers"), config: { request: { set: { "x-ray": "seen" } } } };
  const { collector, upstream, host } = await traced(undefined, {
    filters: { remove, set, caller },
    routes: [
      { match: { path: "/remove" }, filters: ["remove"], upstream: "main" },
      { match: { path: "/set" }, filters: ["set"], upstream: "main" },
      { match: { path: "/leave" }, filters: ["caller"], upstream: "main" },
    ],
  });
  const client = await connect(host);
  for (const target of ["/remove", "/set", "/leave"]) await client.ask(request(target));

  const told = upstream.arrivals.map(({ head }) => head.one("traceparent"));
  const spans = await collector.exchanges(3);
  expect(told.slice(0, 2)).toEqual([undefined, "own"]);
  expect(spans.filter(({ kind }) => kind === "CLIENT").map(({ spanId }) => spanId)).toContain(
    told[2]?.split("-")[2],
  );
  const changes = spans.find(({ name }) => name === "set request");
  expect(changes?.attributes["sluice.filter.changed"], "it was there, with another value").toEqual([
    "~traceparent",
  ]);
});
