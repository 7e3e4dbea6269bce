import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { TrialSnapshot } from "../../host/ops/trial-meter.ts";
import type { RouteBurn } from "../../host/slo/slo.ts";
import { TRIAL_DEFAULTS } from "../../host/trial/trial.ts";
import { Trials } from "../../host/trial/trials.ts";
import { request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component } from "../support/test-host.ts";
import { Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { canary, candidate, SHADOW, startTrial } from "./tried.ts";

const stage = makeStage();

/** What a host would count and be told. */
class Desk {
  counted: TrialSnapshot[] = [];
  burns: readonly RouteBurn[] = [];
  asked = 0;
  readonly told: string[] = [];
  readonly trials: Trials = new Trials({
    counts: () => {
      this.asked += 1;
      return Promise.resolve(this.counted);
    },
    slos: { refresh: () => Promise.resolve(), burns: () => this.burns },
    promote: (filter, why) => this.told.push(`promote ${filter}: ${why}`),
    rollBack: (filter, why) => this.told.push(`roll back ${filter}: ${why}`),
    now: () => Date.now(),
  });

  count(exchanges: number, failures = 0, startedAt = 1_000): void {
    const of = { failed: 0, uncalled: 0, ms: exchanges * 2 };
    this.counted = [
      {
        filter: "keys",
        startedAt,
        present: { exchanges: exchanges * 10, failures: 0, ...of },
        candidate: { exchanges, failures, ...of },
        shadow: null,
      },
    ];
  }
}

const KEYS = candidate("mark", { mark: "new" }, canary(5));

describe("with a clock that is set", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 50_000 });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  test("a trial is looked at four times a second while it runs, and nobody is asked afterwards", async () => {
    const desk = new Desk();
    desk.trials.watch({ keys: KEYS });
    desk.count(10);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(desk.asked).toBe(4);
    expect(desk.trials.view("keys")).toEqual({
      filter: "keys",
      request: KEYS.trial,
      component: KEYS.component,
      digest: KEYS.digest,
      startedAt: 1_000,
      present: { exchanges: 100, failed: 0, failures: 0, meanMs: 0.2 },
      candidate: { exchanges: 10, failed: 0, failures: 0, meanMs: 2 },
      shadow: null,
      burns: [],
      state: "running",
      why: "it has seen 10 of 100 exchanges, and 599 s are left",
    });
    desk.trials.watch({});
    await vi.advanceTimersByTimeAsync(10_000);
    expect(desk.asked, "it was looked at when it was over").toBe(4);
  });

  test("its time is that of this process: what began in an earlier one begins to count anew", async () => {
    const desk = new Desk();
    desk.trials.watch({ keys: { ...KEYS, startedAt: 1_000 - TRIAL_DEFAULTS.forMs } });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(desk.told).toEqual([]);
  });

  test("one that keeps its limits is promoted once its time is over, and told so once", async () => {
    const desk = new Desk();
    desk.trials.watch({ keys: KEYS });
    desk.count(5_000);
    await vi.advanceTimersByTimeAsync(TRIAL_DEFAULTS.forMs - 250);
    expect(desk.told).toEqual([]);
    await vi.advanceTimersByTimeAsync(500);
    const why = "within all limits for 600 s and 5000 exchanges";
    expect(desk.told).toEqual([`promote keys: ${why}`]);
    desk.trials.watch({});
    expect(desk.trials.view("keys")).toMatchObject({ state: "promoted", why });
  });

  test("one whose routes burn their budgets is not promoted before they do no more, and says what it waits for", async () => {
    const desk = new Desk();
    desk.burns = [
      { route: "api", objective: "availability", burn: null },
      { route: "api", objective: "latency", burn: 14.5 },
    ];
    desk.trials.watch({ keys: KEYS });
    desk.count(5_000);
    await vi.advanceTimersByTimeAsync(TRIAL_DEFAULTS.forMs + 60_000);
    expect(desk.told).toEqual([]);
    expect(desk.trials.view("keys")).toMatchObject({
      state: "running",
      burns: desk.burns,
      why: "it waits: route api burns its latency budget 14.5 times as fast as it may, and 14.4 times may be",
    });

    desk.burns = [{ route: "api", objective: "latency", burn: 14.4 }];
    await vi.advanceTimersByTimeAsync(250);

    expect(desk.told.length).toBe(1);
  });

  test("one whose routes burn their budgets is rolled back all the same when it is at fault", async () => {
    const desk = new Desk();
    desk.burns = [{ route: "api", objective: "availability", burn: 100 }];
    desk.trials.watch({ keys: KEYS });
    desk.count(5, 1);
    await vi.advanceTimersByTimeAsync(250);
    expect(desk.told).toEqual(["roll back keys: the candidate has failed once, and 0 may be"]);
  });

  test("one that breaks a limit is rolled back at the next look, and what comes later changes nothing", async () => {
    const desk = new Desk();
    desk.trials.watch({ keys: KEYS });
    desk.count(5, 1);
    await vi.advanceTimersByTimeAsync(250);
    desk.count(5_000, 0);
    await vi.advanceTimersByTimeAsync(TRIAL_DEFAULTS.forMs);
    const why = "the candidate has failed once, and 0 may be";
    expect(new Set(desk.told)).toEqual(new Set([`roll back keys: ${why}`]));
    desk.trials.watch({});
    expect(desk.trials.view("keys")).toMatchObject({ state: "rolled-back", why });
  });

  test("a change that comes to nothing is asked for again, but not at every look", async () => {
    const desk = new Desk();
    desk.trials.watch({ keys: KEYS });
    desk.count(5, 1);
    await vi.advanceTimersByTimeAsync(25_000);
    expect(desk.told.length).toBe(3);
  });

  test("one that nobody has counted anything of is rolled back when its time is over", async () => {
    const desk = new Desk();
    desk.trials.watch({ keys: KEYS });
    await vi.advanceTimersByTimeAsync(TRIAL_DEFAULTS.forMs + 250);
    expect(desk.told).toEqual([
      "roll back keys: after 600 s the candidate has seen no more than 0 of 100 exchanges",
    ]);
  });

  test("counts of another trial of the same filter are not taken for its own", async () => {
    const desk = new Desk();
    desk.trials.watch({ keys: KEYS });
    desk.count(5, 7, 999);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(desk.told).toEqual([]);
    expect(desk.trials.view("keys")?.candidate.exchanges).toBe(0);
  });

  test("an operator's word is kept as the reason, and the next trial begins anew", async () => {
    const desk = new Desk();
    desk.trials.watch({ keys: KEYS });
    desk.count(10);
    await vi.advanceTimersByTimeAsync(250);
    desk.trials.ended("keys", "promoted", "anna has promoted it");
    desk.trials.watch({});
    expect(desk.trials.view("keys")).toMatchObject({
      state: "promoted",
      why: "anna has promoted it",
      candidate: { exchanges: 10 },
    });
    desk.trials.watch({ keys: { ...KEYS, startedAt: 2_000 } });
    expect(desk.trials.view("keys")).toMatchObject({
      state: "running",
      startedAt: 2_000,
      candidate: { exchanges: 0 },
    });
    expect(desk.trials.view("none")).toBeUndefined();
    desk.trials.close();
  });
});

