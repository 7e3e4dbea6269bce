/** What a running host counts of servers, filters, workers and itself, beside what exchanges come to. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { gate, makeStage } from "../support/stage.ts";
import { component, type TestHost } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

const { path, connect, use } = makeStage();

const filter = (name: string, parts: object = {}): object => ({ component: component(name), ...parts });

/** Several samples, by what stands between their names and their values. */
async function samples(host: TestHost, ...series: readonly string[]): Promise<number[]> {
  return Promise.all(series.map((one) => host.metric(one)));
}

test("the time until a server's head and the wait for a connection are counted by server, and are no overhead", async () => {
  const held = gate();
  const { host, upstream } = await path(held.answer, {
    limits: { "upstream-connections": 1 },
    routes: ALL,
  });
  const labels = `{upstream="main",server="${upstream.origin}"}`;
  const first = await connect(host);
  const second = await connect(host);
  first.send(request("/"));
  await upstream.arrived(1);
  second.send(request("/"));
  await waitFor(
    "a request that waits for a connection",
    async () => (await host.metric(`sluice_server_requests_pending${labels}`)) === 1,
  );
  const began = performance.now();
  await waitFor("time to pass", () => performance.now() - began > HELD_MS);
  held.open();
  await Promise.all([first.response(), second.response()]);

  expect(
    await samples(
      host,
      `sluice_server_response_duration_seconds_count${labels}`,
      `sluice_server_wait_seconds_count${labels}`,
      'sluice_exchange_overhead_seconds_count{route="all"}',
    ),
  ).toEqual([2, 1, 1]);
  const [responded = 0, waited = 0, overhead = 0, took = 0] = await samples(
    host,
    `sluice_server_response_duration_seconds_sum${labels}`,
    `sluice_server_wait_seconds_sum${labels}`,
    'sluice_exchange_overhead_seconds_sum{route="all"}',
    'sluice_exchange_duration_seconds_sum{route="all"}',
  );
  expect(responded).toBeGreaterThan(HELD_MS / 1_000);
  expect(waited).toBeGreaterThan(HELD_MS / 1_000);
  expect(took).toBeGreaterThan((2 * HELD_MS) / 1_000);
  expect(overhead).toBeGreaterThan(0);
  expect(overhead, "what was waited for elsewhere is in the overhead").toBeLessThan(HELD_MS / 1_000);
});

test("calls of filters are counted by what they came to, with their fuel, and are no overhead", async () => {
  const { host } = await path(undefined, {
    filters: {
      mark: filter("mark", { config: { mark: "x" } }),
      limited: filter("limited", { grant: { "rate-limit": true }, config: { burst: 1 } }),
      trap: filter("trap", { limits: { fuel: 2_000_000_000 } }),
    },
    routes: [{ name: "all", filters: ["mark", "limited", "trap"], upstream: "main" }],
  });
  const client = await connect(host);
  const statuses: number[] = [];
  for (const target of ["/busy", "/busy", "/panic"])
    statuses.push((await client.ask(request(target))).status);
  expect(statuses).toEqual([200, 429, 500]);

  const decided = (name: string, decision: string): string =>
    `sluice_filter_decisions_total{filter="${name}",decision="${decision}"}`;
  expect(
    await samples(
      host,
      decided("mark", "pass"),
      decided("mark", "fail"),
      decided("limited", "pass"),
      decided("limited", "reply"),
      decided("trap", "pass"),
      decided("trap", "fail"),
    ),
  ).toEqual([6, 0, 2, 1, 3, 1]);
  const [marking = 0, busy = 0] = await samples(
    host,
    'sluice_filter_fuel_total{filter="mark",phase="response"}',
    'sluice_filter_fuel_total{filter="trap",phase="request"}',
  );
  expect(marking).toBeGreaterThan(0);
  expect(busy, "a loop of tens of milliseconds takes more fuel than a header").toBeGreaterThan(100 * marking);
  const [called = 0, overhead = 0] = await samples(
    host,
    'sluice_filter_call_duration_seconds_sum{filter="trap",phase="request"}',
    'sluice_exchange_overhead_seconds_sum{route="all"}',
  );
  expect(overhead, "the calls of filters are in the overhead").toBeLessThan(called);
});

test("the memory of a filter's instances is told as long as they live", async () => {
  const { host } = await path(undefined, {
    filters: { mark: filter("mark", { config: { mark: "x" } }) },
    routes: [{ filters: ["mark"], upstream: "main" }],
  });
  const [bytes = 0, instances = 0] = await samples(
    host,
    'sluice_filter_memory_bytes{filter="mark"}',
    'sluice_filter_instances{filter="mark"}',
  );
  expect(bytes % 65_536, "memory comes in pages").toBe(0);
  expect(bytes).toBeGreaterThanOrEqual(65_536 * instances);
  await host.host.swap("mark", { component: component("mark"), config: { mark: "y" } });
  await waitFor(
    "the end of the memory of the version before",
    async () => (await host.metric('sluice_filter_memory_bytes{filter="mark"}')) <= bytes,
  );
  expect(await host.metric("sluice_generations_drained_total")).toBe(1);
});

