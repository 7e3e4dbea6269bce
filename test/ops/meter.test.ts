import fc from "fast-check";
import { expect, test } from "vitest";
import { FAILURES } from "../../host/failure.ts";
import { CALL_BOUNDS, EXCHANGE_BOUNDS } from "../../host/ops/buckets.ts";
import {
  CALL_CELLS,
  FILTER_FAILURE_REASONS,
  FILTERS_MAX,
  type FilterPhase,
  OVERFLOW,
  PHASE,
  ROUTES_MAX,
  WorkerMeter,
} from "../../host/ops/meter.ts";

test("a value counts in the first bucket whose bound it does not exceed", () => {
  // Bounds themselves are the values that an off-by-one gets wrong.
  const value = fc.oneof(fc.constantFrom(...EXCHANGE_BOUNDS), fc.double({ min: 0, max: 20, noNaN: true }));
  fc.assert(
    fc.property(fc.array(value), (values) => {
      const meter = new WorkerMeter();
      for (const seconds of values) meter.route("r").record(200, seconds);
      meter.route("r");
      const cells = [...meter.snapshot().routes[0]!.durations];

      const sum = cells.pop();
      const expected = [...EXCHANGE_BOUNDS, Number.POSITIVE_INFINITY].map(
        (bound, index) =>
          values.filter((v) => v <= bound && (index === 0 || v > EXCHANGE_BOUNDS[index - 1]!)).length,
      );
      expect(cells).toEqual(expected);
      expect(sum).toBe(values.reduce((total, v) => total + v, 0));
    }),
  );
});

test("a duration that is negative or no number counts as zero, and the sum stays a number", () => {
  const meter = new WorkerMeter();
  for (const seconds of [Number.NaN, -1, 0.5]) meter.route("r").record(200, seconds);

  const cells = meter.snapshot().routes[0]!.durations;
  expect(cells[0]).toBe(2);
  expect(cells.at(-1)).toBe(0.5);
});

test("each phase of a filter has its own histogram", () => {
  const phases = Object.values(PHASE);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...phases), fc.constantFrom(...CALL_BOUNDS))), (calls) => {
      const meter = new WorkerMeter();
      const filter = meter.filter("f");
      for (const [phase, seconds] of calls) filter.called(phase, seconds);

      const cells = meter.snapshot().filters[0]!.calls;
      const count = (phase: FilterPhase, bucket: number): number => cells[phase * CALL_CELLS + bucket]!;
      for (const phase of phases) {
        const mine = calls.filter(([called]) => called === phase);
        CALL_BOUNDS.forEach((bound, bucket) =>
          expect(count(phase, bucket)).toBe(mine.filter(([, s]) => s === bound).length),
        );
        expect(count(phase, CALL_BOUNDS.length), "a call counted as longer than all bounds").toBe(0);
      }
    }),
  );
});

test("a status that is none, as 0 is, counts as 0 and not as its neighbour", () => {
  const meter = new WorkerMeter();
  for (const status of [0, 99, 100, 599, 600, -1, Number.NaN]) meter.route("r").record(status, 0);
  expect(meter.snapshot().routes[0]!.statuses).toEqual([
    [0, 5],
    [100, 1],
    [599, 1],
  ]);
});

test("a name keeps its counters when the next generation asks for it again", () => {
  const meter = new WorkerMeter();
  meter.route("r").record(200, 0);
  meter.route("r").record(200, 0);
  meter.filter("f").failed("trap");
  meter.filter("f").failed("trap");

  const { routes, filters } = meter.snapshot();
  expect(routes.map(({ name, statuses }) => [name, statuses])).toEqual([["r", [[200, 2]]]]);
  expect(filters.map(({ name, failures }) => [name, failures[0]])).toEqual([["f", 2]]);
});

test("names beyond the bound share one series, so that reloads cannot fill the memory", () => {
  const meter = new WorkerMeter();
  for (let index = 0; index < ROUTES_MAX + 3; index += 1) meter.route(`route-${index}`).record(200, 0);
  for (let index = 0; index < FILTERS_MAX + 3; index += 1) meter.filter(`filter-${index}`).failed("fuel");
  meter.route("route-0").record(200, 0);

  const { routes, filters } = meter.snapshot();
  expect(routes.length).toBe(ROUTES_MAX + 1);
  expect(routes.find(({ name }) => name === OVERFLOW)?.statuses).toEqual([[200, 3]]);
  expect(routes[0]?.statuses, "a known name went into the overflow").toEqual([[200, 2]]);
  expect(filters.length).toBe(FILTERS_MAX + 1);
  expect(filters.at(-1)?.failures[FILTER_FAILURE_REASONS.indexOf("fuel")]).toBe(3);
});

test("every failure code has a count before it first happens", () => {
  const meter = new WorkerMeter();
  meter.failed("HOST_BROKE");
  expect(Object.fromEntries(meter.snapshot().failures)).toEqual(
    Object.fromEntries(Object.keys(FAILURES).map((code) => [code, code === "HOST_BROKE" ? 1 : 0])),
  );
});

test("a snapshot crosses threads unchanged, and later counts do not change it", () => {
  const meter = new WorkerMeter();
  meter.exchangesInFlight += 2;
  meter.connectionsOpen += 1;
  meter.route("r").record(204, 0.3);
  meter.filter("f").called(PHASE.end, 1e-5);
  meter.filter("f").instances = 4;
  const snapshot = meter.snapshot();
  const copy = structuredClone(snapshot);

  meter.route("r").record(204, 0.3);
  meter.filter("f").called(PHASE.end, 1e-5);
  meter.failed("HOST_BROKE");
  expect(snapshot).toEqual(copy);
});
