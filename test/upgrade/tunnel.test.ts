/** An upgraded connection: bytes both ways, and every way in which it may end. */
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { component, startProxy } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { plateau, waitFor, within } from "../support/waiting.ts";
import { OFFER, OpenTunnel, SWITCH, switching } from "./tunnel.ts";

describe("the 101", () => {
  test("reaches the client as this hop's own, with what identifies the exchange", async () => {
    await using tunnel = await OpenTunnel.open();
    const { head } = tunnel;
    expect([head.one("connection"), head.one("upgrade")]).toEqual(["upgrade", "echo/1"]);
    expect(head.one("via")).toMatch(/^1\.1 sluice-/);
    expect(head.one("x-request-id")).toBe(tunnel.upstream.only.head.one("x-request-id"));
    expect(head.names).not.toContain("transfer-encoding");
  });

  test.each([
    ["nobody asked for", [], SWITCH],
    ["names what was not offered", OFFER, SWITCH.replace("echo/1", "chat/2")],
    ["names more than was offered", OFFER, SWITCH.replace("echo/1", "echo/1, chat/2")],
    ["names nothing", OFFER, SWITCH.replace("Upgrade: echo/1\r\n", "")],
  ])("that %s is a failure of the server", async (_, fields, answer) => {
    await using upstream = await Upstream.start(({ socket }) => void socket.write(answer));
    await using host = await startProxy(upstream);
    await using client = await host.connect();
    const response = await client.ask(request("/", fields));
    expect([response.status, response.body.toString()]).toEqual([502, "UPSTREAM_MALFORMED\n"]);
    await within("the end of the server's connection", upstream.only.closed);
  });

  test("comes with what the server sends behind it, in one piece or in many", async () => {
    const pieces = `${SWITCH}first`;
    await using tunnel = await OpenTunnel.open({}, "", async ({ socket, wire }) => {
      for (const byte of pieces) await new Promise((resolve) => socket.write(byte, resolve));
      await wire.closed;
    });
    expect((await within("the first bytes", tunnel.near.bytes(5))).toString()).toBe("first");
  });
});

describe("bytes that the client sends behind its offer", () => {
  test("are the other protocol's after a 101", async () => {
    await using tunnel = await OpenTunnel.open({}, "GET /early HTTP/1.1\r\nHost: x\r\n\r\n");
    const early = await within("the early bytes", tunnel.far.bytes(32));
    expect(early.toString()).toBe("GET /early HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(tunnel.upstream.arrivals.length).toBe(1);
  });

  test("are a request after any other answer", async () => {
    await using upstream = await Upstream.start(({ target }) => ok(target));
    await using host = await startProxy(upstream);
    await using client = await host.connect();
    client.send(request("/offer", OFFER) + request("/next"));
    expect((await client.response()).body.toString()).toBe("/offer");
    expect((await client.response()).body.toString()).toBe("/next");
    expect(upstream.arrivals.map(({ target }) => target)).toEqual(["/offer", "/next"]);
  });

  test("are refused as a request when they are none, and never reach the server", async () => {
    await using upstream = await Upstream.start(({ target }) => ok(target));
    await using host = await startProxy(upstream);
    await using client = await host.connect();
    client.send(`${request("/offer", OFFER)}\x81\x05hello`);
    expect((await client.response()).body.toString()).toBe("/offer");
    expect((await client.response()).status).toBe(400);
    expect(upstream.arrivals.length).toBe(1);
  });
});

describe("a tunnel", () => {
  test("carries bytes both ways, of which the log has the counts", async () => {
    await using tunnel = await OpenTunnel.open({}, "early");
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, at) => at % 256));
    tunnel.client.send(bytes);
    expect((await within("the client's bytes", tunnel.far.bytes(70_005))).subarray(5).equals(bytes)).toBe(
      true,
    );
    tunnel.far.socket.write(bytes);
    expect((await within("the server's bytes", tunnel.near.bytes(70_000))).equals(bytes)).toBe(true);
    expect(await tunnel.host.metric("sluice_tunnels_open")).toBe(1);
    expect(await tunnel.host.metric("sluice_exchanges_in_flight")).toBe(1);

    tunnel.near.socket.end();
    tunnel.far.socket.end();
    expect(await tunnel.line()).toMatchObject({
      "http.response.status_code": 101,
      "url.path": "/socket",
      "http.request.body.size": 70_005,
      "http.response.body.size": 70_000,
    });
    expect(await tunnel.host.metric("sluice_tunnels_open")).toBe(0);
    expect(await tunnel.host.metric("sluice_exchanges_in_flight")).toBe(0);
    expect(await tunnel.host.metric('sluice_exchanges_total{route="routes[0] */*",status="101"}')).toBe(1);
  });

  test.each(["client", "server"] as const)(
    "whose %s reads nothing holds the other side back",
    async (slow) => {
      await using tunnel = await OpenTunnel.open();
      const [writer, reader] = slow === "server" ? [tunnel.near, tunnel.far] : [tunnel.far, tunnel.near];
      const chunk = Buffer.alloc(65_536);
      let accepted = 0;
      const write = (): void => {
        while (!writer.socket.destroyed) {
          const room = writer.socket.write(chunk, () => {
            accepted += chunk.length;
          });
          if (!room) return;
        }
      };
      writer.socket.on("drain", write);
      write();
      // What the system's buffers on both connections take, and no more than a little of our own.
      const stuck = await plateau("what the writer is rid of", () => accepted);
      expect(stuck).toBeLessThan(32 * 1_024 * 1_024);
      const taken = reader.received;
      await within("what waited", reader.bytes(stuck - taken));
    },
  );

  test.each(["client", "server"] as const)(
    "whose %s has said its last goes on the other way",
    async (first) => {
      await using tunnel = await OpenTunnel.open();
      const [one, other] = first === "client" ? [tunnel.near, tunnel.far] : [tunnel.far, tunnel.near];
      one.socket.allowHalfOpen = true;
      other.socket.allowHalfOpen = true;
      one.socket.end("last");
      expect((await within("the end of one side", other.rest())).toString()).toBe("last");
      other.socket.write("still");
      expect((await within("what comes back", one.bytes(5))).toString()).toBe("still");
      other.socket.end("over");
      expect((await within("the end of the other side", one.rest())).toString()).toBe("over");
      expect((await tunnel.line())["error.type"]).toBeUndefined();
    },
  );

  test("is closed on both sides when nothing has come for timeouts.tunnel-idle", async () => {
    await using tunnel = await OpenTunnel.open({ timeouts: { "tunnel-idle": "300ms" } });
    const began = performance.now();
    await within("the client's end", tunnel.near.closed);
    await within("the server's end", tunnel.far.closed);
    expect(performance.now() - began).toBeGreaterThan(200);
    expect(await tunnel.line()).toMatchObject({ "http.response.status_code": 101 });
  });

  test.each(["client", "server"] as const)("whose %s resets is reset on the other side", async (broken) => {
    await using tunnel = await OpenTunnel.open();
    const [one, other] = broken === "client" ? [tunnel.near, tunnel.far] : [tunnel.far, tunnel.near];
    // One byte each way: both ends know that it stands.
    one.socket.write("x");
    await within("a byte", other.bytes(1));
    one.socket.resetAndDestroy();
    await within("the end of the other side", other.closed);
    expect(other.socket.errored, "an end in order would look like the end of a message").toMatchObject({
      code: "ECONNRESET",
    });
    await tunnel.line();
    expect(await tunnel.host.metric("sluice_connections_open")).toBe(0);
  });

  test("outlasts neither its deadline at a stop, nor the log", async () => {
    await using tunnel = await OpenTunnel.open({ timeouts: { drain: "300ms" } });
    tunnel.client.send("before");
    await within("bytes", tunnel.far.bytes(6));
    const drained = tunnel.host.host.drain();
    // While the deadline runs it works as before.
    tunnel.client.send("after");
    await within("bytes while draining", tunnel.far.bytes(5));
    await within("the end of the tunnel", tunnel.near.closed);
    await within("the end of the drain", drained);
    expect(await tunnel.line()).toMatchObject({
      "http.response.status_code": 101,
      "http.request.body.size": 11,
    });
  });

  test("that ends lets the drain end", async () => {
    await using tunnel = await OpenTunnel.open();
    const drained = tunnel.host.host.drain();
    tunnel.near.socket.end();
    tunnel.far.socket.end();
    await within("the end of the drain", drained);
    expect(await tunnel.line()).toMatchObject({ "http.response.status_code": 101 });
  });
});