test("own requests are counted by result, and the wait for an instance is told", async () => {
  const held = gate();
  const service = use(await Upstream.start(held.answer));
  const main = use(await Upstream.start());
  const asks = (upstream: string): object =>
    filter("asks", {
      config: { upstream, path: "/", phases: ["request"] },
      grant: { http: ["service"] },
    });
  const { host } = await path(undefined, {
    limits: { instances: 1 },
    upstreams: { main: { servers: [main.origin] }, service: { servers: [service.origin] } },
    filters: { asks: asks("service"), astray: asks("main") },
    routes: [
      { match: { path: "/astray" }, filters: ["astray"], upstream: "main" },
      { filters: ["asks"], upstream: "main" },
    ],
  });
  const first = await connect(host);
  first.send(request("/"));
  await service.arrived(1);
  const second = await connect(host);
  second.send(request("/"));
  await waitFor(
    "the second exchange to begin",
    async () => (await host.metric("sluice_exchanges_in_flight")) === 2,
  );
  held.open();
  await Promise.all([first.response(), second.response()]);
  await first.ask(request("/astray"));

  expect(
    await samples(
      host,
      'sluice_filter_http_requests_total{filter="asks",result="ok"}',
      'sluice_filter_http_requests_total{filter="astray",result="ok"}',
      'sluice_filter_http_requests_total{filter="astray",result="not-granted"}',
      'sluice_filter_wait_seconds_count{filter="asks"}',
      'sluice_filter_wait_seconds_count{filter="astray"}',
      `sluice_server_response_duration_seconds_count{upstream="service",server="${service.origin}"}`,
    ),
  ).toEqual([2, 0, 1, 1, 0, 2]);
});

test("operations of the store are counted by operation, for filters that have asked for some", async () => {
  const { host } = await path(undefined, {
    filters: {
      caller: filter("caller", {
        config: {
          calls: [{ get: "a" }, { get: "b" }, { add: ["c", 1, null] }, { take: ["d", 1, 1000, 1, 1] }],
        },
        grant: GRANTS,
      }),
      mark: filter("mark", { config: { mark: "x" } }),
    },
    routes: [{ filters: ["caller", "mark"], upstream: "main" }],
  });
  await (await connect(host)).ask(request("/"));
  const { body } = await host.host.metrics();
  expect(body.split("\n").filter((line) => line.startsWith("sluice_filter_store_operations_total"))).toEqual(
    Object.entries({ get: 2, set: 0, delete: 0, "compare-and-set": 0, add: 1, take: 1 }).map(
      ([operation, count]) =>
        `sluice_filter_store_operations_total{filter="caller",operation="${operation}"} ${count}`,
    ),
  );
});

test("a request that is refused at the door is a failure and no exchange", async () => {
  const { host } = await path(undefined, { routes: ALL });
  const refused = await connect(host);
  refused.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
  await refused.close();
  const served = await connect(host);
  await served.ask(request("/"));
  const [failed = 0, atDoor = 0, accepted, exchanges] = await samples(
    host,
    'sluice_failures_total{code="MESSAGE_MALFORMED"}',
    'sluice_requests_refused_total{code="MESSAGE_MALFORMED"}',
    "sluice_connections_accepted_total",
    'sluice_exchange_duration_seconds_count{route="all"}',
  );
  expect([failed, atDoor, accepted, exchanges]).toEqual([1, 1, 2, 1]);
});

test("an event loop that a filter keeps busy is at work, and late", async () => {
  const { host } = await path(undefined, {
    filters: { trap: filter("trap", { limits: { fuel: 2_000_000_000 } }) },
    routes: [{ filters: ["trap"], upstream: "main" }],
  });
  const late = async (): Promise<number> => {
    const [all = 0, onTime = 0] = await samples(
      host,
      'sluice_worker_loop_delay_seconds_count{worker="1"}',
      'sluice_worker_loop_delay_seconds_bucket{worker="1",le="0.0025"}',
    );
    return all - onTime;
  };
  const [before = 0] = await samples(host, 'sluice_worker_loop_active_seconds_total{worker="1"}');
  const client = await connect(host);
  const began = performance.now();
  await waitFor("a late turn", async () => {
    await client.ask(request("/busy"));
    return (await late()) > 0;
  });
  const wallSeconds = (performance.now() - began) / 1_000;
  const [after = 0] = await samples(host, 'sluice_worker_loop_active_seconds_total{worker="1"}');
  expect(after - before).toBeGreaterThan(0.01);
  expect(after - before).toBeLessThan(wallSeconds + 1);
});

test("recordings and capsules are counted", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-measured-"));
  const { host } = await path(undefined, {
    capsules: { folder },
    filters: { trap: filter("trap") },
    routes: [{ filters: ["trap"], upstream: "main" }],
  });
  try {
    const recording = await host.host.record("trap", {
      exchangesMax: 2,
      forMs: 60_000,
      samplePercent: 100,
      headers: [],
      bodies: false,
    });
    const client = await connect(host);
    await client.ask(request("/"));
    await client.ask(request("/panic"));
    for await (const lines of recording) expect(lines).not.toBe("");
    expect(await host.metric('sluice_recorded_exchanges_total{result="written"}')).toBe(2);
    await waitFor(
      "a capsule",
      async () => (await host.metric('sluice_capsules_total{result="written"}')) === 1,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a host that drains says so", async () => {
  const held = gate();
  const { host, upstream } = await path(held.answer);
  const client = await connect(host);
  client.send(request("/"));
  await upstream.arrived(1);
  expect(await host.metric("sluice_draining")).toBe(0);
  const drained = host.host.drain();
  await waitFor("the drain", async () => (await host.metric("sluice_draining")) === 1);
  held.open();
  await client.response();
  await drained;
});

const HELD_MS = 300;

const ALL = [{ name: "all", upstream: "main" }];

const GRANTS = { store: true, "rate-limit": true, metrics: true, secrets: [], clock: true, random: true };
