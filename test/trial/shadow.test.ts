/** A candidate sees copies of the exchanges, and nobody sees the candidate. */
import { describe, expect, test } from "vitest";
import { DIFFERENCE_KINDS, type DifferenceKind } from "../../host/trial/trial.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { candidate, counted, SHADOW, startTrial } from "./tried.ts";

const stage = makeStage();

interface Tried {
  readonly fixture: string;
  readonly present: unknown;
  readonly candidate: unknown;
  /** Of the candidate, where it is another one. */
  readonly other?: string;
  readonly options?: object;
  readonly answer?: Answer;
  readonly workers?: number;
  readonly parts?: object;
}

async function start(tried: Tried): Promise<{ host: TestHost; upstream: Upstream }> {
  const { fixture, present, options = {}, answer, workers = 1, parts = {} } = tried;
  const upstream = stage.use(await Upstream.start(answer));
  const filters = { tried: { component: component(fixture), config: present, ...options } };
  const routes = [{ upstream: "main", filters: ["tried"] }];
  const trials = { tried: candidate(tried.other ?? fixture, tried.candidate, SHADOW) };
  const all = { filters, routes, workers, ...parts };
  return { upstream, host: stage.use(await startTrial(upstream, all, trials)) };
}

/** What was found once so many exchanges have been seen. */
async function seen(
  host: TestHost,
  count: number,
): Promise<{
  kinds: Partial<Record<DifferenceKind, number>>;
  details: string[];
  different: number;
  failures: number;
}> {
  const trial = await counted(host, "tried", `${count} seen`, (each) => each.candidate.exchanges === count);
  const { kinds, samples, different = 0 } = trial.shadow ?? {};
  return {
    kinds: Object.fromEntries(
      DIFFERENCE_KINDS.map((kind) => [kind, kinds?.[kind]]).filter(([, n]) => n !== 0),
    ),
    details: (samples ?? []).map(({ phase, kind, detail }) => `${phase} ${kind}: ${detail}`),
    different,
    failures: trial.candidate.failures,
  };
}

describe("a shadow that does the same", () => {
  test("differs in nothing, and its exchanges are counted beside those of the present version", async () => {
    const { host } = await start({
      fixture: "mark",
      present: { mark: "m" },
      candidate: { mark: "m" },
      workers: 2,
    });
    const clients = await Promise.all([stage.connect(host), stage.connect(host)]);
    for (let round = 0; round < 50; round++)
      for (const client of clients) {
        const { head } = await client.ask(request("/"));
        expect(head.one("x-mark")).toBe("m");
      }
    const trial = await counted(host, "tried", "all", (each) => each.candidate.exchanges === 100);
    expect(trial.present).toMatchObject({ exchanges: 100, failed: 0, failures: 0 });
    expect(trial.shadow).toMatchObject({ compared: 100, different: 0, partly: 0, dropped: 0, samples: [] });
    expect(trial.candidate.ms).toBeGreaterThan(0);
    expect(await host.metric('sluice_trial_compared_total{filter="tried"}')).toBe(100);
    expect(await host.metric('sluice_filter_calls_total{filter="tried@candidate",phase="request"}')).toBe(
      100,
    );
  });

  const body = "0123456789".repeat(1_000);
  test.each([
    ["in pieces", { take: "stream", act: "wrap" }, { take: "stream", act: "wrap" }, 0],
    ["as a whole", { take: { whole: 65_536 }, act: "raise" }, { take: { whole: 65_536 }, act: "raise" }, 0],
    ["one way and the other", { take: "stream" }, { take: { whole: 65_536 } }, 1],
    ["held back", { take: "stream", act: "count" }, { take: "stream", act: "count" }, 0],
  ])("takes bodies %s", async (_, present, tried, headers) => {
    const { host } = await start({
      fixture: "bodies",
      present: { name: "b", request: present, response: present },
      candidate: { name: "b", request: tried, response: tried },
      answer: async (arrival) => ok((await arrival.body()).body.toString()),
    });
    const client = await stage.connect(host);
    for (const given of [body, "x"]) {
      const { status } = await client.ask(request("/", [], "POST", given));
      expect(status).toBe(200);
    }
    const { kinds } = await seen(host, 2);
    // The whole body's length is told in a header, which the other way has not.
    expect(kinds).toEqual(headers === 0 ? {} : { headers: 4 });
  });
});

