import { expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { component, startHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

test("a worker whose filter never returns is replaced, and the other one goes on", async () => {
  await using upstream = await Upstream.start(() => ok("served"));
  await using host = await startHost({
    workers: 2,
    upstreams: { main: { servers: [upstream.origin] } },
    // So much that its fuel lasts longer than the host's patience.
    filters: { trap: { component: component("trap"), limits: { fuel: 2_000_000_000 } } },
    routes: [{ match: { path: "/stall" }, filters: ["trap"], upstream: "main" }, { upstream: "main" }],
  });
  await using stuck = await host.connect();
  stuck.send(request("/stall"));
  await stuck.close();
  const [lost] = await host.lines("the lost worker", ({ msg }) => msg.includes("event loop stood still"));
  expect(lost?.msg).toMatch(/^worker \d ended: /);

  await waitFor("two serving workers, one of them new", () => {
    const workers = host.host.status().workers;
    return (
      workers.length === 2 &&
      workers.every(({ state }) => state === "serving") &&
      workers.some(({ id }) => id > 2)
    );
  });
  for (let round = 0; round < 8; round++) {
    await using client = await host.connect();
    expect((await client.ask(request("/"))).body.toString()).toBe("served");
  }
});

test("an endless configure refuses the swap, and what ran before still runs", async () => {
  await using upstream = await Upstream.start(() => ok("served"));
  await using host = await startHost({
    upstreams: { main: { servers: [upstream.origin] } },
    filters: {
      mark: { component: component("mark"), config: { mark: "one" }, limits: { fuel: 2_000_000_000 } },
    },
    routes: [{ filters: ["mark"], upstream: "main" }],
  });
  const swap = host.host.swap("mark", { component: component("bad_config"), config: { how: "stall" } });
  await expect(swap).rejects.toMatchObject({
    code: "HOST_UNAVAILABLE",
    message: expect.stringContaining("event loop stood still"),
  });
  await waitFor("the worker's successor", () => host.host.readiness().ready);
  await using client = await host.connect();
  const { head } = await client.ask(request("/"));
  expect([head.one("x-mark"), host.host.status().generation]).toEqual(["one", 1]);
});

test("a configure that is endless from the first moment of a worker on is noticed as well, and nothing starts", async () => {
  const start = startHost({
    filters: {
      bad: { component: component("bad_config"), config: { how: "stall" }, limits: { fuel: 2_000_000_000 } },
    },
    upstreams: { main: { servers: ["http://127.0.0.1:1"] } },
    routes: [{ filters: ["bad"], upstream: "main" }],
  });
  await expect(start).rejects.toMatchObject({ message: expect.stringContaining("event loop stood still") });
});
