/** A filter that traps costs the exchanges in which it does, and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RawClient, type RawResponse, request } from "../support/raw-client.ts";
import { component, startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";

/** The ways of the fixture that end a request, and what its log line says of each. */
const WAYS: readonly (readonly [path: string, words: RegExp])[] = [
  ["/panic", /filters\/fixtures\/trap\/src\/lib\.rs:\d+:\d+:\npanicked in on_request \(unreachable\)$/],
  ["/panic-edited", /filters\/fixtures\/trap\/src\/lib\.rs:\d+:\d+:\npanicked after an edit/],
  ["/unreachable", /^unreachable$/],
  ["/overflow", /^Maximum call stack size exceeded$/],
  ["/overflow-memory", /memory access out of bounds|Maximum call stack size exceeded/],
  ["/oob", /^memory access out of bounds$/],
  ["/exit", /^the filter called exit$/],
];

let upstream: Upstream;
let host: TestHost;

beforeAll(async () => {
  upstream = await Upstream.start(({ target }) => ok(`${target} secret`, ["X-Path: " + target]));
  host = await startProxy(upstream, {
    filters: {
      trap: { component: component("trap") },
      open: { component: component("trap"), "on-failure": "open" },
      mark: { component: component("mark"), config: { mark: "m" } },
    },
    routes: [
      { match: { host: "open.test" }, filters: ["open"], upstream: "main" },
      { filters: ["trap", "mark"], upstream: "main" },
    ],
    limits: { "failure-lines": 1_000 },
  });
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

describe("a filter that ends in the middle of a call", () => {
  test.each(WAYS)("%s: 500 for this exchange, the next one is served", async (path, words) => {
    const reason = path === "/overflow" ? "stack" : "trap";
    const before = await host.metric(`sluice_filter_failures_total{filter="trap",reason="${reason}"}`);
    await using client = await host.connect();
    const { status, head, body } = await client.ask(request(`${path}?${path}`));
    expect([status, body.toString()]).toEqual([500, "FILTER_TRAPPED\n"]);
    expect((await client.ask(request("/well"))).body.toString()).toBe("/well secret");
    expect(await host.metric(`sluice_filter_failures_total{filter="trap",reason="${reason}"}`)).toBe(
      before + 1,
    );

    const id = head.one("x-request-id");
    const lines = await host.lines(
      "the failure",
      (line) => line["request_id"] === id && line.msg === "filter failed",
    );
    expect(lines).toMatchObject([
      { level: 50, filter: "trap", attributes: { detail: expect.stringMatching(words) as string } },
    ]);
  });

  test.each(WAYS)(
    "%s, where failures are open: the exchange goes on as if it were not there",
    async (path) => {
      await using client = await host.connect();
      const sent = request(`${path}?open`, ["X-Own: 1"]).replace("sluice.test", "open.test");
      const { status, body } = await client.ask(sent);
      expect([status, body.toString()]).toEqual([200, `${path}?open secret`]);
      const { head } = upstream.arrivals.at(-1) as (typeof upstream.arrivals)[number];
      expect([head.one("x-own"), head.names.includes("x-edited")]).toEqual(["1", false]);
    },
  );

  test("never gives the client a word of the filter's, or of the upstream's", async () => {
    await using client = await host.connect();
    for (const path of [...WAYS.map(([way]) => way), "/panic-response"]) {
      const { head, body } = await client.ask(request(path));
      expect(`${head.raw}${body.toString()}`, path).not.toMatch(
        /panicked|lib\.rs|unreachable|secret|x-path|x-edited|x-mark|memory|stack/i,
      );
    }
  });
});

describe("many exchanges at once, of which some trap", () => {
  test("those that do get 500, and all others exactly what is theirs", async () => {
    const paths = [
      "/well",
      ...WAYS.map(([way]) => way),
      "/panic-response",
      "/fine",
      "/panic-end",
      "/panic-drop",
    ];
    const clients = await Promise.all(Array.from({ length: 24 }, () => host.connect()));
    const results = await Promise.all(
      clients.map(async (client, index) => {
        const seen: string[] = [];
        for (let round = 0; round < 30; round++) {
          // Another order for each client, so that everything meets everything.
          const path = paths[(index * 7 + round * (1 + (index % 4))) % paths.length] ?? "";
          const target = `${path}?${index}.${round}`;
          seen.push(verdict(path, target, await client.ask(request(target))));
        }
        return seen;
      }),
    );
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
    expect(results.flat().filter((found) => found !== "as it should be")).toEqual([]);
    expect(results.flat().length).toBe(720);
  });

  test("a response that is on its way meanwhile comes whole, with its own filters' edits", async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await using slow = await Upstream.start(async ({ target, socket }) => {
      if (!target.startsWith("/slow")) return ok(target);
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
      await released;
      return "56789";
    });
    await using shared = await startProxy(slow, {
      filters: {
        trap: { component: component("trap") },
        mark: { component: component("mark"), config: { mark: "m" } },
      },
      routes: [{ filters: ["trap", "mark"], upstream: "main" }],
    });
    const waiting: RawClient[] = [];
    for (let index = 0; index < 8; index++) {
      const client = await shared.connect();
      client.send(request(`/slow/${index}`));
      waiting.push(client);
    }
    await slow.arrived(8);
    await using client = await shared.connect();
    for (const [path] of WAYS) expect((await client.ask(request(path))).status).toBe(500);
    release();
    const responses = await Promise.all(waiting.map((each) => each.response()));
    expect(
      responses.map(({ status, head, body }) => `${status} ${head.one("x-mark")} ${body.toString()}`),
    ).toEqual(Array(8).fill("200 m 0123456789"));
    await Promise.all(waiting.map((each) => each[Symbol.asyncDispose]()));
  });
});

/** What a client should see of each path. */
function verdict(path: string, target: string, { status, head, body }: RawResponse): string {
  const text = body.toString();
  const fails = WAYS.some(([way]) => way === path) || path === "/panic-response";
  const right = fails
    ? status === 500 && text === "FILTER_TRAPPED\n" && head.all("x-mark").length === 0
    : status === 200 &&
      text === `${target} secret` &&
      head.one("x-mark") === "m" &&
      head.one("x-path") === target;
  return right ? "as it should be" : `${target}: ${status} ${text}`;
}