describe("a shadow that does something else", () => {
  const bodies = (way: object): object => ({ name: "b", request: { head: true, ...way } });
  const planted: readonly [
    string,
    Omit<Tried, "workers">,
    Partial<Record<DifferenceKind, number>>,
    string,
  ][] = [
    [
      "headers",
      { fixture: "mark", present: { mark: "old" }, candidate: { mark: "new" } },
      { headers: 2 },
      "request headers: x-mark with other values",
    ],
    [
      "body",
      {
        fixture: "bodies",
        present: bodies({ take: "stream" }),
        candidate: bodies({ take: "stream", act: "wrap" }),
      },
      { body: 1 },
      "request body: the candidate leaves 9 bytes, the present version 5",
    ],
    [
      "decision",
      {
        fixture: "bodies",
        present: bodies({ take: "stream" }),
        candidate: bodies({ take: "stream", act: "reset" }),
      },
      { decision: 1 },
      "request decision: the candidate resets the exchange, the present version lets it go on",
    ],
    [
      "failure",
      {
        fixture: "bodies",
        present: bodies({ take: "stream" }),
        candidate: bodies({ take: "stream", act: "panic" }),
      },
      { failure: 1 },
      "request failure: the candidate failed (trap)",
    ],
    [
      "target",
      { fixture: "moved", present: {}, candidate: { path: "/elsewhere" } },
      { target: 1 },
      "request target: the path of the request",
    ],
    [
      "status",
      { fixture: "moved", present: {}, candidate: { status: 202 } },
      { status: 1 },
      "response status: the candidate leaves 202, the present version 200",
    ],
    [
      "replies",
      {
        fixture: "bodies",
        present: bodies({ take: "stream", act: "reply" }),
        other: "api_key",
        candidate: KEYS,
      },
      { status: 1, headers: 1, body: 1 },
      "request status: the candidate leaves 401, the present version 418",
    ],
    [
      "trailers",
      {
        fixture: "bodies",
        present: { name: "old", response: { trailers: true } },
        candidate: { name: "new", response: { trailers: true } },
        answer: () =>
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: secret\r\n\r\n",
      },
      { trailers: 1 },
      "response trailers: only the candidate leaves x-trailer-new; only the present version leaves x-trailer-old",
    ],
    [
      "a plan with a body that the present version does not take",
      { fixture: "bodies", present: bodies({}), candidate: bodies({ take: "stream" }) },
      { decision: 1 },
      "request decision: the candidate takes the body, which the present version does not, so that there is none to give it",
    ],
    [
      "a shorter body",
      {
        fixture: "bodies",
        present: bodies({ take: { whole: 100 } }),
        candidate: bodies({ take: { whole: 3 } }),
      },
      { decision: 1 },
      "request decision: the candidate takes bodies of up to 3 bytes, the present version lets it go on",
    ],
  ];

  test.each(planted)("%s: is counted by kind, and told without values", async (_, tried, kinds, detail) => {
    const { host } = await start(tried);
    const client = await stage.connect(host);
    const { status } = await client.ask(request("/", ["x-secret: secret"], "POST", "hello"));
    expect(status, "the shadow has changed a response").toBe(
      kinds.body === 1 && kinds.status === 1 ? 418 : 200,
    );
    const found = await seen(host, 1);
    expect(found.kinds).toEqual(kinds);
    expect(found.details).toContain(detail);
    expect(found.different).toBe(1);
    expect(JSON.stringify(await host.host.trialCounts()), "a value is in a sample").not.toMatch(
      /secret|hello|127\.0\.0/,
    );
    expect(JSON.stringify(host.log())).not.toContain("secret");
  });

  test("keeps its last twenty samples, and tells of a client's address nothing", async () => {
    const { host } = await start({
      fixture: "mark",
      present: { mark: "old" },
      candidate: { mark: "new" },
      options: { grant: { "client-address": true } },
    });
    const client = await stage.connect(host);
    for (let round = 0; round < 30; round++) await client.ask(request("/"));
    const { shadow } = await counted(host, "tried", "all", (each) => each.candidate.exchanges === 30);
    expect(shadow?.kinds.headers).toBe(60);
    expect(shadow?.samples.length).toBe(20);
    const ids = (await host.lines("exchanges", ({ msg }) => msg === "exchange", 30)).map(
      (line) => line["request_id"],
    );
    expect(ids.slice(-10)).toEqual([...new Set(shadow?.samples.map(({ requestId }) => requestId))]);
    expect(JSON.stringify(shadow)).not.toContain("127.0.0.1");
  });

  test("has no say over bodies that are too long to be copied, which are counted", async () => {
    const { host } = await start({
      fixture: "bodies",
      present: { name: "b", request: { head: true, take: "stream" } },
      candidate: { name: "c", request: { head: true, take: "stream", act: "raise" } },
    });
    const client = await stage.connect(host);
    await client.ask(request("/", [], "POST", "a".repeat(200_000)));
    await client.ask(request("/", [], "POST", "a"));
    const trial = await counted(host, "tried", "both", (each) => each.candidate.exchanges === 2);
    expect(trial.shadow).toMatchObject({ compared: 2, partly: 1, kinds: { headers: 2, body: 1 } });
  });
});

