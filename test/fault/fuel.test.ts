/** A filter that consumes more than it may costs its own exchange, soon, and is told from one that traps. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";

const WAYS = [
  ["/spin", "fuel", "FILTER_OUT_OF_FUEL", /consumed more fuel than the filter's limits\.fuel$/],
  ["/hoard", "memory", "FILTER_OUT_OF_MEMORY", /memory allocation of \d+ bytes failed[^]*limits\.memory\)$/],
] as const;

let upstream: Upstream;
let host: TestHost;

beforeAll(async () => {
  upstream = await Upstream.start(({ target }) => ok(target));
  host = await startProxy(upstream, {
    filters: {
      trap: { component: component("trap"), quarantine: { failures: 100, of: 100 } },
      open: { component: component("trap"), "on-failure": "open" },
    },
    routes: [
      { match: { host: "open.test" }, filters: ["open"], upstream: "main" },
      { filters: ["trap"], upstream: "main" },
    ],
  });
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

describe("a filter that consumes more than it may", () => {
  test.each(WAYS)("%s: 500 for its exchange, counted as %s", async (path, reason, code, words) => {
    const series = `sluice_filter_failures_total{filter="trap",reason="${reason}"}`;
    const before = await host.metric(series);
    await using client = await host.connect();
    const { status, head, body } = await client.ask(request(path));
    expect([status, body.toString()]).toEqual([500, `${code}\n`]);
    expect((await client.ask(request("/well"))).body.toString()).toBe("/well");
    expect(await host.metric(series)).toBe(before + 1);
    const id = head.one("x-request-id");
    const [line] = await host.lines(
      "the failure",
      (line) => line["request_id"] === id && line.msg === "filter failed",
    );
    expect(line).toMatchObject({ filter: "trap" });
    expect(JSON.stringify(line)).toMatch(new RegExp(reason));
    expect(line).toMatchObject({ attributes: { detail: expect.stringMatching(words) as string } });
  });

  test.each(WAYS)("%s, where failures are open: the exchange goes on without it", async (path) => {
    await using client = await host.connect();
    const sent = request(path).replace("sluice.test", "open.test");
    expect((await client.ask(sent)).body.toString()).toBe(path);
  });

  test("an endless loop is over soon, each time", async () => {
    await using client = await host.connect();
    await client.ask(request("/spin"));
    const began = process.cpuUsage();
    for (let round = 0; round < ROUNDS; round++)
      expect((await client.ask(request(`/spin?${round}`))).status).toBe(500);
    const { user, system } = process.cpuUsage(began);
    const ms = (user + system) / 1_000 / ROUNDS;
    // 50 on the machine that the default was chosen on; what the rest of this process does counts here as well.
    expect(ms, "milliseconds of CPU time for each").toBeLessThan(250);
  });
});

const ROUNDS = 10;

describe("limits of a filter's own", () => {
  test("fuel: too little for its configure refuses the start, and says so", async () => {
    const limits = { fuel: 1_000 };
    const start = startProxy(upstream, {
      filters: { mark: { component: component("mark"), config: { mark: "m" }, limits } },
    });
    await expect(start).rejects.toThrow(/filter mark failed in configure \(fuel\)/);
  });

  test("an endless configure refuses the start", async () => {
    const start = startProxy(upstream, {
      filters: { bad: { component: component("bad_config"), config: { how: "spin" } } },
    });
    await expect(start).rejects.toThrow(/filter bad failed in configure \(fuel\): one call consumed more/);
  });

  test("memory: less than a component needs from the start refuses it", async () => {
    const start = startProxy(upstream, {
      filters: { mark: { component: component("mark"), config: { mark: "m" }, limits: { memory: "1MiB" } } },
    });
    await expect(start).rejects.toThrow(
      /mark\.wasm cannot be metered: its module component\.core\.wasm needs \d+ KiB of memory from the start, and may have 1024 KiB$/,
    );
  });

  test("memory: filters of one component may have different ones", async () => {
    await using own = await startProxy(upstream, {
      filters: {
        small: { component: component("trap"), limits: { memory: "2MiB" } },
        large: { component: component("trap"), limits: { memory: "64MiB", fuel: 2_000_000_000 } },
      },
      routes: [
        { match: { path: "/hoard" }, filters: ["small"], upstream: "main" },
        { match: { path: "/stall" }, filters: ["small"], upstream: "main" },
        { filters: ["large"], upstream: "main" },
      ],
    });
    await using client = await own.connect();
    // 8 MiB at once.
    expect((await client.ask(request("/stall"))).body.toString()).toBe("FILTER_OUT_OF_MEMORY\n");
    expect((await client.ask(request("/hoard/large"))).body.toString()).toBe("FILTER_OUT_OF_MEMORY\n");
    const taken = (filter: string): Promise<number> =>
      own.metric(`sluice_filter_failures_total{filter="${filter}",reason="memory"}`);
    expect([await taken("small"), await taken("large")]).toEqual([1, 1]);
  });
});
