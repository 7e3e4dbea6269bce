/** `sluice/testing`, as somebody's vitest uses it. */
import { MockAgent } from "undici";
import { afterAll, expect, test } from "vitest";
// oxlint-disable-next-line import/no-unassigned-import -- because importing it is what registers the matchers
import "../../host/kit/testing-vitest.ts";
import { type Account, type LoadedFilter, type LoadOptions, loadFilter } from "../../host/kit/testing.ts";
import { COMPILED, component } from "./kit.ts";

const loaded: LoadedFilter[] = [];
afterAll(() => Promise.all(loaded.map((filter) => filter.close())));

async function load(name: string, options: LoadOptions): Promise<LoadedFilter> {
  const filter = await loadFilter(component(name), { artifacts: COMPILED, ...options });
  loaded.push(filter);
  return filter;
}

test("an exchange tells what upstream and client get, what was changed, and what each call took", async () => {
  const filter = await load("mark", { config: { mark: "v1" } });
  const exchange = await filter.exchange({
    request: { path: "/a", headers: { accept: "*/*" } },
    response: { status: 404, body: "gone" },
  });
  expect(exchange).toPass();
  expect(exchange).toHaveHeader("X-Mark", "v1");
  expect(exchange.upstream).toHaveHeader("x-mark", /^v/);
  expect(exchange).not.toHaveHeader("x-other");
  expect(exchange.reply, "there is none").not.toHaveHeader("x-mark");
  expect(exchange.response).toMatchObject({ status: 404, whole: true });
  expect(Buffer.from(exchange.response?.body ?? []).toString()).toBe("gone");
  expect(exchange.edits).toEqual({ request: ["+ x-mark: v1"], response: ["+ x-mark: v1"] });
  expect(exchange.calls.map(({ call, decision }) => `${call} ${decision}`)).toEqual([
    "open done",
    "request proceed",
    "response proceed",
    "close done",
  ]);
  for (const { fuel, memoryBytes } of exchange.calls) {
    expect(fuel).toBeGreaterThan(0);
    expect(memoryBytes).toBeGreaterThan(65_536);
  }
});

test("a response may be made of the request as the upstream gets it", async () => {
  const filter = await load("bodies", { config: { request: { take: "stream", act: "raise" } } });
  const { response } = await filter.exchange({
    request: { chunks: ["abc", "def"] },
    response: ({ body, method }) => ({ body: `${method} ${Buffer.from(body).toString()}` }),
  });
  expect(Buffer.from(response?.body ?? []).toString()).toBe("POST ABCDEF");
});

test("a reply, a failure and a line of the log have matchers that say what there is instead", async () => {
  const filter = await load("bodies", { config: { end: true, request: { take: "stream", act: "obey" } } });
  const replied = await filter.exchange({ request: { body: "reply" } });
  expect(replied).toReply(418, "short and stout");
  expect(replied).toReply();
  expect(replied).not.toPass();
  expect(replied).toLog("end");
  const failed = await filter.exchange({ request: { body: "panic" } });
  expect(failed).toFail("trap");
  expect(failed).not.toFail("fuel");
  expect(() => expect(failed).toReply(418)).toThrow(
    /expected a reply with 418; the filter has failed: trap: .*panicked over a chunk/s,
  );
  expect(() => expect(replied).toPass()).toThrow(
    /expected the exchange to pass the filter; test has replied with 418 "short and stout"/,
  );
  expect(() => expect(replied).toHaveHeader("x-by", "b")).toThrow(/its value is ""/);
  expect(() => expect(replied).toLog("nothing")).toThrow(/info end/);
});

test("its own requests are answered by mock services", async () => {
  const filter = await load("ext_authz", {
    config: { upstream: "authz", path: "/check" },
    grant: { clock: true, http: ["authz"] },
  });
  const authorization = (token: string) => ({ path: "/x", headers: { authorization: token } });
  const http = [
    { upstream: "authz", request: { headers: { authorization: "good" } } },
    { upstream: "authz", error: "unreachable" as const },
  ];
  const good = await filter.exchange({ request: authorization("good"), http });
  expect(good).toPass();
  expect(good.http).toMatchObject([{ upstream: "authz", method: "GET", path: "/check" }]);
  expect(await filter.exchange({ request: authorization("bad"), http })).toReply(503);
});

