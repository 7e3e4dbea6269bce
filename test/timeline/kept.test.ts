/** Which exchanges are kept for who asks later, and how they are found. */
import { describe, expect, test } from "vitest";
import type { ExchangeQuestion } from "../../host/control/control.ts";
import type { TimelineView } from "../../host/ops/timeline-view.ts";
import { Place } from "../generations/changing.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, configOf, type ConfigParts, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { canary, candidate, startTrial } from "../trial/tried.ts";

const { use, path, connect } = makeStage();

const ALL: ExchangeQuestion = { failed: false, limit: 500 };
const FAILED: ExchangeQuestion = { failed: true, limit: 500 };

const TRAP = { filters: { trap: { component: component("trap") } } };

/** Asks for each path, one after the other on a connection of their own; gives the ids. */
async function askEach(
  host: TestHost,
  paths: readonly string[],
  fields: readonly string[] = [],
): Promise<string[]> {
  const client = await connect(host);
  const ids: string[] = [];
  for (const target of paths) {
    const { head } = await client.ask(request(target, fields));
    ids.push(head.one("x-request-id") ?? "");
  }
  return ids;
}

function found(host: TestHost, count: number, question = ALL): Promise<readonly TimelineView[]> {
  return waitFor(`${count} exchanges that are kept`, async () => {
    const all = await host.host.exchanges(question);
    return all.length >= count && all;
  });
}

function start(parts: ConfigParts): Promise<{ readonly host: TestHost }> {
  return path(({ target }) => (target.startsWith("/full") ? UNAVAILABLE : ok("served")), parts);
}

const UNAVAILABLE = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";

