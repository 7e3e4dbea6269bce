/** The store on a server: the same to filters, and shared by hosts. */
import assert from "node:assert/strict";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { component, startHost, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { RemoteStore } from "../../host/store/remote-store.ts";
import { hasRedisServer, INSTALL, RedisServer } from "./redis-server.ts";

const there = hasRedisServer();

describe.skipIf(!there && process.env["CI"] === undefined)(`a store on a server (needs: ${INSTALL})`, () => {
  let server: RedisServer;
  let upstream: Upstream;

  beforeAll(async () => {
    assert(there, `redis-server is missing: ${INSTALL}`);
    server = await RedisServer.start();
    upstream = await Upstream.start(({ head }) => ok(head.all("x-called").join("\n")));
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  /** A host with the fixture `caller` on its only route. */
  function host(
    calls: readonly object[],
    store: object = { server: server.url },
    parts: object = {},
  ): Promise<TestHost> {
    return startHost({
      upstreams: { main: { servers: [upstream.origin] } },
      filters: {
        caller: {
          component: component("caller"),
          config: { calls },
          grant: { clock: true, random: true, metrics: true, secrets: [], store: true, "rate-limit": true },
        },
      },
      routes: [{ upstream: "main", filters: ["caller"] }],
      store,
      ...parts,
    });
  }

  async function told(at: TestHost): Promise<string[]> {
    await using client = await at.connect();
    const response = await client.ask(request("/"));
    return response.status === 200 ? response.body.toString().split("\n") : [String(response.status)];
  }

  test.each([
    ["values", [{ set: ["k", "v1", null] }, { get: "k" }, { delete: "k" }, { get: "k" }, { get: "other" }]],
    ["counters", [{ add: ["n", 5, null] }, { add: ["n", -2, null] }, { get: "n" }]],
    ["a value that looks like a counter", [{ set: ["k", "7", null] }, { add: ["k", 1, null] }, { get: "k" }]],
    [
      "numbers beyond those that are exact in JavaScript",
      [{ add: ["n", MANY, null] }, { add: ["n", MANY, null] }, { add: ["n", 1, null] }, { get: "n" }],
    ],
    [
      "compare-and-set",
      [
        { "compare-and-set": ["k", "a", "b", null] },
        { "compare-and-set": ["k", null, "a", null] },
        { "compare-and-set": ["k", null, "b", null] },
        { "compare-and-set": ["k", "a", "b", 100_000] },
        { get: "k" },
      ],
    ],
    ["what is too large", [{ set: ["k", "x".repeat(1_025), null] }, { get: "x".repeat(65) }]],
    ["rates", Array.from({ length: 4 }, () => ({ take: ["r", 2, 3_600_000, 3, 1] })).slice(0, 3)],
    ["a rate of nothing", [{ take: ["r", 0, 1_000, 1, 1] }]],
  ])("does to %s what the embedded one does", async (_, calls) => {
    await server.ask("FLUSHALL");
    const limits = { limits: { "store-value-bytes": 1_024, "store-key-bytes": 64 } };
    await using remote = await host(calls, { server: server.url }, limits);
    await using embedded = await host(calls, {}, limits);
    await waitFor("the connection to the server", async () => {
      await server.ask("FLUSHALL");
      return !(await told(remote)).join().includes("Unavailable");
    });
    await server.ask("FLUSHALL");
    const expected = await told(embedded);
    expect(expected).toHaveLength(calls.length);
    expect(await told(remote)).toEqual(expected);
  });

  test("is one for all hosts and workers", async () => {
    await server.ask("FLUSHALL");
    const calls = [{ add: ["shared", 1, null] }];
    await using one = await host(calls, { server: server.url }, { workers: 2 });
    await using two = await host(calls);
    const answers: string[] = [];
    for (const at of [one, two, one, two, one]) {
      answers.push(
        await waitFor("an answer of the store", async () => {
          const [answer = ""] = await told(at);
          return !answer.includes("Unavailable") && answer;
        }),
      );
    }
    expect(answers).toEqual(["Ok(1)", "Ok(2)", "Ok(3)", "Ok(4)", "Ok(5)"]);
  });

  test("forgets values when their lifetime is over, and a counter's is not prolonged", async () => {
    await server.ask("FLUSHALL");
    await using at = await host([
      { set: ["k", "v", 200_000] },
      { add: ["n", 1, 100_000] },
      { add: ["n", 1, 900_000] },
    ]);
    await waitFor("the store", async () => !(await told(at)).join().includes("Unavailable"));
    const left = async (key: string): Promise<number> =>
      Number(await server.ask("PTTL", `sluice:filter caller:${key}`));
    expect(await left("k")).toBeGreaterThan(100_000);
    expect(await left("k")).toBeLessThanOrEqual(200_000);
    expect(await left("n")).toBeGreaterThan(0);
    expect(await left("n")).toBeLessThanOrEqual(100_000);
  });

  test("says when a counter is full", async () => {
    const store = new RemoteStore(
      { url: server.url, timeoutMs: 5_000 },
      { storeLost: () => {}, storeBack: () => {} },
    );
    try {
      const add = (amount: bigint): Promise<unknown> => store.add("full", Buffer.from("n"), amount, Infinity);
      await server.ask("FLUSHALL");
      await waitFor("the store", async () => (await store.get("full", Buffer.from("n"))) !== "unavailable");
      expect(await add(2n ** 63n - 10n)).toBe(2n ** 63n - 10n);
      expect(await add(10n)).toBe("overflow");
      expect(await add(9n)).toBe(2n ** 63n - 1n);
    } finally {
      store.close();
    }
  });

  test("is unavailable while its server is gone, at once, and there again with it", async () => {
    await using own = await RedisServer.start();
    await using at = await host([{ add: ["n", 1, null] }], { server: own.url });
    await waitFor("the store", async () => (await told(at))[0]?.startsWith("Ok") === true);
    await own.end();
    await waitFor("its absence", async () => (await told(at))[0] === "Err(Error::Unavailable)");
    const [lost] = await at.lines("of the loss", (line) => line.msg === "the store's server is lost");
    expect(lost).toMatchObject({ level: 40, detail: expect.any(String) as string });
    await own.begin();
    await waitFor("its return", async () => (await told(at))[0]?.startsWith("Ok") === true);
    await at.lines("of the return", (line) => line.msg === "the store's server is there");
  });

  test("is unavailable when its server does not answer in time", async () => {
    await using own = await RedisServer.start();
    await using at = await host(
      [{ add: ["n", 1, null] }],
      { server: own.url },
      { timeouts: { store: "200ms" } },
    );
    await waitFor("the store", async () => (await told(at))[0]?.startsWith("Ok") === true);
    own.halt();
    expect(await told(at)).toEqual(["Err(Error::Unavailable)"]);
  });
});

const MANY = Number.MAX_SAFE_INTEGER;

test.each(["http://a", "redis://", "a"])("%s is no address of a store", async (server) => {
  await expect(
    startHost({ upstreams: { main: { servers: ["http://127.0.0.1:1"] } }, store: { server } }),
  ).rejects.toThrow(/store\.server/);
});
