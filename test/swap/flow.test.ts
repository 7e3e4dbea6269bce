/** Filters are swapped while requests flow. */
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { writeVariant } from "../support/component-file.ts";
import { type RawClient, request } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const MARK = component("mark");

function mark(version: number): { mark: string } {
  return { mark: String(version) };
}

async function start(upstream: Upstream, workers: number): Promise<TestHost> {
  return stack.use(
    await startProxy(upstream, {
      workers,
      log: { exchanges: false },
      filters: { mark: { component: MARK, config: mark(0) } },
      routes: [{ upstream: "main", filters: ["mark"] }],
    }),
  );
}

describe("64 connections with requests flowing, two workers, 50 swaps", () => {
  test("no request fails, and none begins on an old version once a swap has returned", {
    timeout: 120_000,
  }, async () => {
    const upstream = stack.use(
      await Upstream.start(({ target, head }) => ok(`${target} ${head.one("x-mark")}`)),
    );
    const host = await start(upstream, 2);
    const other = writeVariant(MARK, join(host.folder, "other.wasm"), "another version");
    const clients = await Promise.all(Array.from({ length: 64 }, () => host.connect()));
    for (const client of clients) stack.use(client);

    /** The version whose swap was the last to return, and the one whose swap was the last to be asked for. */
    const swaps = { returned: 0, asked: 0, over: false };
    const wrong: string[] = [];
    const seen = new Set<number>();
    let answered = 0;
    const flow = async (client: RawClient, index: number): Promise<void> => {
      for (let round = 0; !swaps.over; round++) {
        const target = `/${index}/${round}`;
        const least = swaps.returned;
        const { status, head, body } = await client.ask(request(target));
        const version = Number(head.one("x-mark"));
        answered += 1;
        seen.add(version);
        if (status !== 200) wrong.push(`${target}: ${status} ${body.toString()}`);
        if (version < least) wrong.push(`${target} began on ${version} when ${least} was live`);
        if (version > swaps.asked) wrong.push(`${target} began on ${version}, which nobody has asked for`);
        if (body.toString() !== `${target} ${version}`)
          wrong.push(`${target}: the versions of its phases differ: ${body.toString()}`);
      }
    };
    const flowing = Promise.all(clients.map(flow));

    for (let version = 1; version <= 50; version++) {
      const before = answered;
      swaps.asked = version;
      // Another artifact and another config each time.
      const result = await host.host.swap("mark", {
        component: version % 2 === 1 ? other : MARK,
        config: mark(version),
      });
      swaps.returned = version;
      expect(result).toMatchObject({ generation: version + 1, configChanged: true });
      // The next one only when requests have gone through this one.
      await waitFor("requests on this version", () => answered >= before + 64);
    }
    swaps.over = true;
    await flowing;

    expect(wrong).toEqual([]);
    expect(seen.has(50)).toBe(true);
    expect(seen.size, "versions that served").toBeGreaterThan(40);
    expect(await host.metric('sluice_swaps_total{result="ok"}')).toBe(50);
    expect(await host.metric("sluice_generation")).toBe(51);
  });
});