test("an exchange is found by the id of its response, and says what it was without its query", async () => {
  const { host } = await start({ timelines: { sample: "100%" } });
  const [id = ""] = await askEach(host, ["/a/b?token=hidden"], ["Cookie: session=hidden"]);
  const view = await waitFor("the exchange", () => host.host.exchange(id));
  expect(view).toMatchObject({
    requestId: id,
    worker: 1,
    method: "GET",
    path: "/a/b",
    status: 200,
    generation: 1,
    requestBytes: 0,
    responseBytes: 6,
    failure: null,
    versions: null,
    steps: [{ kind: "try" }],
  });
  expect(view.at).toBeLessThanOrEqual(Date.now());
  expect(view.at).toBeGreaterThan(Date.now() - 60_000);
  expect(JSON.stringify(view)).not.toMatch(/hidden|127\.0\.0\.1"/);
  expect(await host.host.exchange("no-such-id")).toBeUndefined();
});

test("what fails is kept although nothing is sampled, as a whole and without steps", async () => {
  const { host } = await start({
    ...TRAP,
    routes: [{ name: "api", upstream: "main", filters: ["trap"] }],
    timelines: { sample: "0%" },
    log: { receipts: false },
  });
  const ids = await askEach(host, ["/fine", "/panic", "/full"]);
  const failed = await found(host, 2, FAILED);
  expect(failed.map(({ requestId }) => requestId)).toEqual([ids[2], ids[1]]);
  expect(failed).toMatchObject([
    { status: 503, failure: null, steps: null, route: "api" },
    { status: 500, failure: { code: "FILTER_TRAPPED" }, steps: null, route: "api" },
  ]);
  expect(await host.host.exchange(ids[0] ?? "")).toBeUndefined();
});

test("what fails is kept with its steps where the log has receipts", async () => {
  const { host } = await start({
    ...TRAP,
    routes: [{ name: "api", upstream: "main", filters: ["trap"] }],
    timelines: { sample: "0%" },
  });
  await askEach(host, ["/fine", "/panic"]);
  const [failed, ...others] = await found(host, 1);
  expect(others).toEqual([]);
  expect(failed?.steps).toMatchObject([{ kind: "call", filter: "trap", decision: "fail", reason: "trap" }]);
});

test("one that was sampled and has failed is listed once, with its steps", async () => {
  const { host } = await start({
    ...TRAP,
    routes: [{ upstream: "main", filters: ["trap"] }],
    timelines: { sample: "100%" },
  });
  await askEach(host, ["/panic"]);
  const [one, ...others] = await found(host, 1);
  expect([others, one?.steps?.length]).toEqual([[], 1]);
  expect(await host.host.exchanges(FAILED)).toEqual([one]);
});

test("what clients get wrong does not push out what has failed by itself", async () => {
  const { host } = await start({
    routes: [{ match: { path: "/full" }, upstream: "main" }],
    timelines: { keep: 3, sample: "0%" },
  });
  const [failed = ""] = await askEach(host, ["/full"]);
  const wrong = await askEach(host, ["/1", "/2", "/3", "/4"]);
  const kept = (await found(host, 4)).map(({ requestId }) => requestId);
  expect(kept).toEqual([...wrong.slice(1).toReversed(), failed]);
});

test("the oldest make room, and fewer are kept when the configuration says so", async () => {
  const place = use(await Place.make());
  const text = (keep: number): string =>
    place.text({ rest: { workers: 1, timelines: { keep, sample: "100%" } } });
  const host = await place.start({ rest: { workers: 1, timelines: { keep: 3, sample: "100%" } } });
  // The last of them is kept a moment after its response was sent.
  const kept = async (last: string): Promise<string> => {
    await waitFor(`${last} to be kept`, async () => {
      const [newest] = await host.host.exchanges(ALL);
      return newest?.path === last;
    });
    return (await host.host.exchanges(ALL)).map((view) => view.path).join(" ");
  };

  await askEach(host, ["/1", "/2", "/3", "/4"]);
  expect(await kept("/4")).toBe("/4 /3 /2");
  await host.host.apply(text(2));
  expect(await kept("/4")).toBe("/4 /3");
  await askEach(host, ["/5"]);
  expect(await kept("/5")).toBe("/5 /4");
  await host.host.apply(text(4));
  await askEach(host, ["/6", "/7"]);
  expect(await kept("/7")).toBe("/7 /6 /5 /4");
  await host.host.apply(text(0));
  expect(await host.host.exchanges(ALL)).toEqual([]);
});

test("nothing is kept where keep is 0, not even what fails", async () => {
  const { host } = await start({ timelines: { keep: 0, sample: "100%" } });
  await askEach(host, ["/full", "/fine"]);
  // The log's lines come after what would have been kept.
  await host.lines("both exchanges", ({ msg }) => msg === "exchange", 2);
  expect(await host.host.exchanges(ALL)).toEqual([]);
});

test("by default about a hundredth is sampled, and all that fails is kept", async () => {
  const { host } = await start({});
  const client = await connect(host);
  for (let at = 0; at < 1_000; at++) await client.ask(request("/"));
  await askEach(host, ["/full"]);
  await found(host, 1, FAILED);
  const sampled = (await host.host.exchanges(ALL)).filter(({ status }) => status === 200);
  // With p = 0.01, more than 35 of 1000 come up once in 10¹⁰ runs; none at all once in 23 000, which is not asked for here.
  expect(sampled.length).toBeLessThan(36);
  for (const { steps } of sampled) expect(steps?.length).toBe(1);
});

describe("what is asked for", () => {
  const parts: ConfigParts = {
    filters: { trap: TRAP.filters.trap, mark: { component: component("mark"), config: { mark: "1" } } },
    routes: [
      { name: "one", match: { path: "/one/*" }, upstream: "main", filters: ["mark"] },
      { name: "two", upstream: "main", filters: ["trap"] },
    ],
    timelines: { sample: "100%" },
  };

  test("a route, a filter, failures, a number of them", async () => {
    const { host } = await start(parts);
    await askEach(host, ["/one/a", "/panic", "/b", "/one/full"]);
    await found(host, 4);
    const ask = async (question: Partial<ExchangeQuestion>): Promise<string[]> =>
      (await host.host.exchanges({ ...ALL, ...question })).map((view) => view.path);
    expect(await ask({ route: "one" })).toEqual(["/one/full", "/one/a"]);
    expect(await ask({ filter: "trap" })).toEqual(["/b", "/panic"]);
    expect(await ask({ filter: "mark", limit: 1 })).toEqual(["/one/full"]);
    expect(await ask({ failed: true })).toEqual(["/panic"]);
    expect(await ask({ failed: true, filter: "mark" })).toEqual([]);
    expect(await ask({ route: "three" })).toEqual([]);
  });

  test("a filter's failures are found by its name where no steps were kept", async () => {
    const { host } = await start({ ...parts, timelines: { sample: "0%" } });
    await askEach(host, ["/panic"]);
    await found(host, 1);
    const ask = async (filter: string): Promise<number> =>
      (await host.host.exchanges({ ...FAILED, filter })).length;
    expect([await ask("trap"), await ask("mark")]).toEqual([1, 0]);
  });

  test("a filter stands for the version that is tried beside it, too, which is told as what it is", async () => {
    const upstream = use(await Upstream.start());
    const trials = { mark: candidate("mark", { mark: "2" }, canary(99)) };
    const host = use(await startTrial(upstream, parts, trials));
    const tried = await waitFor("an exchange that the candidate has served", async () => {
      await askEach(host, ["/one/a"]);
      const all = await host.host.exchanges({ ...ALL, filter: "mark@candidate" });
      return all[0];
    });
    expect(tried.versions).toEqual({ mark: "candidate" });
    const names = tried.steps?.flatMap((step) => (step.kind === "call" ? [step.filter] : []));
    expect(names).toEqual(["mark@candidate", "mark@candidate"]);
    const ofBoth = await host.host.exchanges({ ...ALL, filter: "mark" });
    expect(ofBoth.map(({ requestId }) => requestId)).toContain(tried.requestId);
  });

  test("all workers answer, and say who they are", async () => {
    const { host } = await start({ workers: 2, timelines: { sample: "100%" } });
    // The least busy worker gets a connection: each of two that stay open has one of its own.
    const clients = [await connect(host), await connect(host)];
    for (const client of clients) await client.ask(request("/"));
    const workers = (await found(host, 2)).map(({ worker }) => worker);
    expect(new Set(workers)).toEqual(new Set([1, 2]));
  });
});

test("an id never looks like an option of a command", async () => {
  const prefixes = new Set<string>();
  const { host } = await start({ workers: 4, timelines: { sample: "100%" } });
  for (let at = 0; at < 4; at++) {
    const [id = ""] = await askEach(host, ["/"]);
    prefixes.add(id.slice(0, 1));
  }
  expect([...prefixes]).not.toContain("-");
});

test("the configuration reads shares finer than a hundredth", () => {
  const read = (sample: string): number =>
    configOf({ upstreams: { main: { servers: ["http://127.0.0.1:1"] } }, timelines: { sample } }).timelines
      .samplePercent;
  expect(["0%", "0.0001%", "1%", "99.9%", "100%"].map(read)).toEqual([0, 0.0001, 1, 99.9, 100]);
  for (const wrong of ["100.1%", "1", "-1%", "0.00001%"])
    expect(() => read(wrong), wrong).toThrow(/timelines\.sample: expected a share from 0% to 100%/);
});
