import { expect, test } from "vitest";
import { activityOf, type Look, quantile, serverKey } from "../../host/ops/activity.ts";
import { EXCHANGE_BOUNDS } from "../../host/ops/buckets.ts";
import { PHASE, WorkerMeter } from "../../host/ops/meter.ts";

const at = (meter: WorkerMeter, atMs: number): Look => ({ atMs, counts: meter.snapshot() });

test("rates are of the last time between two looks, durations of a longer one", () => {
  const meter = new WorkerMeter();
  const route = meter.route("api");
  const began = at(meter, 0);
  for (let count = 0; count < 90; count++) route.record(200, 0.001);
  const before = at(meter, 8_000);
  for (let count = 0; count < 10; count++) route.record(count < 4 ? 503 : 200, 2);
  const { all, routes } = activityOf(began, before, at(meter, 10_000));

  expect(all).toMatchObject({ perSecond: 5, errorsPerSecond: 2 });
  expect(all.p50Ms).toBeLessThan(5);
  expect(all.p99Ms).toBeGreaterThan(1_000);
  expect(routes.get("api")).toEqual(all);
});

test("an exchange without a head is an error, and one that the client got wrong is none", () => {
  const meter = new WorkerMeter();
  const before = at(meter, 0);
  for (const status of [0, 404, 500]) meter.route("api").record(status, 0.01);
  expect(activityOf(before, before, at(meter, 1_000)).all).toMatchObject({
    perSecond: 3,
    errorsPerSecond: 2,
  });
});

test("a filter's calls are those of all its phases, and what it has failed of is told by reason", () => {
  const meter = new WorkerMeter();
  const filter = meter.filter("keys");
  const before = at(meter, 0);
  filter.called(PHASE.request, 10e-6);
  filter.called(PHASE.response, 30e-6);
  filter.failed("trap");
  const { filters } = activityOf(before, before, at(meter, 1_000));
  expect(filters.get("keys")).toMatchObject({
    callsPerSecond: 2,
    failuresPerSecond: 1,
    meanUs: 20,
    failures: { trap: 1 },
  });
});

test("servers are told apart by their upstream, too", () => {
  const meter = new WorkerMeter();
  const before = at(meter, 0);
  meter.server("a", "http://one").tries += 3;
  meter.server("b", "http://one").failed("reset");
  const { servers } = activityOf(before, before, at(meter, 1_000));
  const server = "http://one";
  expect(servers.get(serverKey({ upstream: "a", server }))).toEqual({
    triesPerSecond: 3,
    failuresPerSecond: 0,
  });
  expect(servers.get(serverKey({ upstream: "b", server }))).toEqual({
    triesPerSecond: 0,
    failuresPerSecond: 1,
  });
});

test("nothing is known of what has not happened, and a worker that is missing takes nothing back", () => {
  const meter = new WorkerMeter();
  meter.route("api").record(200, 0.01);
  const before = at(meter, 0);
  const { all } = activityOf(before, before, at(new WorkerMeter(), 1_000));
  expect(all).toEqual({ perSecond: 0, errorsPerSecond: 0, p50Ms: undefined, p99Ms: undefined });
  const fresh = new WorkerMeter();
  fresh.route("api");
  expect(activityOf(before, before, at(fresh, 1_000)).routes.get("api")?.perSecond).toBe(0);
});

test("a quantile lies within its bucket, and above the last bound is the last bound", () => {
  const cells = new Float64Array(EXCHANGE_BOUNDS.length + 1);
  cells[1] = 10;
  expect(quantile(0.5, EXCHANGE_BOUNDS, cells)).toBeCloseTo(0.0075);
  cells.fill(0);
  cells[EXCHANGE_BOUNDS.length] = 1;
  expect(quantile(0.5, EXCHANGE_BOUNDS, cells)).toBe(10);
});
