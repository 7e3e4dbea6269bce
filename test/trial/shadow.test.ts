/** A candidate sees copies of the exchanges, and what it does is compared. */
import { describe, expect, test } from "vitest";
import type { DifferenceKind } from "../../host/trial/trial.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { ok } from "../support/upstream.ts";
import { counted, seen, shadowed, type Tried } from "./tried.ts";

const stage = makeStage();
const start = (tried: Tried): ReturnType<typeof shadowed> => shadowed(stage, tried);

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

  test("edits what no header shows, like the present version", async () => {
    const moved = { path: "/elsewhere", status: 202 };
    const { host, upstream } = await start({ fixture: "moved", present: moved, candidate: moved });
    const client = await stage.connect(host);
    expect((await client.ask(request("/"))).status).toBe(202);
    expect(upstream.only.target).toBe("/elsewhere");
    expect((await seen(host, 1)).kinds).toEqual({});
  });

  test.each(["/panic", "/panic-response", "/panic-end", "/spin"])(
    "fails where the present version does: %s",
    async (path) => {
      const { host } = await start({
        fixture: "trap",
        present: {},
        candidate: {},
        options: { "on-failure": "open" },
      });
      const client = await stage.connect(host);
      expect((await client.ask(request(path))).status).toBe(200);
      const { kinds, failures } = await seen(host, 1);
      expect([kinds, failures]).toEqual([{}, 1]);
      const { present } = await counted(host, "tried", "it", (each) => each.present.exchanges === 1);
      expect(present.failures).toBe(1);
    },
  );

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

const KEYS = { header: "x-api-key", sha256: ["0".repeat(64)] };
