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
    kinds: Object.fromEntries(DIFFERENCE_KINDS.map((kind) => [kind, kinds?.[kind]]).filter(([, n]) => n !== 0)),
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
    expect(await host.metric('sluice_filter_calls_total{filter="tried@candidate",phase="request"}')).toBe(100);
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
  const planted: readonly [string, Omit<Tried, "workers">, Partial<Record<DifferenceKind, number>>, string][] = [
    [
      "headers",
      { fixture: "mark", present: { mark: "old" }, candidate: { mark: "new" } },
      { headers: 2 },
      "request headers: x-mark with other values",
    ],
    [
      "body",
      { fixture: "bodies", present: bodies({ take: "stream" }), candidate: bodies({ take: "stream", act: "wrap" }) },
      { body: 1 },
      "request body: the candidate leaves 9 bytes, the present version 5",
    ],
    [
      "decision",
      { fixture: "bodies", present: bodies({ take: "stream" }), candidate: bodies({ take: "stream", act: "reset" }) },
      { decision: 1 },
      "request decision: the candidate resets the exchange, the present version lets it go on",
    ],
    [
      "failure",
      { fixture: "bodies", present: bodies({ take: "stream" }), candidate: bodies({ take: "stream", act: "panic" }) },
      { failure: 1 },
      "request failure: the candidate failed (trap)",
    ],
    [
      "a plan with a body that the present version does not take",
      { fixture: "bodies", present: bodies({}), candidate: bodies({ take: "stream" }) },
      { decision: 1 },
      "request decision: the candidate takes the body, which the present version does not, so that there is none to give it",
    ],
    [
      "a shorter body",
      { fixture: "bodies", present: bodies({ take: { whole: 100 } }), candidate: bodies({ take: { whole: 3 } }) },
      { decision: 1 },
      "request decision: the candidate takes bodies of up to 3 bytes, the present version lets it go on",
    ],
  ];

  test.each(planted)("%s: is counted by kind, and told without values", async (_, tried, kinds, detail) => {
    const { host } = await start(tried);
    const client = await stage.connect(host);
    const { status } = await client.ask(request("/", [], "POST", "hello"));
    expect(status, "the shadow has changed a response").toBe(200);
    const found = await seen(host, 1);
    expect(found.kinds).toEqual(kinds);
    expect(found.details).toContain(detail);
    expect(found.different).toBe(1);
  });
});
