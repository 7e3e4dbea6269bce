import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { RawClient, type RawResponse, request } from "../support/raw-client.ts";
import { gate, makeStage } from "../support/stage.ts";
import { startHost, startProxy, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { waitFor, within } from "../support/waiting.ts";

const { use, path, connect } = makeStage();

describe("a server that cannot be reached", () => {
  test("502, and 200 as soon as it is there", async () => {
    const upstream = await Upstream.start();
    const { port } = upstream;
    const host = use(await startProxy(upstream));
    await upstream[Symbol.asyncDispose]();
    const client = await connect(host);
    expect(await answerOf(client)).toEqual([502, "UPSTREAM_UNREACHABLE\n"]);
    await upstream.listen(port);
    use(upstream);
    expect(await answerOf(client)).toEqual([200, "ok"]);
  });

  test("502 for a request with a body, too, and its connection is not confused by what is left of it", async () => {
    const gone = await Upstream.start();
    const host = use(await startProxy(gone));
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
    const host = use(
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
    const upstream = use(await Upstream.start(answer));
    const main = { servers: [upstream.origin], timeouts: { head: "50ms" } };
    const host = use(await startHost({ upstreams: { main } }));
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
    const { upstreams, host } = await group(2);
    const client = await connect(host);
    for (let round = 0; round < 8; round++) await client.ask(request("/"));
    expect(upstreams.map(({ arrivals }) => arrivals.length)).toEqual([4, 4]);
  });

  test("get the next request where the fewest are in flight", async () => {
    const { answer, open } = gate();
    const { upstreams, host } = await group(2, (arrival) =>
      arrival.target === "/hangs" ? answer(arrival) : ok("ok"),
    );
    const asked = (): number => upstreams.reduce((sum, { arrivals }) => sum + arrivals.length, 0);
    const hanging = await connect(host);
    hanging.send(request("/hangs"));
    await waitFor("the request that hangs", () => asked() === 1);
    const client = await connect(host);
    for (let round = 0; round < 6; round++) await client.ask(request("/"));
    const slow = upstreams.find(({ arrivals }) => arrivals[0]?.target === "/hangs");
    expect([slow?.arrivals.length, asked()]).toEqual([1, 7]);
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
    upstreams.push(use(await Upstream.start(answers[Math.min(index, answers.length - 1)])));
  }
  const main = { servers: upstreams.map(({ origin }) => origin) };
  return { upstreams, host: use(await startHost({ upstreams: { main } })) };
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
  use({ [Symbol.asyncDispose]: async () => void (await thread.terminate()) });
  const [port] = (await once(thread, "message")) as [number];
  for (let index = 0; index < 2; index++) use(await RawClient.connect({ host: "127.0.0.1", port }));
  return port;
}

async function answerOf(client: RawClient): Promise<[number, string]> {
  const { status, body }: RawResponse = await client.ask(request("/"));
  return [status, body.toString()];
}
