/** The end of an exchange, as the filters on its way are told. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Handmade, handmade } from "../contract/handmade.ts";
import { request } from "../support/raw-client.ts";
import { gate, makeStage } from "../support/stage.ts";
import { component, type ConfigParts, type LogLine, type TestHost } from "../support/test-host.ts";
import { type Answer, ok } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

const { path, connect } = makeStage();

let folder: string;
let telling: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-end-"));
  telling = await handmade(join(folder, "telling.wasm"), TELLING);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Logs an outcome as numbers: the ending's case, whether there is a status, the status, and the bytes either way. */
const TELLING: Handmade = {
  plan: [1 + 16],
  beside: `
    (func $digits (param $value i64) (param $end i32)
      (local $left i32) (local.set $left (i32.const 4))
      (loop $next
        (local.set $end (i32.sub (local.get $end) (i32.const 1)))
        (i32.store8 (local.get $end) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
        (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
        (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))`,
  onEnd: `
    (call $digits (i64.extend_i32_u (local.get 1)) (i32.const 3004))
    (call $digits (i64.extend_i32_u (local.get 2)) (i32.const 3008))
    (call $digits (i64.extend_i32_u (local.get 3)) (i32.const 3012))
    (call $digits (local.get 5) (i32.const 3016))
    (call $digits (local.get 6) (i32.const 3020))
    (call $log (i32.const 2) (i32.const 3000) (i32.const 20) (i32.const 0) (i32.const 0))`,
};

const ENDINGS = ["complete", "client-gone", "upstream-failed", "filter-failed", "timed-out", "refused"];

