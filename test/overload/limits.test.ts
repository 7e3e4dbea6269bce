/** What a host under overload says to clients, and what it goes on doing. */
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { gate, makeStage } from "../support/stage.ts";
import { component } from "../support/test-host.ts";
import { waitFor, within } from "../support/waiting.ts";

const { path, connect } = makeStage();

test("a request beyond limits.exchanges gets 503 at once, and its connection goes on", async () => {
  const { answer, open } = gate();
  const { upstream, host } = await path(answer, { limits: { exchanges: 2 } });
  const held = [await connect(host), await connect(host)];
  for (const client of held) client.send(request("/held"));
  await upstream.arrived(2);

  const third = await connect(host);
  const { status, head, body } = await third.ask(request("/third"));
  expect([status, body.toString(), head.one("retry-after")]).toEqual([503, "HOST_FULL\n", "1"]);
  expect(head.one("proxy-status")).toContain('details="HOST_FULL"');
  expect(upstream.arrivals.length).toBe(2);
  expect(await host.metric('sluice_failures_total{code="HOST_FULL"}')).toBe(1);

  open();
  for (const client of held) expect((await client.response()).status).toBe(200);
  expect((await third.ask(request("/fourth"))).body.toString()).toBe("/fourth");
});

test("a connection beyond limits.connections is reset, and the next one is taken when there is room", async () => {
  const { host } = await path(undefined, { limits: { connections: 2 }, workers: 2 });
  const clients = [];
  for (let count = 0; count < 4; count++) {
    const client = await connect(host);
    expect((await client.ask(request("/"))).status).toBe(200);
    clients.push(client);
  }
  const fifth = connectSocket({ ...host.address });
  const [error] = await within("the end of the fifth connection", once(fifth, "error"));
  expect((error as NodeJS.ErrnoException).code).toBe("ECONNRESET");
  expect(await host.metric("sluice_connections_refused_total")).toBe(1);

  const [first, ...others] = clients;
  await first?.[Symbol.asyncDispose]();
  await waitFor("room for a connection", async () => (await host.metric("sluice_connections_open")) === 3);
  const next = await connect(host);
  for (const client of [...others, next]) expect((await client.ask(request("/"))).status).toBe(200);
});

test("a worker that is late sheds load and serves the rest, and all of it when the load has gone", async () => {
  const { host } = await path(undefined, {
    timeouts: { "event-loop-delay": "10ms" },
    filters: { trap: { component: component("trap"), limits: { fuel: 2_000_000_000 } } },
    routes: [{ match: { path: "/busy" }, filters: ["trap"], upstream: "main" }, { upstream: "main" }],
  });
  const shed = (): Promise<number> => host.metric('sluice_failures_total{code="HOST_OVERLOADED"}');
  const over = new AbortController();
  const statuses = new Set<number>();
  // Not before V8 has compiled the loop for speed: a worker that computes for all of them in slow code would pass for one that is stuck.
  const first = await connect(host);
  await waitFor("compiled code", async () => {
    const begin = performance.now();
    await first.ask(request("/busy"));
    return performance.now() - begin < COMPILED_MS;
  });
  const floods = Array.from({ length: 16 }, async () => {
    const client = await connect(host);
    while (!over.signal.aborted) statuses.add((await client.ask(request("/busy"))).status);
  });
  await waitFor("requests that are shed", async () => (await shed()) > 0);
  expect(host.host.readiness().ready, "the operator is answered").toBe(true);
  over.abort();
  await Promise.all(floods);
  expect([...statuses].sort((one, other) => one - other)).toEqual([200, 503]);

  const client = await connect(host);
  await waitFor("an end of the shedding", async () => {
    const before = await shed();
    for (let count = 0; count < 100; count++) await client.ask(request("/"));
    return (await shed()) === before;
  });
});

/** In slow code it takes five times as long. */
const COMPILED_MS = 20;
