/** A server's name stands for addresses, and not always for the same ones. */
import { describe, expect, test } from "vitest";
import { candidatesOf } from "../../host/upstream/name-watch.ts";
import { Authority } from "../support/certificate.ts";
import { request } from "../support/raw-client.ts";
import { gate, makeStage } from "../support/stage.ts";
import { startHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { NamedUpstream } from "./caller.ts";

const { use, connect } = makeStage();

const OFTEN = { refresh: "100ms" };

/** One server at each of these addresses, all on one port. */
async function machines(answers: Readonly<Record<string, Answer>>): Promise<Upstream[]> {
  for (;;) {
    const started: Upstream[] = [];
    try {
      for (const [address, answer] of Object.entries(answers)) {
        const upstream = await Upstream.start(answer);
        await upstream[Symbol.asyncDispose]();
        await upstream.listen(started[0]?.port ?? 0, address);
        started.push(upstream);
      }
      return started.map(use);
    } catch {
      // The first one's port is taken at another one's address: another port is not.
      for (const upstream of started) await upstream[Symbol.asyncDispose]();
    }
  }
}

const addresses = (caller: NamedUpstream): string[] => caller.views().map(({ address }) => address);

describe("the addresses of a name", () => {
  test("are all servers, each with its share, and each is asked for the name", async () => {
    const all = await machines({
      "127.0.0.1": () => ok("1"),
      "127.0.0.2": () => ok("2"),
      "127.0.0.3": () => ok("3"),
    });
    const port = all[0]?.port;
    const caller = use(
      new NamedUpstream(
        { servers: [`http://api.test:${port}`], balance: "round-robin" },
        { "api.test": ["127.0.0.3", "127.0.0.1", "127.0.0.2"] },
      ),
    );
    await waitFor("the lookup", () => addresses(caller).length === 3);
    const bodies = [];
    for (let round = 0; round < 9; round++) bodies.push(await caller.ask());
    expect(bodies.toSorted()).toEqual(["1", "1", "1", "2", "2", "2", "3", "3", "3"]);
    for (const { arrivals } of all) expect(arrivals[0]?.head.one("host")).toBe(`api.test:${port}`);
  });

  test("that come get requests, and those that go get no new ones; what they have begun they end", async () => {
    const { answer, open } = gate();
    const [one, two] = (await machines({
      "127.0.0.1": (arrival) => (arrival.target === "/hangs" ? answer(arrival) : ok("1")),
      "127.0.0.2": () => ok("2"),
    })) as [Upstream, Upstream];
    const caller = use(
      new NamedUpstream(
        { servers: [`http://api.test:${one.port}`], dns: OFTEN },
        { "api.test": ["127.0.0.1"] },
      ),
    );
    await waitFor("the lookup", () => addresses(caller).join() === "127.0.0.1");
    const hanging = caller.ask("/hangs");
    await one.arrived(1);
    // Another one that stays behind, idle.
    await caller.ask();
    const idle = one.arrivals[1];
    caller.names.set("api.test", ["127.0.0.2"]);
    await waitFor("the move", () => addresses(caller).join() === "127.0.0.2,127.0.0.1");
    expect(caller.views().map(({ states }) => states)).toEqual([{ healthy: 1 }, { leaving: 1 }]);
    await idle?.closed;
    for (let round = 0; round < 4; round++) expect(await caller.ask()).toBe("2");
    expect([one.arrivals.length, two.arrivals.length]).toEqual([2, 4]);
    open();
    expect(await hanging).toBe("/hangs");
    await waitFor("the end of the old address", () => addresses(caller).join() === "127.0.0.2");
    await waitFor("the end of its connections", () => one.open.size === 0);
  });

  test("that come later start slowly, those of the start do not", async () => {
    const caller = use(
      new NamedUpstream(
        { servers: ["http://api.test:9"], dns: OFTEN, "slow-start": "1h" },
        { "api.test": ["127.0.0.1"] },
      ),
    );
    await waitFor("the lookup", () => addresses(caller).join() === "127.0.0.1");
    caller.names.set("api.test", ["127.0.0.1", "127.0.0.2"]);
    await waitFor("the second one", () => addresses(caller).length === 2);
    expect(caller.views().map(({ states }) => states)).toEqual([{ healthy: 1 }, { "slow-start": 1 }]);
  });

  test("stay while the name is not found", async () => {
    const [one] = (await machines({ "127.0.0.1": () => ok("1") })) as [Upstream];
    const caller = use(
      new NamedUpstream(
        { servers: [`http://api.test:${one.port}`], dns: OFTEN },
        { "api.test": ["127.0.0.1"] },
      ),
    );
    await waitFor("the lookup", () => addresses(caller).join() === "127.0.0.1");
    caller.names.delete("api.test");
    const before = caller.lookups;
    await waitFor("two more lookups", () => caller.lookups >= before + 2);
    expect([await caller.ask(), addresses(caller).join()]).toEqual(["1", "127.0.0.1"]);
    expect(caller.meter.snapshot().servers[0]?.counts.lookupsFailed).toBeGreaterThan(0);
    expect(one.connections, "the connection was not kept").toBe(1);
  });

  test("are reached over the TLS of the name", async () => {
    const authority = await Authority.create();
    const upstream = use(await Upstream.start(() => ok("safe"), await authority.issue(["api.test"])));
    const tls = { ca: authority.cert, serverName: null, pair: null };
    const servers = [`https://api.test:${upstream.port}`, `https://other.test:${upstream.port}`];
    const names = { "api.test": ["127.0.0.1"], "other.test": ["127.0.0.1"] };
    const right = use(new NamedUpstream({ servers: servers.slice(0, 1) }, names, tls));
    const wrong = use(new NamedUpstream({ servers: servers.slice(1) }, names, tls));
    await waitFor("the lookups", () => addresses(right).join() !== "" && addresses(wrong).join() !== "");
    expect(await right.ask()).toBe("safe");
    await expect(wrong.ask()).rejects.toMatchObject({
      code: "UPSTREAM_TLS_FAILED",
      closer: "tls_certificate_error",
    });
  });

  test("of the other family are fallen back on: a server listens where it likes", async () => {
    const [one] = (await machines({ "127.0.0.1": () => ok("1") })) as [Upstream];
    const caller = use(
      new NamedUpstream({ servers: [`http://api.test:${one.port}`] }, { "api.test": ["::1", "127.0.0.1"] }),
    );
    await waitFor("the lookup", () => addresses(caller).join() === "::1");
    expect(await caller.ask()).toBe("1");
  });

  test.each([
    ["auto", ["::1", "127.0.0.1", "::2"], ["::1 127.0.0.1", "::2 127.0.0.1"]],
    ["auto", ["127.0.0.2", "::1", "127.0.0.1", "127.0.0.2"], ["127.0.0.1 ::1", "127.0.0.2 ::1"]],
    ["ipv4", ["::1", "127.0.0.1"], ["127.0.0.1"]],
    ["ipv6", ["::1", "127.0.0.1"], ["::1"]],
    ["ipv6", ["127.0.0.1"], []],
    ["both", ["::1", "127.0.0.1"], ["127.0.0.1", "::1"]],
  ] as const)("with `family: %s`, %j are %j", (family, found, expected) => {
    const candidates = candidatesOf(
      found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      family,
    );
    expect(candidates.map((candidate) => candidate.map(({ address }) => address).join(" "))).toEqual(
      expected,
    );
  });
});

test("the names of /etc/hosts are names", async () => {
  const upstream = use(await Upstream.start(() => ok("here")));
  const main = { servers: [`http://localhost:${upstream.port}`] };
  const host = use(await startHost({ upstreams: { main } }));
  const client = await connect(host);
  expect((await client.ask(request("/"))).body.toString()).toBe("here");
  const labels = `upstream="main",server="${main.servers[0]}",result="found"`;
  await waitFor("the lookup", async () => (await host.metric(`sluice_server_lookups_total{${labels}}`)) > 0);
  expect((await client.ask(request("/"))).body.toString()).toBe("here");
});