describe("requests that are in flight", () => {
  /** An upstream that answers when it is told to: the head at once or not, the rest then. */
  async function slow(head: boolean): Promise<{ upstream: Upstream; release: () => void }> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const upstream = stack.use(
      await Upstream.start(async ({ target, socket }) => {
        if (!target.startsWith("/slow")) return ok("fast");
        if (head) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl");
        await promise;
        return head ? "ow" : ok("slow");
      }),
    );
    return { upstream, release: resolve };
  }

  test("end on the version that they began on, in both phases", async () => {
    const { upstream, release } = await slow(false);
    const host = await start(upstream, 1);
    const clients: RawClient[] = [];
    for (let version = 0; version < 4; version++) {
      const client = stack.use(await host.connect());
      client.send(request(`/slow/${version}`));
      clients.push(client);
      await upstream.arrived(version + 1);
      await host.host.swap("mark", { component: MARK, config: mark(version + 1) });
    }
    const fresh = stack.use(await host.connect());
    expect((await fresh.ask(request("/"))).head.one("x-mark")).toBe("4");
    release();
    const responses = await Promise.all(clients.map((client) => client.response()));
    expect(responses.map(({ status, head }) => [status, head.one("x-mark")])).toEqual([
      [200, "0"],
      [200, "1"],
      [200, "2"],
      [200, "3"],
    ]);
    expect(upstream.arrivals.slice(0, 4).map(({ head }) => head.one("x-mark"))).toEqual(["0", "1", "2", "3"]);
  });

  test("keep their responses streaming, and their instances are freed when the last byte is out", async () => {
    const { upstream, release } = await slow(true);
    const host = await start(upstream, 1);
    const client = stack.use(await host.connect());
    client.send(request("/slow"));
    const head = await client.head();
    expect(head.one("x-mark")).toBe("0");
    for (let version = 1; version <= 3; version++)
      await host.host.swap("mark", { component: MARK, config: mark(version) });
    // Of the version that still serves one is at work and one is ready; of the newest one is.
    const instances = 'sluice_filter_instances{filter="mark"}';
    expect(await host.metric(instances)).toBeLessThanOrEqual(3);
    release();
    expect((await client.wire.bytes(4)).toString()).toBe("slow");
    expect((await client.ask(request("/"))).head.one("x-mark")).toBe("3");
    await waitFor("the instances of one version", async () => (await host.metric(instances)) <= 2);
  });

  test("of a client that goes away do not keep their version alive", async () => {
    const { upstream } = await slow(false);
    const host = await start(upstream, 1);
    const client = stack.use(await host.connect());
    client.send(request("/slow"));
    const arrival = await upstream.arrived(1);
    await host.host.swap("mark", { component: MARK, config: mark(1) });
    client.reset();
    await arrival.closed;
    const fresh = stack.use(await host.connect());
    expect((await fresh.ask(request("/"))).head.one("x-mark")).toBe("1");
    // One that has served, and one that is kept ready.
    expect(await host.metric('sluice_filter_instances{filter="mark"}')).toBeLessThanOrEqual(2);
  });
});

describe("changes", () => {
  test("that are asked for at once are made one after the other, in that order", async () => {
    const upstream = stack.use(await Upstream.start());
    const host = await start(upstream, 2);
    const asked = Array.from({ length: 8 }, (_, index) =>
      host.host.swap("mark", { component: MARK, config: mark(index + 1) }),
    );
    const results = await Promise.all(asked);
    expect(results.map(({ generation }) => generation)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    const client = stack.use(await host.connect());
    expect((await client.ask(request("/"))).head.one("x-mark")).toBe("8");
  });

  test("that are refused do not keep the ones behind them from being made", async () => {
    const upstream = stack.use(await Upstream.start());
    const host = await start(upstream, 1);
    const results = await Promise.allSettled([
      host.host.swap("mark", { component: MARK, config: mark(1) }),
      host.host.swap("mark", { component: MARK, config: { mark: 7 } }),
      host.host.swap("none", { component: MARK }),
      host.host.swap("mark", { component: MARK, config: mark(2) }),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    const client = stack.use(await host.connect());
    expect((await client.ask(request("/"))).head.one("x-mark")).toBe("2");
    expect(host.host.status().generation).toBe(3);
  });

  test("to what is there already are made all the same, and nothing that is unchanged is made anew", async () => {
    const upstream = stack.use(await Upstream.start());
    const host = await start(upstream, 1);
    const client = stack.use(await host.connect());
    await client.ask(request("/"));
    const { from, to, configChanged, generation } = await host.host.swap("mark", { component: MARK });
    expect([from === to, configChanged, generation]).toEqual([true, false, 2]);
    await client.ask(request("/"));
    expect(upstream.connections, "the upstream's connections were given up").toBe(1);
    expect(await host.metric('sluice_filter_instances{filter="mark"}')).toBeLessThanOrEqual(2);
  });
});
