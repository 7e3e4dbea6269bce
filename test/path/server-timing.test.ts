import { expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component } from "../support/test-host.ts";
import { ok } from "../support/upstream.ts";

const { path, connect } = makeStage();

const SLOW_MS = 30;

test("a route with server-timing tells where the time went, behind what the upstream tells; others do not", async () => {
  const slow = async (): Promise<string> => {
    const until = performance.now() + SLOW_MS;
    while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
    return ok("served", ["Server-Timing: db;dur=5"]);
  };
  const { host } = await path(slow, {
    filters: {
      mark: { component: component("mark"), config: { mark: "here" } },
      trap: { component: component("trap") },
    },
    routes: [
      { match: { path: "/told" }, upstream: "main", filters: ["mark", "trap"], "server-timing": true },
      { match: { path: "/panic" }, upstream: "main", filters: ["trap"], "server-timing": true },
      { upstream: "main" },
    ],
  });
  const client = await connect(host);

  const told = (await client.ask(request("/told"))).head.all("server-timing");
  expect(told.length).toBe(2);
  expect(told[0]).toBe("db;dur=5");
  const [, filters, upstream, total] =
    /^filters;dur=(\d+\.\d), upstream;dur=(\d+\.\d), sluice;dur=(\d+\.\d)$/.exec(told[1] ?? "") ?? [];
  expect(Number(upstream)).toBeGreaterThanOrEqual(SLOW_MS);
  expect(Number(total)).toBeCloseTo(Number(filters) + Number(upstream), 0);

  const failed = await client.ask(request("/panic"));
  expect([failed.status, failed.head.one("server-timing")]).toEqual([
    500,
    expect.stringMatching(/^sluice;dur=\d+\.\d$/),
  ]);
  expect((await client.ask(request("/"))).head.all("server-timing")).toEqual(["db;dur=5"]);
});