test("or by undici's MockAgent", async () => {
  const filter = await load("ext_authz", {
    config: { upstream: "authz", path: "/check" },
    grant: { clock: true, http: ["authz"] },
  });
  const agent = new MockAgent();
  agent.disableNetConnect();
  agent
    .get("http://authz")
    .intercept({ path: "/check", headers: { authorization: "t1" } })
    .reply(403, "no", { headers: { "www-authenticate": "Bearer" } });
  const exchange = await filter.exchange({ request: { headers: { authorization: "t1" } }, http: agent });
  expect(exchange).toReply(403, "no");
  expect(exchange).toHaveHeader("www-authenticate", "Bearer");
  agent.assertNoPendingInterceptors();

  const unexpected = await filter.exchange({ request: { headers: { authorization: "t2" } }, http: agent });
  expect(unexpected, "nobody takes the request").toReply(503);
  await agent.close();
});

test("the clock stands still until it is told to go on", async () => {
  const filter = await load("caller", {
    config: { calls: ["clock"] },
    grant: GRANTED,
    clock: "2026-05-01T00:00:00Z",
  });
  const seen = async (): Promise<string> => headerOf(await filter.exchange(), "x-called");
  const first = await seen();
  expect(first).toContain(String(Date.parse("2026-05-01T00:00:00Z") * 1_000_000));
  expect(await seen()).toBe(first);
  filter.clock.advance(1_500);
  expect(await seen()).not.toBe(first);
  filter.clock.set("2027-01-01T00:00:00Z");
  expect(await seen()).toContain(String(Date.parse("2027-01-01T00:00:00Z") * 1_000_000));
  filter.restart();
  expect(await seen()).toBe(first);
});

test("randomness is the same for the same seed, and another one for another seed", async () => {
  const drawn = async (random: number): Promise<string> => {
    const filter = await load("caller", { config: { calls: [{ random: 8 }] }, grant: GRANTED, random });
    return headerOf(await filter.exchange(), "x-called");
  };
  const [one, again, other] = [await drawn(1), await drawn(1), await drawn(2)];
  expect(one).toBe(again);
  expect(one).not.toBe(other);
});

test("the store stays between exchanges, can be filled before, and is seen, as metrics are", async () => {
  const filter = await load("caller", {
    config: {
      calls: [{ get: "a" }, { set: ["b", "2", null] }, { measure: [0, 3, ["x"]] }],
      metrics: [{ counter: ["hits", "", ["kind"]] }],
    },
    grant: GRANTED,
  });
  filter.put("a", "1");
  const exchange = await filter.exchange();
  expect(headerOf(exchange, "x-called")).toContain("some 1");
  expect(exchange.store).toEqual({ a: "1", b: "2" });
  expect(exchange.metrics).toEqual({ 'hits{kind="x"}': 3 });
  filter.restart();
  expect((await filter.exchange()).store).toEqual({ b: "2" });
});

test("what the host refuses is refused with its sentence", async () => {
  await expect(load("mark", { config: {} })).rejects.toThrow(/filter test refuses its config: .*mark/);
  await expect(load("caller", { config: null })).rejects.toThrow(
    /which it is not granted: filters.test needs `grant: /,
  );
  await expect(load("none", {})).rejects.toThrow(/cannot be read \(ENOENT\)/);
});

test("exchanges that are begun at once are served one after another", async () => {
  const filter = await load("mark", { config: { mark: "v1" } });
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, at) => filter.exchange({ request: { path: `/${at}` } })),
  );
  expect(all.map(({ upstream }) => upstream?.path)).toEqual(all.map((_, at) => `/${at}`));
});

/** All that the fixture imports. */
const GRANTED = { clock: true, random: true, metrics: true, store: true, rateLimit: true, secrets: {} };

function headerOf({ upstream }: Account, name: string): string {
  return upstream?.headers.find(([one]) => one === name)?.[1] ?? "";
}