describe("filters and a tunnel", () => {
  test("a reply of a filter takes the place of the 101", async () => {
    await using upstream = await Upstream.start(switching);
    await using host = await startProxy(upstream, {
      filters: { probe: { component: component("probe"), config: { work: "reply" } } },
      routes: [{ filters: ["probe"], upstream: "main" }],
    });
    await using client = await host.connect();
    expect((await client.ask(request("/socket", OFFER))).head.one("x-probe")).toBe("reply");
    expect(upstream.arrivals.length).toBe(0);
  });

  test("one that wants the end is told of it when the tunnel ends", async () => {
    const failures = 'sluice_filter_failures_total{filter="trap",reason="trap"}';
    await using upstream = await Upstream.start(switching);
    await using host = await startProxy(upstream, {
      filters: { trap: { component: component("trap") } },
      routes: [{ filters: ["trap"], upstream: "main" }],
    });
    await using client = await host.connect();
    client.send(request("/panic-end", OFFER));
    await client.head();
    expect(await host.metric(failures)).toBe(0);
    client.destroy();
    await host.lines("the end of the tunnel", ({ msg }) => msg === "exchange");
    expect(await host.metric(failures)).toBe(1);
  });

  test("one that wants the response is free again when the tunnel begins, as it will not see one", async () => {
    await using upstream = await Upstream.start(switching);
    await using host = await startProxy(upstream, {
      filters: { mark: { component: component("mark"), config: { mark: "m" } } },
      routes: [{ filters: ["mark"], upstream: "main" }],
      limits: { instances: 1 },
      timeouts: { "instance-wait": "1ms" },
    });
    await using client = await host.connect();
    client.send(request("/socket", OFFER));
    await client.head();
    await using other = await host.connect();
    expect((await other.ask(request("/"))).body.toString()).toBe("plain");
  });

  test("a generation lasts as long as its tunnels", async () => {
    const instances = 'sluice_filter_instances{filter="mark"}';
    await using upstream = await Upstream.start(switching);
    await using host = await startProxy(upstream, {
      filters: { mark: { component: component("mark"), config: { mark: "old" } } },
      routes: [{ filters: ["mark"], upstream: "main" }],
    });
    await using client = await host.connect();
    client.send(request("/socket", OFFER));
    await client.head();
    const alone = await host.metric(instances);
    await host.host.swap("mark", { component: component("mark"), config: { mark: "new" } });
    expect(await host.metric(instances), "those of both generations").toBeGreaterThan(alone);
    client.destroy();
    // The new one keeps an instance ready only once it is used.
    await waitFor("the old generation's end", async () => (await host.metric(instances)) <= alone);
  });
});
