import { expect, test } from "vitest";
import type { RouteConfig } from "../../host/config/config.ts";
import type { SloCounts, SloView } from "../../host/slo/slo.ts";
import { Slos } from "../../host/slo/slos.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const API = route("api", 0.99);

/** Of which this availability is asked over 30 days. */
function route(name: string, availability: number): RouteConfig {
  return {
    name,
    match: { host: { kind: "any", name: "" }, path: { kind: "any", path: "/" }, methods: [] },
    filters: [],
    upstream: "main",
    preserveHost: true,
    serverTiming: false,
    slo: { availability, latency: null, windowMs: 30 * DAY },
  };
}

/** Workers that have counted what a test says, and a clock that goes on when it says so. */
class Desk {
  now = 1_000_000;
  asked = 0;
  #exchanges = 0;
  #bad = 0;
  readonly slos: Slos = new Slos({
    counts: () => {
      this.asked += 1;
      return Promise.resolve([this.counts]);
    },
    now: () => this.now,
  });

  get counts(): SloCounts {
    return { route: "api", objective: "availability", exchanges: this.#exchanges, bad: this.#bad };
  }

  count(exchanges: number, bad: number): void {
    this.#exchanges += exchanges;
    this.#bad += bad;
  }

  /** So many exchanges a second for so long, of which a share is bad; looked at every ten seconds. */
  async pass(ms: number, perSecond: number, badShare: number, everyMs: number = 10 * SECOND): Promise<void> {
    for (let passed = 0; passed < ms; passed += everyMs) {
      const exchanges = (perSecond * everyMs) / SECOND;
      this.count(exchanges, exchanges * badShare);
      this.now += everyMs;
      await this.slos.look();
    }
  }

  get view(): SloView {
    const [view] = this.slos.view("api") ?? [];
    if (view === undefined) throw new Error("nothing is asked of the route");
    return view;
  }
}

test("before an exchange nothing is known of the budget", async () => {
  const desk = new Desk();
  desk.slos.watch([API]);
  await desk.slos.look();

  expect(desk.view).toEqual({
    objective: "availability",
    target: 0.99,
    underMs: null,
    burn: { "5m": null, "1h": null, "6h": null },
    budgetLeft: null,
    since: expect.closeTo(Date.now(), -4),
  });
  expect(desk.slos.view("another")).toBeNull();
  desk.slos.close();
});

test("a budget burns as many times as fast as it may as there are more bad exchanges than may be", async () => {
  const desk = new Desk();
  desk.slos.watch([API]);
  await desk.pass(10 * MINUTE, 10, 0.02);

  const { burn, budgetLeft } = desk.view;
  expect(burn["5m"]).toBeCloseTo(2, 6);
  expect(burn["6h"], "what there is of a longer time is told").toBeCloseTo(2, 6);
  expect(budgetLeft).toBeCloseTo(-1, 6);
  desk.slos.close();
});

test("each window forgets what is older than it, and the budget does not", async () => {
  const desk = new Desk();
  desk.slos.watch([API]);
  await desk.pass(10 * MINUTE, 10, 0.5);
  await desk.pass(5 * MINUTE + 20 * SECOND, 10, 0);
  expect(desk.view.burn["5m"], "after five minutes without a bad one").toBe(0);
  expect(desk.view.burn["1h"]).toBeGreaterThan(30);

  await desk.pass(62 * MINUTE, 10, 0);
  expect(desk.view.burn["1h"], "after an hour").toBe(0);
  expect(desk.view.burn["6h"]).toBeGreaterThan(6);

  await desk.pass(6 * HOUR, 10, 0, MINUTE);
  expect(desk.view.burn["6h"], "after six hours").toBe(0);
  expect(desk.view.budgetLeft, "the budget of thirty days").toBeLessThan(0.5);

  await desk.pass(31 * DAY, 1, 0, HOUR);
  expect(desk.view.budgetLeft, "after thirty days").toBe(1);
  desk.slos.close();
});

test("a window is no shorter than it says, and hardly longer", async () => {
  const desk = new Desk();
  desk.slos.watch([API]);
  await desk.pass(HOUR, 10, 0);
  // All bad, for one look.
  await desk.pass(10 * SECOND, 10, 1);
  await desk.pass(5 * MINUTE - 20 * SECOND, 10, 0);
  expect(desk.view.burn["5m"], "it was forgotten too early").toBeGreaterThan(0);
  await desk.pass(30 * SECOND, 10, 0);
  expect(desk.view.burn["5m"], "it was remembered too long").toBe(0);
  desk.slos.close();
});

test("a time without exchanges has no burn", async () => {
  const desk = new Desk();
  desk.slos.watch([API]);
  await desk.pass(MINUTE, 10, 1);
  await desk.pass(6 * MINUTE, 0, 0);

  expect(desk.view.burn["5m"]).toBeNull();
  expect(desk.view.burn["1h"]).toBeCloseTo(100, 6);
  desk.slos.close();
});

test("a generation that asks for the same goes on counting, one that asks for something else begins anew", async () => {
  const desk = new Desk();
  desk.slos.watch([API]);
  await desk.pass(MINUTE, 10, 0.5);

  desk.slos.watch([route("other", 0.9), API]);
  expect(desk.view.burn["5m"]).toBeCloseTo(50, 6);

  desk.slos.watch([route("api", 0.999)]);
  expect(desk.view.burn["5m"], "it was counted against another target").toBeNull();
  await desk.pass(MINUTE, 10, 0.001);
  expect(desk.view.burn["5m"]).toBeCloseTo(1, 6);

  desk.slos.watch([]);
  expect(desk.slos.view("api")).toBeNull();
  desk.slos.close();
});

test("who needs it fresh is not answered from what is older, and many ask once", async () => {
  const desk = new Desk();
  desk.slos.watch([API]);
  await Promise.all([desk.slos.look(), desk.slos.look(), desk.slos.look()]);
  expect(desk.asked).toBe(1);

  desk.now += 900;
  await desk.slos.refresh();
  expect(desk.asked).toBe(1);

  desk.now += 100;
  await desk.slos.refresh();
  expect(desk.asked).toBe(2);

  desk.slos.watch([]);
  await desk.slos.look();
  expect(desk.asked, "workers were asked about nothing").toBe(2);
});
