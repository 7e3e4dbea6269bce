/** What an upstream takes at once, and for how long. */
import { describe, expect, test } from "vitest";
import { type RawClient, request } from "../support/raw-client.ts";
import { gate, makeStage } from "../support/stage.ts";
import { startHost, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor, within } from "../support/waiting.ts";
import { OFFER, switching } from "../upgrade/tunnel.ts";

const { use, connect } = makeStage();

async function start(upstream: Upstream, options: object): Promise<TestHost> {
  return use(await startHost({ upstreams: { main: { servers: [upstream.origin], ...options } } }));
}

async function send(host: TestHost, count: number): Promise<RawClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => connect(host)));
  for (const [at, client] of clients.entries()) {
    client.send(request("/in"));
    await waitFor("the exchange", async () => (await host.metric("sluice_exchanges_in_flight")) === at + 1);
  }
  return clients;
}

describe("beyond its own limits an upstream is busy: 503, and come again", () => {
  test.each([
    ["in-flight", { "in-flight": 2 }, 2],
    ["connections and pending", { connections: 1, pending: 1 }, 1],
  ])("%s", async (_, limits, connections) => {
    const { answer, open } = gate();
    const upstream = use(await Upstream.start(answer));
    const host = await start(upstream, { limits });
    const clients = await send(host, 2);
    const { status, head, body } = await (await connect(host)).ask(request("/out"));
    expect([status, body.toString(), head.one("retry-after")]).toEqual([503, "UPSTREAM_BUSY\n", "1"]);
    expect(head.one("proxy-status")).toContain("connection_limit_reached");
    open();
    for (const client of clients) expect((await client.response()).status).toBe(200);
    expect(upstream.connections).toBe(connections);
    expect((await (await connect(host)).ask(request("/now"))).status, "nothing was given back").toBe(200);
  });

  test("in-flight counts tunnels until they end, and requests whose client has gone no more", async () => {
    const upstream = use(await Upstream.start(switching));
    const host = await start(upstream, { limits: { "in-flight": 1 } });
    const tunnel = await connect(host);
    tunnel.send(request("/socket", OFFER));
    await tunnel.head();
    const client = await connect(host);
    expect((await client.ask(request("/"))).status).toBe(503);
    tunnel.destroy();
    await waitFor("the end of the tunnel", async () => (await client.ask(request("/"))).status === 200);
  });

  test("in-flight is given back by a client that goes away, and by a failure", async () => {
    const upstream = use(
      await Upstream.start(({ target, socket }) => {
        if (target === "/breaks") socket.destroy();
        return target === "/now" ? ok("") : undefined;
      }),
    );
    const host = await start(upstream, { limits: { "in-flight": 1 } });
    const [leaver] = await send(host, 1);
    await upstream.arrived(1);
    leaver?.reset();
    await waitFor("its end", async () => (await host.metric("sluice_exchanges_in_flight")) === 0);
    const client = await connect(host);
    expect((await client.ask(request("/breaks", [], "POST"))).status).toBe(502);
    expect((await client.ask(request("/now"))).status).toBe(200);
  });
});

describe("timeouts.total", () => {
  test("ends a response that comes in drops, however often", async () => {
    const upstream = use(
      await Upstream.start(async ({ socket, wire }) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        const drip = setInterval(() => void socket.write("x"), 5);
        await wire.closed;
        clearInterval(drip);
      }),
    );
    const host = await start(upstream, { timeouts: { total: "200ms" } });
    const client = await connect(host);
    await expect(client.ask(request("/"))).rejects.toMatchObject({ name: "BrokenOff" });
    await within("the end of its connection", upstream.only.closed);
    const [line] = await host.lines("the exchange", ({ msg }) => msg === "exchange");
    expect(line?.["error.type"]).toBe("UPSTREAM_TIMED_OUT");
  });

  test("bounds all tries together", async () => {
    // Each answers late with what would be sent again.
    const busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    const { answer } = gate();
    const upstreams = [use(await Upstream.start(() => busy)), use(await Upstream.start(answer))];
    const servers = upstreams.map(({ origin }) => origin);
    const main = { servers, retries: { on: [503] }, timeouts: { total: "100ms" }, balance: "round-robin" };
    const host = use(await startHost({ upstreams: { main } }));
    const client = await connect(host);
    for (let round = 0; round < 2; round++) {
      const { status, body } = await client.ask(request("/"));
      expect([status, body.toString()]).toEqual([504, "UPSTREAM_TIMED_OUT\n"]);
    }
  });

  test("is not of tunnels, nor of a kept connection's next request", async () => {
    const upstream = use(
      await Upstream.start((arrival) => (arrival.target === "/hangs" ? undefined : switching(arrival))),
    );
    const host = await start(upstream, { timeouts: { total: "100ms" } });
    const tunnel = await connect(host);
    tunnel.send(request("/socket", OFFER));
    await tunnel.head();
    const { wire } = upstream.only;
    const client = await connect(host);
    await client.ask(request("/"));
    // Later than the tunnel and the first request it runs out of time: so would they have.
    expect((await client.ask(request("/hangs"))).status).toBe(504);
    tunnel.send("still here");
    expect((await within("bytes in the tunnel", wire.bytes(10))).toString()).toBe("still here");
  });
});
