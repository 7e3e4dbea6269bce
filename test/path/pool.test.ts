import { afterEach, expect, test } from "vitest";
import { type RawClient, request } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

interface Held {
  readonly upstream: Upstream;
  readonly host: TestHost;
  /** Lets the upstream answer this path. */
  readonly free: (target: string) => void;
}

const MARK = { component: component("mark"), config: { mark: "m" } };

/** An upstream that answers each path when it is told to, and a host whose filter has `instances` instances. */
async function held(instances: number, wait: string, filter: object = MARK): Promise<Held> {
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const gate = (target: string): PromiseWithResolvers<void> => {
    const found = gates.get(target) ?? Promise.withResolvers<void>();
    gates.set(target, found);
    return found;
  };
  const upstream = stack.use(
    await Upstream.start(async ({ target }) => {
      await gate(target).promise;
      return ok(target);
    }),
  );
  const host = stack.use(
    await startProxy(upstream, {
      filters: { mark: filter },
      routes: [{ upstream: "main", filters: ["mark"] }],
      limits: { instances },
      timeouts: { "instance-wait": wait },
    }),
  );
  return { upstream, host, free: (target) => gate(target).resolve() };
}

/** Clients whose exchanges have begun, one after the other. */
async function begin(host: TestHost, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let index = 0; index < count; index++) {
    const client = stack.use(await host.connect());
    client.send(request(`/${index}`));
    clients.push(client);
    await waitFor("the exchange", async () => (await host.metric("sluice_exchanges_in_flight")) > index);
  }
  return clients;
}

test("instances come to as many as there are exchanges at once, and one that is ready for the next", async () => {
  const { upstream, host, free } = await held(8, "10s");
  const clients = await begin(host, 5);
  await upstream.arrived(5);
  expect(await host.metric('sluice_filter_instances{filter="mark"}')).toBe(6);
  for (let index = 0; index < 5; index++) free(`/${index}`);
  const responses = await Promise.all(clients.map((client) => client.response()));
  expect(responses.map(({ head }) => head.one("x-mark"))).toEqual(["m", "m", "m", "m", "m"]);
  await Promise.all(clients.map((client) => client.ask(request("/0"))));
  expect(await host.metric('sluice_filter_instances{filter="mark"}')).toBe(6);
});

test("instances are waited for in the order of the requests", async () => {
  const { upstream, host, free } = await held(2, "10s");
  const clients = await begin(host, 4);
  expect(upstream.arrivals.map(({ target }) => target)).toEqual(["/0", "/1"]);
  free("/1");
  expect((await upstream.arrived(3)).target).toBe("/2");
  free("/0");
  expect((await upstream.arrived(4)).target).toBe("/3");
  free("/2");
  free("/3");
  const responses = await Promise.all(clients.map((client) => client.response()));
  expect(responses.map(({ status, head }) => `${status} ${head.one("x-mark")}`)).toEqual(
    Array(4).fill("200 m"),
  );
});

test("instances are waited for no longer than timeouts.instance-wait: 503", async () => {
  const { upstream, host, free } = await held(1, "50ms");
  const [first, second] = (await begin(host, 2)) as [RawClient, RawClient];
  const { status, head, body } = await second.response();
  expect([status, body.toString()]).toEqual([503, "FILTER_BUSY\n"]);
  expect(Number(head.one("retry-after"))).toBeGreaterThan(0);
  expect(upstream.arrivals.length).toBe(1);
  expect(await host.metric('sluice_filter_failures_total{filter="mark",reason="busy"}')).toBe(1);
  free("/0");
  expect((await first.response()).status).toBe(200);
  expect((await second.ask(request("/0"))).status).toBe(200);
});

test("instances are waited for by no more requests than there may be instances: 503 at once", async () => {
  const { host, free } = await held(1, "1m");
  const clients = await begin(host, 2);
  const third = stack.use(await host.connect());
  expect((await third.ask(request("/2"))).status).toBe(503);
  free("/0");
  free("/1");
  for (const client of clients) expect((await client.response()).status).toBe(200);
});

test("instances that do not come free are done without where the filter's failure is open", async () => {
  const { upstream, host, free } = await held(1, "50ms", { ...MARK, "on-failure": "open" });
  const [, second] = (await begin(host, 2)) as [RawClient, RawClient];
  expect((await upstream.arrived(2)).head.names).not.toContain("x-mark");
  free("/1");
  const { status, head } = await second.response();
  expect([status, head.one("x-mark")]).toEqual([200, undefined]);
});

test("instances are not lost with a client that goes away while it waits", async () => {
  const { upstream, host, free } = await held(1, "10s");
  const [first, second] = (await begin(host, 2)) as [RawClient, RawClient];
  second.reset();
  await waitFor(
    "the end of the exchange",
    async () => (await host.metric("sluice_exchanges_in_flight")) === 1,
  );
  free("/0");
  expect((await first.response()).status).toBe(200);
  free("/again");
  for (let round = 0; round < 3; round++) expect((await first.ask(request("/again"))).status).toBe(200);
  expect(upstream.arrivals.map(({ target }) => target)).not.toContain("/1");
  expect(await host.metric('sluice_filter_instances{filter="mark"}')).toBe(1);
});

test("instances take over from those that have failed", async () => {
  const upstream = stack.use(await Upstream.start());
  const host = stack.use(
    await startProxy(upstream, {
      filters: { trap: { component: component("trap") } },
      routes: [{ upstream: "main", filters: ["trap"] }],
      limits: { instances: 1 },
      timeouts: { "instance-wait": "10s" },
    }),
  );
  const client = stack.use(await host.connect());
  for (let round = 0; round < 20; round++) {
    expect((await client.ask(request("/panic"))).status).toBe(500);
    expect((await client.ask(request("/"))).status).toBe(200);
  }
  expect(await host.metric('sluice_filter_instances{filter="trap"}')).toBe(1);
});

test("instances that are waited for come in the place of those that have failed", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const upstream = stack.use(
    await Upstream.start(async ({ target }) => {
      await released;
      return ok(target);
    }),
  );
  const host = stack.use(
    await startProxy(upstream, {
      filters: { trap: { component: component("trap") } },
      routes: [{ upstream: "main", filters: ["trap"] }],
      limits: { instances: 1 },
      timeouts: { "instance-wait": "1m" },
    }),
  );
  const first = stack.use(await host.connect());
  first.send(request("/panic-response"));
  await upstream.arrived(1);
  const second = stack.use(await host.connect());
  second.send(request("/well"));
  await waitFor("both exchanges", async () => (await host.metric("sluice_exchanges_in_flight")) === 2);
  release();
  expect((await first.response()).status).toBe(500);
  expect((await second.response()).body.toString()).toBe("/well");
});
