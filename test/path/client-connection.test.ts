/** The bounds on what a client may do with its connection: size, time, and ends that are none. */
import { describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, type TestHost } from "../support/test-host.ts";
import { type Answer, ok } from "../support/upstream.ts";
import { waitFor, within } from "../support/waiting.ts";
import { BrokenOff } from "../support/wire.ts";

const { path, connect } = makeStage();

/** Larger than what sockets hold for a reader that does not read. */
const LARGE = 64 * 1024 * 1024;

const echo: Answer = async (arrival) => ok((await arrival.body()).body.toString("latin1"));
const never: Answer = () => new Promise(() => {});
const large: Answer = ({ socket }) => {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
  socket.write(Buffer.alloc(LARGE, "x"));
};

describe("size", () => {
  test("414 for a target beyond limits.client-target-bytes", async () => {
    const { upstream, host } = await path(echo, { limits: { "client-target-bytes": "1KiB" } });
    const client = await connect(host);
    expect((await client.ask(request(`/${"x".repeat(1_023)}`))).status).toBe(200);
    const { status, body } = await client.ask(request(`/${"x".repeat(1_024)}`));
    expect([status, body.toString()]).toEqual([414, "TARGET_TOO_LONG\n"]);
    expect(await client.close()).toBe("");
    expect(upstream.arrivals.length).toBe(1);
  });

  test("413 for a length beyond limits.client-body-bytes, before a byte of the body is asked for", async () => {
    const { upstream, host } = await path(echo, { limits: { "client-body-bytes": "1KiB" } });
    const client = await connect(host);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1025\r\n\r\n");
    const { status, interim, body } = await client.response("POST");
    expect([status, interim, body.toString()]).toEqual([413, [], "BODY_TOO_LARGE\n"]);
    expect(upstream.arrivals).toEqual([]);
  });

  test("413 for chunks that come to more than that, and the upstream sees no end of them", async () => {
    const { upstream, host } = await path(echo, { limits: { "client-body-bytes": "1KiB" } });
    const client = await connect(host);
    const chunk = `200\r\n${"x".repeat(512)}\r\n`;
    client.send(
      `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}0\r\n\r\n`,
    );
    const { status, body } = await client.response("POST");
    expect([status, body.toString()]).toEqual([413, "BODY_TOO_LARGE\n"]);
    for (const arrival of upstream.arrivals) await expect(arrival.body()).rejects.toBeInstanceOf(BrokenOff);
    const another = await connect(host);
    const within1KiB = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(2)}0\r\n\r\n`;
    expect((await another.ask(within1KiB)).body.length).toBe(1_024);
  });
});

describe("time", () => {
  test("408 when a body does not come within timeouts.client-request, and the upstream's connection is closed", async () => {
    const { upstream, host } = await path(echo, { timeouts: { "client-request": "100ms" } });
    const client = await connect(host);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    const { status, body } = await client.response("POST");
    expect([status, body.toString()]).toEqual([408, "REQUEST_TIMED_OUT\n"]);
    await within("the end of the upstream's connection", upstream.only.closed);
    expect(await client.close()).toBe("");
  });

  test("408 when nothing more of a body comes for timeouts.client-body; a little now and then is enough", async () => {
    const { host } = await path(echo, { timeouts: { "client-body": "1s" } });
    const start = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const slow = await connect(host);
    slow.send(start);
    const stuck = await connect(host);
    stuck.send(`${start}1\r\nx\r\n`);
    let refused: number | undefined;
    const answered = stuck.response("POST").then(({ status }) => (refused = status));
    let sent = 0;
    await waitFor("the end of the stuck request", () => {
      slow.send("1\r\nx\r\n");
      sent += 1;
      return refused !== undefined;
    });
    expect(await answered).toBe(408);
    slow.send("0\r\n\r\n");
    expect((await slow.response("POST")).body.length).toBe(sent);
  });

  test("a head that has begun is given timeouts.client-head, however short idle connections live", async () => {
    const { host } = await path(echo, { timeouts: { "client-idle": "1ms", "client-head": "10s" } });
    const client = await connect(host);
    client.send("GET / HTTP/1.1\r\n");
    // Others, which are idle, are closed twice meanwhile.
    for (let round = 0; round < 2; round++) expect(await (await connect(host)).close()).toBe("");
    client.send("Host: a\r\n\r\n");
    expect((await client.response()).status).toBe(200);
  });

  test("a client that takes nothing of its response for timeouts.client-write is given up", async () => {
    const { upstream, host } = await path(large, { timeouts: { "client-write": "200ms" } });
    const client = await connect(host);
    client.send(request("/"));
    await within("the end of the upstream's connection", (await upstream.arrived(1)).closed);
    expect(await gone(host)).toBe(1);
  });

  test("a client that takes it slowly is not", async () => {
    const { host } = await path(large, { timeouts: { "client-write": "2s" } });
    const client = await connect(host);
    client.send(request("/"));
    await client.head();
    let taken = 0;
    while (taken < LARGE) taken += (await client.wire.some())?.length ?? LARGE;
    expect(taken).toBe(LARGE);
  });
});

describe("an end of the client's side", () => {
  test("after its request: the response comes all the same", async () => {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const { host } = await path(async () => {
      await ended;
      return ok("late");
    });
    const client = await connect(host);
    client.send(request("/"));
    client.wire.socket.end();
    end();
    expect((await client.response()).body.toString()).toBe("late");
    expect(await client.close()).toBe("");
  });

  test("after its request: the response is not waited for longer than timeouts.client-half-closed", async () => {
    const { upstream, host } = await path(never, { timeouts: { "client-half-closed": "100ms" } });
    const client = await connect(host);
    client.send(request("/"));
    const arrival = await upstream.arrived(1);
    client.wire.socket.end();
    await within("the end of the upstream's connection", arrival.closed);
    expect(await gone(host)).toBe(1);
    expect(await client.close()).toBe("");
  });

  test("within its request: the request ends, and the upstream sees no end of it", async () => {
    const { upstream, host } = await path(never);
    const client = await connect(host);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    const arrival = await upstream.arrived(1);
    client.wire.socket.end();
    await expect(within("the end of the request", arrival.body())).rejects.toBeInstanceOf(BrokenOff);
    expect(await gone(host)).toBe(1);
  });
});

describe("many requests at once on one connection", () => {
  test("are all answered, in their order, though they come in one piece", async () => {
    const { host } = await path(({ target }) => ok(target));
    const client = await connect(host);
    const targets = Array.from({ length: 2_000 }, (_, index) => `/${index}`);
    client.send(targets.map((target) => request(target)).join(""));
    const answered: string[] = [];
    while (answered.length < targets.length) answered.push((await client.response()).body.toString());
    expect(answered).toEqual(targets);
    expect((await client.ask(request("/last"))).body.toString()).toBe("/last");
  });

  test("with bodies of either framing do not run into each other", async () => {
    const { host } = await path(echo);
    const client = await connect(host);
    const sized = request("/", [], "POST", "sized");
    const chunked =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nchu\r\n4\r\nnked\r\n0\r\nX-T: 1\r\n\r\n";
    client.send([sized, chunked, request("/"), chunked, sized].join("").repeat(20));
    for (let round = 0; round < 20; round++) {
      for (const body of ["sized", "chunked", "", "chunked", "sized"]) {
        expect((await client.response("POST")).body.toString()).toBe(body);
      }
    }
  });
});

describe("Expect: 100-continue", () => {
  test("is not met where a filter refuses the request: the body is never sent", async () => {
    const { upstream, host } = await path(echo, {
      filters: { keys: { component: component("api_key"), config: { sha256: ["0".repeat(64)] } } },
      routes: [{ upstream: "main", filters: ["keys"] }],
    });
    const client = await connect(host);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    const { status, interim } = await client.response("POST");
    expect([status, interim]).toEqual([401, []]);
    expect(upstream.arrivals).toEqual([]);
  });

  test("need not be waited for: the body may come at once", async () => {
    const { host } = await path(echo);
    const client = await connect(host);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody");
    expect((await client.response("POST")).body.toString()).toBe("body");
    expect((await client.ask(request("/"))).status).toBe(200);
  });
});

/** How many exchanges have ended because their client went away, once there is one. */
function gone(host: TestHost): Promise<number> {
  return waitFor("an exchange whose client has gone", async () => {
    const found = await host.metric('sluice_failures_total{code="CLIENT_GONE"}');
    return found > 0 && found;
  });
}
