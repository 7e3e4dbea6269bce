import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, test } from "vitest";
import { RawClient, type RawResponse, request } from "../support/raw-client.ts";
import { type ConfigParts, startHost, startProxy, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { waitFor, within } from "../support/waiting.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

interface Path {
  readonly upstream: Upstream;
  readonly host: TestHost;
}

async function path(answer: Answer, parts: ConfigParts = {}): Promise<Path> {
  const upstream = stack.use(await Upstream.start(answer));
  return { upstream, host: stack.use(await startProxy(upstream, parts)) };
}

async function connect(host: TestHost): Promise<RawClient> {
  return stack.use(await host.connect());
}

/** An upstream that answers when it is told to. */
function gate(): { answer: Answer; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const answer: Answer = async ({ target }) => {
    await promise;
    return ok(target);
  };
  return { answer, open: resolve };
}

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
  async function closing(connections: number): Promise<Path> {
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

describe("a server that cannot be reached", () => {
  test("502, and 200 as soon as it is there", async () => {
    const upstream = await Upstream.start();
    const { port } = upstream;
    const host = stack.use(await startProxy(upstream));
    await upstream[Symbol.asyncDispose]();
    const client = await connect(host);
    expect(await answerOf(client)).toEqual([502, "UPSTREAM_UNREACHABLE\n"]);
    await upstream.listen(port);
    stack.use(upstream);
    expect(await answerOf(client)).toEqual([200, "ok"]);
  });

  test("502 for a request with a body, too, and its connection is not confused by what is left of it", async () => {
    const gone = await Upstream.start();
    const host = stack.use(await startProxy(gone));
    await gone[Symbol.asyncDispose]();
    const client = await connect(host);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\n");
    const { status, head } = await client.response("POST");
    expect(status).toBe(502);
    client.send(request("/smuggled").slice(0, 28));
    expect(head.one("connection")).toBe("close");
    expect(await client.close()).toBe("");
  });

  test("504 when it does not take the connection within timeouts.connect", async () => {
    const port = await deafServer();
    const host = stack.use(
      await startHost({
        upstreams: { main: { servers: [`http://127.0.0.1:${port}`], timeouts: { connect: "50ms" } } },
      }),
    );
    expect(await answerOf(await connect(host))).toEqual([504, "UPSTREAM_CONNECT_TIMED_OUT\n"]);
  });
});

describe("a server that is too slow", () => {
  test("504 when its head does not come within timeouts.head, and its connection is given up", async () => {
    const { answer } = gate();
    const upstream = stack.use(await Upstream.start(answer));
    const main = { servers: [upstream.origin], timeouts: { head: "50ms" } };
    const host = stack.use(await startHost({ upstreams: { main } }));
    const client = await connect(host);
    expect(await answerOf(client)).toEqual([504, "UPSTREAM_TIMED_OUT\n"]);
    await within("the end of the connection", upstream.only.closed);
    expect(await answerOf(client), "the client's connection does not go on").toEqual([
      504,
      "UPSTREAM_TIMED_OUT\n",
    ]);
  });

  test("a body that falls silent for timeouts.upstream-body breaks off", async () => {
    const { upstream, host } = await path(
      ({ socket }) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
      { timeouts: { "upstream-body": "50ms" } },
    );
    const client = await connect(host);
    await expect(client.ask(request("/"))).rejects.toMatchObject({ name: "BrokenOff" });
    await within("the end of the connection", upstream.only.closed);
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

describe("a server that speaks no HTTP/1.1", () => {
  test.each([
    ["no HTTP at all", "SSH-2.0-OpenSSH_9.6\r\n"],
    ["a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
    ["two lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    [
      "a length and chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a field with a control byte", "HTTP/1.1 200 OK\r\nX-Own: a\x01b\r\nContent-Length: 0\r\n\r\n"],
    ["a name that is no token", "HTTP/1.1 200 OK\r\nX Own: a\r\nContent-Length: 0\r\n\r\n"],
    ["a head beyond 64 KiB", `HTTP/1.1 200 OK\r\nX-Long: ${"x".repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`],
    [
      "a length and chunks that agree with it",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ],
    [
      "a coding that nobody asked for",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ],
    ["the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"],
    ["a status beyond 599", "HTTP/1.1 600 Whatever\r\nX-Own: 1\r\nContent-Length: 0\r\n\r\n"],
    [
      "a protocol that was not asked for",
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    ],
  ])("502 for %s, and nothing of it reaches the client", async (_, bytes) => {
    const { upstream, host } = await path(({ socket }) => void socket.write(Buffer.from(bytes, "latin1")));
    const client = await connect(host);
    const response = await client.ask(request("/"));
    expect([response.status, response.body.toString()]).toEqual([502, "UPSTREAM_MALFORMED\n"]);
    expect(response.head.names).not.toContain("x-own");
    await within("the end of the connection", upstream.only.closed);
  });

  test("bytes behind a whole response are no response to the next request", async () => {
    const { upstream, host } = await path(({ target }) =>
      target === "/first" ? `${ok("first")}${ok("smuggled")}` : ok("second"),
    );
    const client = await connect(host);
    expect((await client.ask(request("/first"))).body.toString()).toBe("first");
    const second = await client.ask(request("/second"));
    expect([502, 200]).toContain(second.status);
    expect(second.body.toString()).not.toBe("smuggled");
    expect(upstream.arrivals.length).toBeLessThanOrEqual(2);
  });

  test("a head of 60 KiB is none of it", async () => {
    const { host } = await path(() => ok("ok", [`X-Long: ${"x".repeat(60_000)}`]));
    const { head } = await (await connect(host)).ask(request("/"));
    expect(head.one("x-long")?.length).toBe(60_000);
  });
});

describe("several servers", () => {
  test("get their requests in turn when all are idle", async () => {
    const { upstreams, host } = await group(3);
    const client = await connect(host);
    for (let round = 0; round < 9; round++) await client.ask(request("/"));
    expect(upstreams.map(({ arrivals }) => arrivals.length)).toEqual([3, 3, 3]);
  });

  test("get the next request where the fewest are in flight", async () => {
    const { answer, open } = gate();
    const { upstreams, host } = await group(2, answer, () => ok("ok"));
    const [slow, fast] = upstreams as [Upstream, Upstream];
    const hanging = await connect(host);
    hanging.send(request("/hangs"));
    const client = await connect(host);
    for (let round = 0; round < 4 && slow.arrivals.length === 0; round++) await client.ask(request("/warm"));
    await slow.arrived(1);
    const before = fast.arrivals.length;
    for (let round = 0; round < 6; round++) await client.ask(request("/"));
    expect([slow.arrivals.length, fast.arrivals.length - before]).toEqual([1, 6]);
    open();
    expect((await hanging.response()).status).toBe(200);
  });
});

/** Servers of one upstream; each takes the next answer, and the last one serves the rest. */
async function group(
  count: number,
  ...answers: Answer[]
): Promise<{ upstreams: Upstream[]; host: TestHost }> {
  const upstreams: Upstream[] = [];
  for (let index = 0; index < count; index++) {
    upstreams.push(stack.use(await Upstream.start(answers[Math.min(index, answers.length - 1)])));
  }
  const main = { servers: upstreams.map(({ origin }) => origin) };
  return { upstreams, host: stack.use(await startHost({ upstreams: { main } })) };
}

/** A port that takes no connection: its queue is full, and nobody takes from it. */
async function deafServer(): Promise<number> {
  const thread = new Worker(
    `const { createServer } = require("node:net");
     const { parentPort } = require("node:worker_threads");
     const server = createServer().listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
    { eval: true },
  );
  stack.defer(async () => void (await thread.terminate()));
  const [port] = (await once(thread, "message")) as [number];
  for (let index = 0; index < 2; index++) stack.use(await RawClient.connect({ host: "127.0.0.1", port }));
  return port;
}

async function answerOf(client: RawClient): Promise<[number, string]> {
  const { status, body }: RawResponse = await client.ask(request("/"));
  return [status, body.toString()];
}