describe("the world", () => {
  const calls = (...list: object[]): object => ({ calls: list });

  test("keeps its store: the candidate has one of its own", async () => {
    const { host, upstream } = await start({
      fixture: "caller",
      present: calls({ add: ["hits", 1, null] }, { take: ["client", 100, 3_600_000, 100, 1] }),
      candidate: calls({ add: ["hits", 1_000, null] }, { take: ["client", 100, 3_600_000, 100, 50] }),
      options: {
        grant: { store: true, "rate-limit": true, clock: true, random: true, metrics: true, secrets: [] },
      },
    });
    const client = await stage.connect(host);
    for (let round = 0; round < 3; round++) await client.ask(request("/"));
    const { kinds } = await seen(host, 3);
    expect(kinds, "the store of the candidate is not its own").toEqual({ headers: 3 });
    await client.ask(request("/"));
    const told = upstream.arrivals.map(({ head }) => head.all("x-called").join());
    expect(told.map((each) => /^Ok\((\d)\)/.exec(each)?.[1])).toEqual(["1", "2", "3", "4"]);
  });

  test("gets none of its requests: those of the present version are answered alike, others by nobody", async () => {
    const asks = (path: string): object => ({ upstream: "main", path, phases: ["request"] });
    const options = { grant: { http: ["main"] } };
    const answer: Answer = ({ target }) => ok(target === "/" ? "" : `told of ${target}`);
    const same = await start({
      fixture: "asks",
      present: asks("/a"),
      candidate: asks("/a"),
      options,
      answer,
    });
    const other = await start({
      fixture: "asks",
      present: asks("/a"),
      candidate: asks("/b"),
      options,
      answer,
    });
    for (const [{ host, upstream }, kinds] of [
      [same, {}],
      [other, { headers: 1 }],
    ] as const) {
      const client = await stage.connect(host);
      await client.ask(request("/"));
      expect((await seen(host, 1)).kinds).toEqual(kinds);
      expect(upstream.arrivals.map(({ target }) => target)).toEqual(["/a", "/"]);
      expect(upstream.arrivals[1]?.head.one("x-told")).toBe("200 told of /a");
    }
  });

  test("hears of it only in the log, under its own name", async () => {
    const { host } = await start({
      fixture: "bodies",
      present: { name: "b" },
      candidate: { name: "b", request: { head: true }, end: true },
    });
    const client = await stage.connect(host);
    await client.ask(request("/"));
    const [line] = await host.lines("the candidate's line", ({ msg }) => msg === "end");
    expect(line).toMatchObject({ filter: "tried@candidate", attributes: { ending: "Ending::Complete" } });
  });
});