test.each([
  ["canary", canary(99.999)],
  ["shadow", SHADOW],
] as const)("a %s that traps is rolled back within two seconds", async (_, trial) => {
  const upstream = stage.use(await Upstream.start());
  const tried = candidate("trap", { phase: "request" }, trial);
  const host = stage.use(
    await startTrial(
      upstream,
      {
        filters: { tried: { component: component("mark"), config: { mark: "m" } } },
        routes: [{ upstream: "main", filters: ["tried"] }],
      },
      { tried },
      TRIAL_DEFAULTS,
    ),
  );
  const client = await stage.connect(host);
  const began = performance.now();
  await client.ask(request("/", ["x-break: panic"]));
  await waitFor("the way back", async () => (await host.host.trial("tried"))?.state === "rolled-back");
  expect(performance.now() - began).toBeLessThan(2_000);
  const why = "the candidate has failed once, and 0 may be";
  expect(await host.host.trial("tried")).toMatchObject({ why, candidate: { failures: 1 } });
  expect(host.host.status()).toMatchObject({ generation: 2, filters: [{ trial: null }] });
  const [last] = await host.host.generations();
  expect(last).toMatchObject({
    by: "trial",
    changes: [`filters.tried trial rolled back: ${why}`, expect.any(String)],
  });
});
