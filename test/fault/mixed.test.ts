import { afterAll, beforeAll, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { startHost, type TestHost } from "../support/test-host.ts";
import type { Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { faultyParts, mixFaults, startFaulty } from "./mixture.ts";

const EXCHANGES = 10_000;
const CLIENTS = 40;

let upstream: Upstream;
let host: TestHost;

beforeAll(async () => {
  upstream = await startFaulty();
  host = await startHost(await faultyParts(upstream));
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

test(`of ${EXCHANGES} exchanges, most of them broken on one side, each is answered whole or broken off, and nothing stays behind`, async () => {
  const before = process.memoryUsage().rss;
  let left = EXCHANGES;
  const wrong = await mixFaults(host.address, CLIENTS, () => left-- > 0);
  expect(wrong).toEqual([]);
  await waitFor(
    "the end of all exchanges",
    async () => (await host.metric("sluice_exchanges_in_flight")) === 0,
  );
  await waitFor(
    "the end of the clients' connections",
    async () => (await host.metric("sluice_connections_open")) === 0,
  );
  await waitFor("the end of the upstream's connections", () => upstream.open.size === 0);
  expect(
    (process.memoryUsage().rss - before) / 1_048_576,
    "MiB of growth, test and host together",
  ).toBeLessThan(200);
  await using client = await host.connect();
  expect((await client.ask(request("/ok"))).body.toString()).toBe("whole");
}, 120_000);
