import { describe, expect, test } from "vitest";
import { type RawClient, request } from "../support/raw-client.ts";
import { gate, makeStage } from "../support/stage.ts";
import { ok, type Upstream } from "../support/upstream.ts";
import { waitFor, within } from "../support/waiting.ts";

const { path, connect } = makeStage();

describe("connections to a server", () => {
  test("are used again, whichever client asks", async () => {
    const { upstream, host } = await path(({ method }) =>
      ok("ok").slice(0, method === "HEAD" ? -2 : undefined),
    );
    for (let round = 0; round < 10; round++) {
      await using client = await host.connect();
      await client.ask(request("/", [], round % 2 === 0 ? "GET" : "POST", round % 2 === 0 ? "" : "body"));
      await client.ask(request("/", [], "HEAD"), "HEAD");
    }
    expect(upstream.arrivals.length).toBe(20);
    expect(upstream.connections).toBe(1);
  });

  test("are as many as there are requests at once, and the one that was free last comes first", async () => {
    const { answer, open } = gate();
    const { upstream, host } = await path(answer);
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect(host)));
    for (const [index, client] of clients.entries()) {
      client.send(request(`/${index}`));
      await upstream.arrived(index + 1);
    }
    expect(upstream.connections).toBe(4);
    open();
    await Promise.all(clients.map((client) => client.response()));
    for (let round = 0; round < 5; round++) await clients[0]?.ask(request("/again"));
    expect(upstream.connections).toBe(4);
    const used = upstream.arrivals
      .filter(({ target }) => target === "/again")
      .map(({ connection }) => connection);
    expect(new Set(used).size, "idle connections were used in turn, and none could end").toBe(1);
  });

  test("end when they have been idle for timeouts.upstream-keep-alive", async () => {
    const { upstream, host } = await path(() => ok("ok"), { timeouts: { "upstream-keep-alive": "50ms" } });
    const client = await connect(host);
    await client.ask(request("/"));
    await within("the end of the idle connection", upstream.only.closed);
    expect((await client.ask(request("/"))).status).toBe(200);
    expect(upstream.connections).toBe(2);
  });

  test.each([
    ["the server has closed in order", (answered: Upstream) => answered.only.socket.end()],
    ["the server has reset", (answered: Upstream) => answered.only.socket.resetAndDestroy()],
  ])("that %s cost no request", async (_, close) => {
    const { upstream, host } = await path(() => ok("ok"));
    const client = await connect(host);
    await client.ask(request("/"));
    close(upstream);
    await within("the end of the idle connection", upstream.only.closed);
    for (let round = 0; round < 3; round++) expect((await client.ask(request("/"))).status).toBe(200);
    expect(upstream.connections).toBe(2);
  });

  test.each([
    ["Connection: close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"],
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"],
  ])("whose server says %s are not used again, and the client's goes on", async (_, answer) => {
    const { upstream, host } = await path(() => answer);
    const client = await connect(host);
    for (let round = 1; round <= 3; round++) {
      const { body, head } = await client.ask(request("/"));
      expect([body.toString(), head.one("connection")]).toEqual(["ok", undefined]);
      expect(upstream.connections).toBe(round);
    }
  });
});

describe("a connection that its server closes as the next request comes", () => {
  /** A server that answers the first request of each of its first connections and closes at the second. */
  function closing(connections: number): ReturnType<typeof path> {
    return path(({ wire, connection, socket, head }) => {
      if (connection <= connections && wire.received > head.raw.length * 1.5) {
        socket.destroy();
        return undefined;
      }
      return ok(`from ${connection}`);
    });
  }

  test.each(["GET", "PUT", "DELETE", "OPTIONS"])(
    "costs a %s nothing: it is sent once more",
    async (method) => {
      const { upstream, host } = await closing(1);
      const client = await connect(host);
      await client.ask(request("/first"));
      const { status, body } = await client.ask(request("/second", [], method));
      expect([status, body.toString()]).toEqual([200, "from 2"]);
      expect(upstream.arrivals.map(({ target }) => target)).toEqual(["/first", "/second", "/second"]);
    },
  );

  test.each([
    ["a POST", request("/second", [], "POST")],
    ["a request with a body", request("/second", [], "PUT", "body")],
  ])("is told to the client of %s, which may have been served already", async (_, sent) => {
    const { upstream, host } = await closing(1);
    const client = await connect(host);
    await client.ask(request("/first"));
    expect((await client.ask(sent)).status).toBe(502);
    expect(upstream.arrivals.map(({ target }) => target)).toEqual(["/first", "/second"]);
  });

  test("is not a reason to try without end", async () => {
    const { upstream, host } = await path(({ socket, target }) => {
      if (target === "/first") return ok("");
      socket.destroy();
      return undefined;
    });
    const client = await connect(host);
    await client.ask(request("/first"));
    expect((await client.ask(request("/second"))).status).toBe(502);
    expect(upstream.arrivals.length).toBeLessThan(5);
  });
});

describe("a server that is busy", () => {
  test("requests beyond limits.upstream-connections wait, and are sent in the order in which they came", async () => {
    const { answer, open } = gate();
    const { upstream, host } = await path(answer, {
      limits: { "upstream-connections": 1, "upstream-pending": 8 },
    });
    const clients: RawClient[] = [];
    for (let index = 0; index < 5; index++) {
      const client = await connect(host);
      client.send(request(`/${index}`));
      clients.push(client);
      await waitFor(
        "the exchange",
        async () => (await host.metric("sluice_exchanges_in_flight")) === index + 1,
      );
    }
    open();
    const responses = await Promise.all(clients.map((client) => client.response()));
    expect(responses.map(({ body }) => body.toString())).toEqual(["/0", "/1", "/2", "/3", "/4"]);
    expect(upstream.arrivals.map(({ target }) => target)).toEqual(["/0", "/1", "/2", "/3", "/4"]);
    expect(upstream.connections).toBe(1);
  });

  test("503 for those beyond limits.upstream-pending, at once, with the advice to come again", async () => {
    const { answer, open } = gate();
    const { host } = await path(answer, { limits: { "upstream-connections": 1, "upstream-pending": 1 } });
    const clients: RawClient[] = [];
    for (let index = 0; index < 2; index++) {
      const client = await connect(host);
      client.send(request("/in"));
      clients.push(client);
      await waitFor(
        "the exchange",
        async () => (await host.metric("sluice_exchanges_in_flight")) === index + 1,
      );
    }
    const refused = await connect(host);
    const { status, head, body } = await refused.ask(request("/out"));
    expect([status, body.toString()]).toEqual([503, "UPSTREAM_BUSY\n"]);
    expect(Number(head.one("retry-after"))).toBeGreaterThan(0);
    open();
    const responses = await Promise.all(clients.map((client) => client.response()));
    expect(responses.map((response) => response.status)).toEqual([200, 200]);
    expect((await refused.ask(request("/now"))).status).toBe(200);
  });

  test("a connection that breaks makes room for who waits", async () => {
    const { upstream, host } = await path(
      ({ target, socket }) => (target === "/breaks" ? undefined : ok(`${target} ${socket.remotePort !== 0}`)),
      { limits: { "upstream-connections": 1 } },
    );
    const first = await connect(host);
    const second = await connect(host);
    first.send(request("/breaks"));
    const { socket } = await upstream.arrived(1);
    second.send(request("/waits"));
    await waitFor("both exchanges", async () => (await host.metric("sluice_exchanges_in_flight")) === 2);
    socket.destroy();
    expect((await first.response()).status).toBe(502);
    expect((await second.response()).body.toString()).toBe("/waits true");
  });
});
