import { afterEach, describe, expect, test } from "vitest";
import { type RawClient, request } from "../support/raw-client.ts";
import { component, type ConfigParts, startHost, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

interface Desk {
  readonly main: Upstream;
  /** What the filter asks. */
  readonly service: Upstream;
  readonly host: TestHost;
  readonly client: RawClient;
}

/** A host whose only route has the fixture `asks`, which may ask `service`. */
async function desk(
  config: object,
  answer?: Answer,
  parts: ConfigParts = {},
  filter: object = {},
): Promise<Desk> {
  const main = stack.use(await Upstream.start());
  const service = stack.use(await Upstream.start(answer));
  const asks = {
    component: component("asks"),
    config: { upstream: "service", path: "/", phases: ["request"], ...config },
    grant: { http: ["service"] },
    ...filter,
  };
  const host = stack.use(
    await startHost({
      upstreams: { main: { servers: [main.origin] }, service: { servers: [service.origin] } },
      filters: { asks },
      routes: [{ upstream: "main", filters: ["asks"] }],
      ...parts,
    }),
  );
  return { main, service, host, client: stack.use(await host.connect()) };
}

/** What the filter told of its request, in the header of the request that went on. */
async function told(at: Desk): Promise<string | undefined> {
  const response = await at.client.ask(request("/"));
  expect(response.status).toBe(200);
  return at.main.only.head.one("x-told");
}

describe("a request of a filter's own", () => {
  test("goes out with its method, path, headers and body, and Host, Content-Length and Via besides", async () => {
    const at = await desk({ method: "POST", path: "/a?b=1", headers: [["x-own", "é"]], body: "hello" });
    expect(await told(at)).toBe("200 ok");
    const { head, method, target } = at.service.only;
    expect([method, target]).toEqual(["POST", "/a?b=1"]);
    expect(head.fields.map(([name]) => name)).toEqual(["Host", "x-own", "Content-Length", "Via"]);
    expect(head.one("host")).toBe(new URL(at.service.origin).host);
    expect(head.one("content-length")).toBe("5");
    expect((await at.service.only.body()).body.toString()).toBe("hello");
  });

  test("has no Content-Length without a body, and its connection serves the next one", async () => {
    const at = await desk({ times: 3 });
    expect(await told(at)).toBe("200 ok");
    expect(at.service.arrivals.map(({ head }) => head.one("content-length"))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(at.service.connections).toBe(1);
  });

  test("is answered with the whole body, however it comes in", async () => {
    const at = await desk({}, async ({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
      await new Promise(setImmediate);
      socket.write("2\r\nde\r\n0\r\n\r\n");
    });
    expect(await told(at)).toBe("200 abcde");
  });

  test("can be sent in the response's phase and at the end, too", async () => {
    const at = await desk({ phases: ["response", "end"] });
    const response = await at.client.ask(request("/"));
    expect(response.head.one("x-told")).toBe("200 ok");
    const [line] = await at.host.lines("the end", (entry) => entry.msg === "ended");
    expect(line).toMatchObject({ attributes: { told: "200 ok", ending: "Ending::Complete" } });
  });
});

describe("other exchanges", () => {
  test("go on while a filter waits, each with an instance of its own", async () => {
    const waiting = Promise.withResolvers<void>();
    const at = await desk({}, async ({ head }) => {
      if (head.one("x-none") === undefined) await waiting.promise;
      return ok("late");
    });
    const others = await Promise.all(
      Array.from({ length: 20 }, async () => stack.use(await at.host.connect())),
    );
    const answers = others.map((client) => client.ask(request("/")));
    await at.service.arrived(20);
    expect(at.main.arrivals).toHaveLength(0);
    waiting.resolve();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(at.main.arrivals.map(({ head }) => head.one("x-told"))).toEqual(Array(20).fill("200 late"));
  });
});

describe("what goes wrong", () => {
  test("more than limits.http-in-flight at once are busy", async () => {
    const waiting = Promise.withResolvers<void>();
    const at = await desk({}, () => waiting.promise.then(() => ok("ok")), {
      limits: { "http-in-flight": 1 },
    });
    const first = at.client.ask(request("/"));
    await at.service.arrived(1);
    const second = stack.use(await at.host.connect());
    expect((await second.ask(request("/"))).status).toBe(200);
    expect(at.main.only.head.one("x-told")).toBe("error busy");
    waiting.resolve();
    expect((await first).status).toBe(200);
  });

  test.each([
    ["a server that is not there is unreachable", { upstream: "nowhere" }, "unreachable"],
    ["another upstream than the granted ones is not-granted", { upstream: "main" }, "not-granted"],
    ["CONNECT is invalid", { method: "CONNECT" }, "invalid: the method is none that a filter may use"],
    [
      "a line break in a value is invalid",
      { headers: [["a", "b\nc"]] },
      "invalid: the value of a has a control byte",
    ],
    [
      "framing is invalid",
      { headers: [["Transfer-Encoding", "chunked"]] },
      "invalid: Transfer-Encoding frames or routes the message",
    ],
    [
      "a path with a blank is invalid",
      { path: "/a b" },
      "invalid: the path does not begin with / or holds a byte that paths do not have",
    ],
  ])("%s", async (_, config, error) => {
    const main = stack.use(await Upstream.start());
    const gone = await Upstream.start();
    await gone[Symbol.asyncDispose]();
    const asks = {
      component: component("asks"),
      config: { upstream: "service", path: "/", phases: ["request"], ...config },
      grant: { http: ["service", "nowhere"] },
    };
    const host = stack.use(
      await startHost({
        upstreams: {
          main: { servers: [main.origin] },
          service: { servers: [main.origin] },
          nowhere: { servers: ["http://127.0.0.1:1"] },
        },
        filters: { asks },
        routes: [{ upstream: "main", filters: ["asks"] }],
      }),
    );
    const client = stack.use(await host.connect());
    await client.ask(request("/"));
    expect(main.only.head.one("x-told")).toBe(`error ${error}`);
  });

  test.each([
    ["the filter's own limit", { "timeout-ms": 300 }, {}],
    ["timeouts.http-client", {}, { "http-client": "300ms" }],
  ])(
    "an answer that takes longer than %s is timed-out, and the connection is dropped",
    async (_, config, timeouts) => {
      const at = await desk(config, () => {}, { timeouts });
      expect(await told(at)).toBe("error timed-out");
      await at.service.only.closed;
    },
  );

  test.each([
    ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"],
    ["chunks", `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n${"x".repeat(2000)}\r\n`],
  ])("an answer over limits.http-response-bytes, told by %s, is too-large", async (_, wire) => {
    const at = await desk({}, ({ socket }) => void socket.write(wire), {
      limits: { "http-response-bytes": 1024 },
    });
    expect(await told(at)).toBe("error too-large");
    await at.service.only.closed;
  });

  test("what is no HTTP is told by this host's code, not in the server's words", async () => {
    const at = await desk({}, ({ socket }) => void socket.write("SECRET 200 OK\r\n\r\n"));
    expect(await told(at)).toBe("error other: UPSTREAM_MALFORMED");
  });

  test("a client that goes away ends the request; the filter is told, and of the exchange's end", async () => {
    const at = await desk({ phases: ["request", "end"] }, () => {});
    at.client.send(request("/"));
    const arrival = await at.service.arrived(1);
    at.client.wire.socket.destroy();
    await arrival.closed;
    const [line] = await at.host.lines("the end", (entry) => entry.msg === "ended");
    expect(line).toMatchObject({ attributes: { told: "error cancelled", ending: "Ending::ClientGone" } });
    expect(at.main.arrivals).toHaveLength(0);
    // Its instance is free again, however often it happens: one is at work, and one is kept ready.
    for (let count = 2; count < 6; count++) {
      const next = stack.use(await at.host.connect());
      next.send(request("/"));
      const { closed } = await at.service.arrived(count);
      next.wire.socket.destroy();
      await closed;
      await at.host.lines("its end", (entry) => entry.msg === "ended", count);
    }
    expect(await at.host.metric('sluice_filter_instances{filter="asks"}')).toBeLessThanOrEqual(2);
  });

  test("a request within configure is a sentence, and the host does not start", async () => {
    await expect(desk({ phases: ["configure"] })).rejects.toThrow(
      /http-client, was called outside of a phase/,
    );
  });

  test("without a grant the import is refused, with the line that grants it", async () => {
    await expect(desk({}, undefined, {}, { grant: {} })).rejects.toThrow(
      /imports sluice:filter\/http-client@0\.1\.0/,
    );
  });
});

describe("a filter that takes bodies", () => {
  test("asks for each chunk of a request, and the chunks stay in order", async () => {
    let count = 0;
    const at = await desk({ phases: ["request-chunk"] }, async () => {
      await new Promise(setImmediate);
      count += 1;
      return ok(String(count));
    });
    const body = ["a", "b", "c"].map((text) => `1\r\n${text}\r\n`).join("");
    at.client.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}0\r\n\r\n`);
    expect((await at.client.response("POST")).status).toBe(200);
    const sent = (await at.main.only.body()).body.toString();
    expect(sent.replace(/200 \d/g, "")).toBe("abc");
    expect([...sent.matchAll(/200 (\d)/g)].map(([, n]) => Number(n))).toEqual(
      Array.from({ length: count }, (_, index) => index + 1),
    );
  });

  test("asks about a whole body while the head waits", async () => {
    const at = await desk({ phases: ["request-body"] });
    at.client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    expect((await at.client.response("POST")).status).toBe(200);
    expect(at.main.only.head.one("x-told")).toBe("200 ok");
    expect((await at.main.only.body()).body.toString()).toBe("abc");
  });

  test("asks for chunks of both directions at once, one call at a time", async () => {
    const early = Promise.withResolvers<void>();
    const at = await desk({ phases: ["request-chunk", "response-chunk"] }, () =>
      early.promise.then(() => ok("x")),
    );
    at.client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    await at.service.arrived(1);
    at.client.send("cd");
    early.resolve();
    const response = await at.client.response("POST");
    expect((await at.main.only.body()).body.toString().replaceAll("200 x", "")).toBe("abcd");
    expect(response.body.toString().replaceAll("200 x", "")).toBe("ok");
  });

  test("a client that goes away in the middle of a body leaves nothing behind", async () => {
    const at = await desk({ phases: ["request-chunk", "end"] }, () => {});
    at.client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    const { closed } = await at.service.arrived(1);
    at.client.wire.socket.destroy();
    await closed;
    const [line] = await at.host.lines("the end", (entry) => entry.msg === "ended");
    expect(line).toMatchObject({ attributes: { ending: "Ending::ClientGone" } });
  });
});

test("a swap while a filter waits changes nothing for its exchange", async () => {
  const waiting = Promise.withResolvers<void>();
  const at = await desk({}, () => waiting.promise.then(() => ok("old")));
  const first = at.client.ask(request("/"));
  await at.service.arrived(1);
  await at.host.host.swap("asks", { component: component("headers"), config: {} });
  waiting.resolve();
  expect((await first).status).toBe(200);
  expect(at.main.only.head.one("x-told")).toBe("200 old");
  await waitFor(
    "the old instance to be gone",
    async () => (await at.host.metric('sluice_filter_instances{filter="asks"}')) === 1,
  );
});
