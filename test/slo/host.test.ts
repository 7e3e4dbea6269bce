/** What a host counts for SLOs, and tells of them. */
import { afterEach, describe, expect, test } from "vitest";
import type { SloView } from "../../host/slo/slo.ts";
import { RouteSlo, SloMeters } from "../../host/ops/slo-meter.ts";
import { request } from "../support/raw-client.ts";
import { component, startHost, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { BrokenOff } from "../support/wire.ts";
import { OFFER, SWITCH } from "../upgrade/tunnel.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

/** Any exchange is too slow for 1 ms here, and none for a minute. */
const PATIENT = { availability: "99%", latency: { under: "1m", share: "90%" } };

async function start(workers = 1): Promise<TestHost> {
  const upstream = stack.use(
    await Upstream.start(async ({ target, socket, wire }) => {
      if (target === "/error") return "HTTP/1.1 500 Sick\r\nContent-Length: 0\r\n\r\n";
      if (target === "/missing") return "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
      if (target === "/broken")
        return void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", () => socket.destroy());
      if (target === "/tunnel") {
        socket.write(SWITCH);
        return wire.closed;
      }
      if (target === "/never") return wire.closed;
      if (target === "/slow") {
        const from = performance.now();
        await waitFor("more than a millisecond", () => performance.now() - from > 5);
      }
      return ok("ok");
    }),
  );
  return stack.use(
    await startHost({
      workers,
      upstreams: { main: { servers: [upstream.origin] } },
      filters: { trap: { component: component("trap"), limits: { fuel: 2_000_000_000 } } },
      routes: [
        { name: "api", upstream: "main", slo: PATIENT },
        {
          name: "slow",
          match: { path: "/slow" },
          upstream: "main",
          slo: { latency: { under: "1ms", share: "99%" } },
        },
        { name: "stall", match: { path: "/stall" }, filters: ["trap"], upstream: "main" },
      ],
    }),
  );
}

/** Good and bad ones together, and the bad ones, once there are so many. */
async function counted(host: TestHost, labels: string, exchanges: number): Promise<number> {
  await waitFor(
    `${exchanges} exchanges of ${labels}`,
    async () => (await host.metric(`sluice_slo_exchanges_total{${labels}}`)) === exchanges,
  );
  return host.metric(`sluice_slo_bad_exchanges_total{${labels}}`);
}

const AVAILABILITY = 'route="api",objective="availability"';
const LATENCY = 'route="api",objective="latency"';

async function ask(host: TestHost, target: string): Promise<number> {
  await using client = await host.connect();
  return (await client.ask(request(target))).status;
}

describe("of the exchanges of a route", () => {
  test("those with a 5xx are bad, and others are not", async () => {
    const host = await start();
    for (const target of ["/", "/missing", "/error", "/"]) await ask(host, target);

    expect(await counted(host, AVAILABILITY, 4)).toBe(1);
    expect(await counted(host, LATENCY, 3), "what has failed has no time").toBe(0);
  });

  test("one that breaks off is bad, and one whose client goes away is not", async () => {
    const host = await start();
    await using client = await host.connect();
    client.send(request("/broken"));
    await expect(client.response()).rejects.toThrow(BrokenOff);
    expect(await counted(host, AVAILABILITY, 1)).toBe(1);

    await using leaving = await host.connect();
    leaving.send(request("/never"));
    await waitFor(
      "the exchange of a client that leaves",
      async () => (await host.metric("sluice_exchanges_in_flight")) === 1,
    );
    leaving.wire.socket.destroy();

    expect(await counted(host, AVAILABILITY, 2)).toBe(1);
  });

  test("a tunnel is available and has no latency", async () => {
    const host = await start();
    await using client = await host.connect();
    client.send(request("/tunnel", OFFER));
    await client.head();
    client.wire.socket.destroy();

    expect(await counted(host, AVAILABILITY, 1)).toBe(0);
    expect(await host.metric(`sluice_slo_exchanges_total{${LATENCY}}`)).toBe(0);
  });

  test("one that took longer than it may is slow, whatever the bounds of the histogram are", async () => {
    const host = await start();
    await ask(host, "/slow");

    expect(await counted(host, 'route="slow",objective="latency"', 1)).toBe(1);
  });
});

test("an exchange may take as long as the threshold, and no longer", () => {
  const meters = new SloMeters();
  const slo = { availability: null, latency: { underMs: 300, share: 0.99 }, windowMs: 1 };
  const route = meters.route("api", slo, "other");
  const good = { status: 200, whole: true, failure: undefined };
  route?.count({ ...good, durationMs: 300 });
  route?.count({ ...good, durationMs: 300.001 });

  expect(meters.snapshot()).toEqual([{ route: "api", objective: "latency", exchanges: 2, bad: 1 }]);
  expect(meters.route("none", null, "other")).toBeUndefined();
  expect(route).toBeInstanceOf(RouteSlo);
});

test("what is asked of routes is exported from the start, with zeros", async () => {
  const host = await start();
  const { body } = await host.host.metrics();

  expect(body.split("\n").filter((line) => line.startsWith("sluice_slo_"))).toEqual([
    'sluice_slo_exchanges_total{route="api",objective="availability"} 0',
    'sluice_slo_exchanges_total{route="api",objective="latency"} 0',
    'sluice_slo_exchanges_total{route="slow",objective="latency"} 0',
    'sluice_slo_bad_exchanges_total{route="api",objective="availability"} 0',
    'sluice_slo_bad_exchanges_total{route="api",objective="latency"} 0',
    'sluice_slo_bad_exchanges_total{route="slow",objective="latency"} 0',
    'sluice_slo_target_ratio{route="api",objective="availability"} 0.99',
    'sluice_slo_target_ratio{route="api",objective="latency"} 0.9',
    'sluice_slo_target_ratio{route="slow",objective="latency"} 0.99',
    'sluice_slo_window_seconds{route="api",objective="availability"} 2592000',
    'sluice_slo_window_seconds{route="api",objective="latency"} 2592000',
    'sluice_slo_window_seconds{route="slow",objective="latency"} 2592000',
  ]);
});

/** As the admin API asks for it. */
async function viewed(host: TestHost, route: string, wanted: (view: SloView) => boolean): Promise<SloView> {
  return waitFor(`the SLO of ${route}`, async () => {
    await host.host.servers();
    const found = host.host.status().routes.find(({ name }) => name === route)?.slo?.[0];
    return found !== undefined && wanted(found) && found;
  });
}

test("the status tells how fast each budget burns and what is left of it, all workers together", async () => {
  const host = await start(2);
  // Idle connections first, so that both workers have some.
  const clients = await Promise.all(Array.from({ length: 4 }, async () => stack.use(await host.connect())));
  for (const client of clients)
    for (const target of ["/", "/error", "/", "/", "/"]) await client.ask(request(target));
  await counted(host, AVAILABILITY, 20);

  // 20 % where 1 % may be.
  const view = await viewed(host, "api", ({ burn }) => Math.round(burn["5m"] ?? 0) === 20);

  expect(view).toEqual({
    objective: "availability",
    target: 0.99,
    underMs: null,
    burn: { "5m": expect.closeTo(20, 6), "1h": expect.closeTo(20, 6), "6h": expect.closeTo(20, 6) },
    budgetLeft: expect.closeTo(-19, 6),
    since: expect.any(Number),
  });
  expect(host.host.status().routes.find(({ name }) => name === "stall")?.slo).toBeNull();
});

test("a worker that is lost takes nothing along that was told", async () => {
  const host = await start();
  for (const target of ["/", "/error"]) await ask(host, target);
  await counted(host, AVAILABILITY, 2);
  const { since } = await viewed(host, "api", ({ burn }) => Math.round(burn["5m"] ?? 0) === 50);
  await using stuck = await host.connect();
  stuck.send(request("/stall"));
  await host.lines("the lost worker", ({ msg }) => msg.includes("event loop stood still"));
  await waitFor("its successor", () => host.host.readiness().ready);
  await ask(host, "/");
  await ask(host, "/");

  const view = await viewed(host, "api", ({ burn }) => Math.round(burn["5m"] ?? 0) === 25);

  expect(view.since).toBe(since);
  expect(await counted(host, AVAILABILITY, 4)).toBe(1);
});
