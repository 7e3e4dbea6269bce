import { afterEach, describe, expect, test } from "vitest";
import { request } from "../support/raw-client.ts";
import { startHost, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

/** One server for each answer, none listening where there is `"gone"`. */
async function group(
  answers: readonly (Answer | "gone")[],
  options: object = {},
  limits: Readonly<Record<string, number>> = {},
): Promise<{ upstreams: Upstream[]; host: TestHost }> {
  const upstreams: Upstream[] = [];
  for (const answer of answers) upstreams.push(await Upstream.start(answer === "gone" ? undefined : answer));
  const main = { servers: upstreams.map(({ origin }) => origin), ...options };
  for (const [at, upstream] of upstreams.entries()) {
    if (answers[at] === "gone") await upstream[Symbol.asyncDispose]();
    else stack.use(upstream);
  }
  return { upstreams, host: stack.use(await startHost({ upstreams: { main }, limits })) };
}

const unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";

describe("a request is sent to another server", () => {
  test.each(["GET", "POST"])(
    "when the first one cannot be reached, %s too: nothing was sent",
    async (method) => {
      const { host } = await group(["gone", () => ok("there")], { balance: "round-robin" });
      await using client = await host.connect();
      for (let round = 0; round < 6; round++) {
        const { status } = await client.ask(request("/", [], method, method === "POST" ? "body" : ""));
        expect(status).toBe(200);
      }
    },
  );

  test("when it answers with a status that `retries.on` names, and nothing of that answer is seen", async () => {
    const { upstreams, host } = await group([() => unavailable, () => ok("there")], {
      balance: "round-robin",
      retries: { on: [503] },
    });
    await using client = await host.connect();
    for (let round = 0; round < 4; round++) {
      const { status, body } = await client.ask(request("/"));
      expect([status, body.toString()]).toEqual([200, "there"]);
    }
    expect(upstreams[0]?.arrivals.length, "the busy one was never asked").toBeGreaterThan(0);
  });
});

describe("a request is not sent again", () => {
  test("when its method is not idempotent and a server has got it", async () => {
    const { upstreams, host } = await group([() => unavailable, () => unavailable], {
      retries: { on: [503] },
    });
    await using client = await host.connect();
    expect((await client.ask(request("/", [], "POST", "body"))).status).toBe(503);
    expect(upstreams.flatMap(({ arrivals }) => arrivals).length).toBe(1);
  });

  test("more often than `retries.attempts`, and then the last answer counts", async () => {
    const { upstreams, host } = await group([() => unavailable, () => unavailable, () => unavailable], {
      retries: { attempts: 1, on: [503] },
    });
    await using client = await host.connect();
    const { status, body } = await client.ask(request("/"));
    expect([status, body.toString()]).toEqual([503, "busy"]);
    expect(upstreams.flatMap(({ arrivals }) => arrivals).length).toBe(2);
  });

  test("when the budget is used up: an outage is not made worse", async () => {
    const { upstreams, host } = await group([() => unavailable, () => unavailable], {
      retries: { budget: "10%", "budget-min": 0, on: [503] },
    });
    await using client = await host.connect();
    for (let round = 0; round < 40; round++) await client.ask(request("/"));
    expect(upstreams.flatMap(({ arrivals }) => arrivals).length).toBe(44);
  });

  test("when `retries.on` does not name the reason", async () => {
    const { host } = await group(["gone", () => ok("there")], {
      balance: "round-robin",
      retries: { on: [] },
    });
    await using client = await host.connect();
    const statuses = [];
    for (let round = 0; round < 4; round++) statuses.push((await client.ask(request("/"))).status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 200, 502, 502]);
  });
});

test("a request that waits for a connection is told to come again after `timeouts.pending`", async () => {
  const { upstreams, host } = await group(
    [() => undefined],
    { timeouts: { pending: "50ms" } },
    {
      "upstream-connections": 1,
    },
  );
  await using first = await host.connect();
  first.send(request("/"));
  await upstreams[0]?.arrived(1);
  await using second = await host.connect();
  const { status, head } = await second.ask(request("/"));
  expect([status, head.one("retry-after")]).toEqual([503, "1"]);
  expect(upstreams[0]?.arrivals.length, "it was sent all the same").toBe(1);
});

describe("a key keeps its server", () => {
  test.each([
    ["a header", { header: "X-User" }, (user: number) => `x-user: ${user}`],
    ["a cookie", { cookie: "user" }, (user: number) => `Cookie: theme=dark; user=${user}; last=1`],
  ])("in %s, whoever sends it", async (_, hash, field) => {
    const { host } = await group([() => ok("0"), () => ok("1"), () => ok("2")], { balance: { hash } });
    const seen = new Map<number, string>();
    for (let round = 0; round < 3; round++) {
      await using client = await host.connect();
      for (let user = 0; user < 30; user++) {
        const { body } = await client.ask(request("/", [field(user)]));
        expect(body.toString()).toBe(seen.get(user) ?? body.toString());
        seen.set(user, body.toString());
      }
    }
    expect(new Set(seen.values()).size, "all keys went to one server").toBe(3);
  });
});
