/** The filter rate-limit in a proxy: all workers count in one store. */
import { expect, test } from "vitest";
import { request, type RawResponse } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, type ConfigParts } from "../support/test-host.ts";

const stage = makeStage();

const GRANT = { random: true, "rate-limit": true, store: true };

function limited(config: object, grant: object = GRANT, parts: ConfigParts = {}): ConfigParts {
  return {
    filters: { limit: { component: component("rate_limit"), config, grant } },
    routes: [{ upstream: "main", filters: ["limit"] }],
    ...parts,
  };
}

test("workers count together, and whoever is refused is told when to come again", async () => {
  const parts = limited({ limit: 3, period: "1h", key: "path" }, GRANT, { workers: 2 });
  const { upstream, host } = await stage.path(undefined, parts);
  // Connections go to the worker that has the fewest: four of them, to both.
  const clients = await Promise.all(Array.from({ length: 4 }, () => stage.connect(host)));

  const answers: RawResponse[] = [];
  for (const client of [...clients, ...clients]) answers.push(await client.ask(request("/a?x=1")));

  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429, 429, 429, 429]);
  expect(upstream.arrivals.length, "the upstream saw a refused request").toBe(3);
  expect(answers[0]?.head.one("ratelimit")).toBe('"limit";r=2');
  expect(answers[0]?.head.one("ratelimit-policy")).toBe('"limit";q=3;w=3600');
  const wait = Number(answers[7]?.head.one("retry-after"));
  expect(wait).toBeGreaterThan(1_000);
  expect(wait).toBeLessThanOrEqual(1_200);
  expect(answers[7]?.head.one("ratelimit")).toBe(`"limit";r=0;t=${wait}`);
  expect((await clients[0]?.ask(request("/b")))?.status, "another path pays for it").toBe(200);
});

test("a client's address counts when it is granted, and without the grant nothing passes", async () => {
  const config = { limit: 1, period: "1h", key: ["client-address", "header:x-key"] };
  const granted = await stage.path(undefined, limited(config, { ...GRANT, "client-address": true }));
  const client = await stage.connect(granted.host);
  const statuses = [];
  for (const key of ["a", "a", "b"])
    statuses.push((await client.ask(request("/", [`X-Key: ${key}`]))).status);
  expect(statuses).toEqual([200, 429, 200]);

  const denied = await stage.path(undefined, limited(config));
  expect((await (await stage.connect(denied.host)).ask(request("/"))).status).toBe(500);
  expect(denied.upstream.arrivals).toEqual([]);
});