interface Told {
  readonly ending: string | undefined;
  readonly status: number | undefined;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

function read({ msg }: LogLine): Told {
  const numbers = (msg.match(/\d{4}/g) ?? []).map(Number);
  const [ending = -1, hasStatus, status, requestBytes = -1, responseBytes = -1] = numbers;
  return {
    ending: ENDINGS[ending],
    status: hasStatus === 1 ? status : undefined,
    requestBytes,
    responseBytes,
  };
}

/** What a filter was told of the first exchange that has ended. */
async function told(host: TestHost, filter = "own"): Promise<Told> {
  const [line] = await host.lines(
    "the end",
    (each) => each["filter"] === filter && /^\d{20}$/.test(each.msg),
  );
  return read(line as LogLine);
}

/** A host with one filter that tells, and others behind it. */
function start(
  answer?: Answer,
  parts: ConfigParts = {},
  behind: Readonly<Record<string, object>> = {},
): ReturnType<typeof path> {
  const filters = { own: { component: telling }, ...behind };
  return path(answer, { filters, routes: [{ upstream: "main", filters: Object.keys(filters) }], ...parts });
}

describe("a filter is told", () => {
  test("of a complete exchange: its status, and the bytes of both bodies", async () => {
    const { host } = await start(() => ok("response"));
    const client = await connect(host);
    await client.ask(request("/", [], "POST", "body"));
    expect(await told(host)).toEqual({ ending: "complete", status: 200, requestBytes: 4, responseBytes: 8 });
  });

  test("of a client that went away before there was a status", async () => {
    const { upstream, host } = await start(() => new Promise(() => {}));
    const client = await connect(host);
    client.send(request("/"));
    await upstream.arrived(1);
    client.reset();
    expect(await told(host)).toEqual({
      ending: "client-gone",
      status: undefined,
      requestBytes: 0,
      responseBytes: 0,
    });
  });

  test("of an upstream that broke off: the host's own answer", async () => {
    const { host } = await start(({ socket }) => void socket.destroy());
    const client = await connect(host);
    const { body } = await client.ask(request("/"));
    expect(await told(host)).toEqual({
      ending: "upstream-failed",
      status: 502,
      requestBytes: 0,
      responseBytes: body.length,
    });
  });

  test("of an upstream that broke off in its body: the status that had gone out, and the bytes", async () => {
    const { upstream, host } = await start(
      ({ socket }) => void socket.write("HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\nabc"),
    );
    const client = await connect(host);
    client.send(request("/"));
    await client.head();
    upstream.only.socket.destroy();
    expect(await told(host)).toEqual({
      ending: "upstream-failed",
      status: 201,
      requestBytes: 0,
      responseBytes: 3,
    });
  });

  test("of a time that ran out", async () => {
    const { host } = await start(() => new Promise(() => {}), { timeouts: { "upstream-head": "50ms" } });
    const client = await connect(host);
    expect((await client.ask(request("/"))).status).toBe(504);
    expect(await told(host)).toMatchObject({ ending: "timed-out", status: 504 });
  });

  test("of another filter that failed", async () => {
    const { host } = await start(undefined, {}, { trap: { component: component("trap") } });
    const client = await connect(host);
    await client.ask(request("/panic"));
    expect(await told(host)).toMatchObject({ ending: "filter-failed", status: 500 });
  });

  test("of a request that was refused while it came", async () => {
    const { host } = await start(async (arrival) => ok((await arrival.body()).body.toString()), {
      limits: { "client-body-bytes": "1KiB" },
    });
    const client = await connect(host);
    const chunk = `400\r\n${"x".repeat(1_024)}\r\n`;
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`);
    expect((await client.response("POST")).status).toBe(413);
    expect(await told(host)).toMatchObject({ ending: "refused", status: 413 });
  });

  test("of an exchange that a later filter answered, which is complete", async () => {
    const reply = { component: component("probe"), config: { work: "reply" } };
    const { host } = await start(undefined, {}, { reply });
    const client = await connect(host);
    await client.ask(request("/"));
    expect(await told(host)).toEqual({
      ending: "complete",
      status: 200,
      requestBytes: 0,
      responseBytes: 1_024,
    });
  });
});

describe("a filter is not told", () => {
  test("when the request never came to it", async () => {
    const filters = {
      reply: { component: component("probe"), config: { work: "reply" } },
      own: { component: telling },
    };
    const { host } = await path(undefined, {
      filters,
      routes: [{ upstream: "main", filters: ["reply", "own"] }],
    });
    const client = await connect(host);
    await client.ask(request("/"));
    await host.lines("the exchange", ({ msg }) => msg === "exchange");
    expect(host.log().filter((line) => line["filter"] === "own")).toEqual([]);
  });

  test("when a call of its own has failed", async () => {
    const failing = await handmade(join(folder, "failing.wasm"), { ...TELLING, onRequest: "unreachable" });
    const filters = { own: { component: failing, "on-failure": "open" } };
    const { host } = await path(undefined, { filters, routes: [{ upstream: "main", filters: ["own"] }] });
    const client = await connect(host);
    expect((await client.ask(request("/"))).status).toBe(200);
    await host.lines("the exchange", ({ msg }) => msg === "exchange");
    // Its stack is looked up before the line is written.
    await host.lines("the failure", ({ msg }) => msg === "filter failed");
    const lines = host.log().filter((line) => line["filter"] === "own");
    expect(lines.map(({ msg }) => msg)).toEqual(["filter failed"]);
  });

  test("twice, whatever else happens", async () => {
    const { upstream, host } = await start(
      ({ socket }) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
    );
    const client = await connect(host);
    client.send(request("/"));
    await client.head();
    client.reset();
    upstream.only.socket.destroy();
    expect((await told(host)).status).toBe(200);
    await host.lines("the exchange", ({ msg }) => msg === "exchange");
    expect(host.log().filter(({ msg }) => /^\d{20}$/.test(msg)).length).toBe(1);
  });
});

describe("a filter that wants nothing but the end, or begins with the response", () => {
  test.each([16, 4 + 16])("holds no instance before: plan %d", async (plan) => {
    const file = await handmade(join(folder, `plan-${plan}.wasm`), { ...TELLING, plan: [plan] });
    const { answer, open } = gate();
    const { upstream, host } = await path(answer, {
      filters: { own: { component: file } },
      routes: [{ upstream: "main", filters: ["own"] }],
      limits: { instances: 1 },
    });
    const clients = [await connect(host), await connect(host), await connect(host)];
    for (const [index, client] of clients.entries()) client.send(request(`/${index}`));
    // None waits for the only instance while the upstream has the request.
    await upstream.arrived(3);
    open();
    const responses = await Promise.all(clients.map((client) => client.response()));
    expect(responses.map(({ body }) => body.toString())).toEqual(["/0", "/1", "/2"]);
    const lines = await host.lines("all ends", ({ msg }) => /^\d{20}$/.test(msg), 3);
    expect(lines.map((line) => read(line).ending)).toEqual(["complete", "complete", "complete"]);
  });

  test("a response that waits for its instance comes whole, head first, when it is free", async () => {
    const file = await handmade(join(folder, "response-end.wasm"), { ...TELLING, plan: [4 + 16] });
    const body = "0123456789".repeat(30_000);
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const { upstream, host } = await path(
      async ({ target, socket }) => {
        if (target !== "/first") return ok(body);
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
        await opened;
        return "cd";
      },
      {
        filters: { own: { component: file } },
        routes: [{ upstream: "main", filters: ["own"] }],
        limits: { instances: 1 },
        timeouts: { "instance-wait": "1m" },
      },
    );
    const first = await connect(host);
    first.send(request("/first"));
    expect((await first.head()).startLine).toMatch(/ 200 /);
    const second = await connect(host);
    second.send(request("/second"));
    await upstream.arrived(2);
    await waitFor(
      "the response to wait",
      async () => (await host.metric("sluice_exchanges_in_flight")) === 2,
    );
    expect(second.wire.received).toBe(0);
    open();
    const response = await second.response();
    expect([response.status, response.body.toString() === body]).toEqual([200, true]);
    expect((await first.wire.bytes(4)).toString()).toBe("abcd");
  });

  test("a response that waits in vain is answered with 503, and its upstream's connection is given up", async () => {
    const file = await handmade(join(folder, "response-end-2.wasm"), { ...TELLING, plan: [4 + 16] });
    const { upstream, host } = await path(
      ({ target, socket }) => {
        if (target === "/first") return void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
        return void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsec");
      },
      {
        filters: { own: { component: file } },
        routes: [{ upstream: "main", filters: ["own"] }],
        limits: { instances: 1 },
        timeouts: { "instance-wait": "50ms" },
      },
    );
    const first = await connect(host);
    first.send(request("/first"));
    await first.head();
    const second = await connect(host);
    const { status, body } = await second.ask(request("/second"));
    expect([status, body.toString()]).toEqual([503, "FILTER_BUSY\n"]);
    await (await upstream.arrived(2)).closed;
    expect((await second.ask(request("/first"))).status).toBe(503);
  });
});