describe("a candidate that", () => {
  test("always fails costs no exchange anything, and is called again and again", async () => {
    const { host } = await start({ fixture: "mark", present: { mark: "m" }, other: "trap", candidate: {} });
    const client = await stage.connect(host);
    for (const target of [
      "/panic",
      "/spin",
      "/hoard",
      "/overflow",
      "/exit",
      "/panic-end",
      "/panic-drop",
      "/",
    ]) {
      const { status, head } = await client.ask(request(target));
      expect([status, head.one("x-mark")]).toEqual([200, "m"]);
    }
    const { kinds, details, failures } = await seen(host, 8);
    expect(failures).toBe(7);
    expect(kinds.failure).toBe(7);
    expect(details).toContain("request failure: the candidate failed (fuel)");
    expect(details).toContain("end failure: the candidate failed (trap)");
    const lines = await host.lines("failures", ({ msg }) => msg === "filter failed", 5);
    expect(new Set(lines.map(({ filter }) => filter))).toEqual(new Set(["tried@candidate"]));
    expect(lines.some(({ stack }) => Array.isArray(stack))).toBe(true);
  });

  test("never returns is ended with its thread, which is counted and replaced; no exchange fails or waits", async () => {
    const { host } = await start({
      fixture: "mark",
      present: { mark: "m" },
      other: "trap",
      candidate: {},
      options: { limits: { fuel: 2_000_000_000 } },
    });
    const client = await stage.connect(host);
    let slowest = 0;
    const ask = async (target: string): Promise<void> => {
      const began = performance.now();
      const { status, head } = await client.ask(request(target));
      slowest = Math.max(slowest, performance.now() - began);
      expect([status, head.one("x-mark")]).toEqual([200, "m"]);
    };
    await ask("/stall");
    // Nobody notices while it loops, and it loops for as long as this takes.
    for (let round = 0; round < 300; round++) await ask("/");
    const trial = await counted(host, "tried", "its failure", ({ candidate: tried }) => tried.failures > 0);
    expect(trial.candidate.failures).toBe(1);
    expect(trial.shadow?.dropped, "copies for a thread that is behind").toBeGreaterThan(0);
    const [lost] = await host.lines("the lost thread", ({ msg }) =>
      msg.startsWith("the thread of shadows ended"),
    );
    expect(lost?.msg).toContain("stood still");
    const before = trial.candidate.exchanges;
    await counted(host, "tried", "the thread's successor", (each) => {
      client.send(request("/"));
      return each.candidate.exchanges > before;
    });
    expect(slowest, "an exchange waited for the shadow").toBeLessThan(STUCK_MS);
  });

  test("refuses its config refuses the generation, and leaves no thread behind", async () => {
    const upstream = stage.use(await Upstream.start());
    const parts = {
      filters: { tried: { component: component("mark"), config: { mark: "old" } } },
      routes: [{ upstream: "main", filters: ["tried"] }],
    };
    const trials = { tried: candidate("mark", { mark: 7 }, SHADOW) };
    await expect(startTrial(upstream, parts, trials)).rejects.toMatchObject({
      code: "CONFIGURE_REFUSED",
      message: expect.stringContaining("filter tried@candidate refuses its config"),
    });
  });
});

describe("memory", () => {
  test("is flat while a shadow cannot keep up: what is behind is dropped and counted", async () => {
    const arrivals: { length: number }[] = [];
    const { host, upstream } = await start({
      fixture: "bodies",
      present: { name: "b", request: { take: { whole: 65_536 } } },
      // Tens of milliseconds of each exchange.
      other: "trap",
      candidate: {},
      // What an upstream has been sent it keeps, for tests that look at it.
      answer: () => {
        for (const kept of arrivals) kept.length = 0;
        return ok("");
      },
    });
    arrivals.push(upstream.arrivals);
    const clients = await Promise.all(Array.from({ length: 4 }, () => stage.connect(host)));
    const body = "a".repeat(50_000);
    const run = async (rounds: number): Promise<number> => {
      await Promise.all(
        clients.map(async (client) => {
          for (let round = 0; round < rounds; round++)
            expect((await client.ask(request("/busy", [], "POST", body))).status).toBe(200);
        }),
      );
      return process.memoryUsage().rss;
    };
    const early = await run(150);
    const late = await run(450);
    const trial = await counted(
      host,
      "tried",
      "all exchanges, of which most were dropped",
      (each) => each.present.exchanges === 2_400 && (each.shadow?.dropped ?? 0) > 1_200,
    );
    expect(trial.shadow?.dropped).toBeLessThan(2_400);
    // All the bodies of the second run are 90 MB.
    expect((late - early) / 1_048_576, "MiB that were not there before").toBeLessThan(45);
  });
});

const KEYS = { header: "x-api-key", sha256: ["0".repeat(64)] };

/** Far less than a thread that loops is given. */
const STUCK_MS = 700;
