import { afterEach, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { startHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

test("servers get the Host that the client asked for, or their own where the route says so", async () => {
  const upstream = stack.use(await Upstream.start(() => ok("")));
  const host = stack.use(
    await startHost({
      upstreams: { main: { servers: [upstream.origin] } },
      routes: [
        { match: { path: "/own" }, upstream: "main", "preserve-host": false },
        { match: { path: "/client" }, upstream: "main", "preserve-host": true },
        { upstream: "main" },
      ],
    }),
  );
  const client = stack.use(await host.connect());
  for (const path of ["/own", "/client", "/"]) await client.ask(request(path));
  const own = `127.0.0.1:${upstream.port}`;
  expect(upstream.arrivals.map(({ head }) => head.one("host"))).toEqual([own, "sluice.test", "sluice.test"]);
  expect(upstream.arrivals.map(({ head }) => head.one("x-forwarded-host"))).toEqual(
    Array.from({ length: 3 }, () => "sluice.test"),
  );
  expect(upstream.arrivals.map(({ head }) => head.fields[0]?.[0])).toEqual(["Host", "Host", "Host"]);
});

test("a request that is tried elsewhere gets the Host of the server that takes it", async () => {
  const gone = await Upstream.start();
  const { origin } = gone;
  await gone[Symbol.asyncDispose]();
  const upstream = stack.use(
    await Upstream.start(async (arrival) => ok((await arrival.body()).body.toString())),
  );
  const host = stack.use(
    await startHost({
      upstreams: { main: { servers: [origin, upstream.origin] } },
      routes: [{ upstream: "main", "preserve-host": false }],
    }),
  );
  const client = stack.use(await host.connect());
  for (let turn = 0; turn < 4; turn++) {
    const { status, body } = await client.ask(request("/", [], "POST", "body"));
    expect([status, body.toString()]).toEqual([200, "body"]);
  }
  expect(new Set(upstream.arrivals.map(({ head }) => head.one("host")))).toEqual(
    new Set([`127.0.0.1:${upstream.port}`]),
  );
});
