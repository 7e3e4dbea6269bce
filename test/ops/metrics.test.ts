import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FAILURES, type FailureCode } from "../../host/failure.ts";
import { DECISION } from "../../host/ops/filter-work.ts";
import { LoopMeter } from "../../host/ops/loop-meter.ts";
import { Exposition } from "../../host/ops/exposition.ts";
import type { MainFacts } from "../../host/ops/host-samples.ts";
import { FILTER_FAILURE_REASONS, type MeterSnapshot, PHASE, WorkerMeter } from "../../host/ops/meter.ts";
import { METRICS } from "../../host/ops/metrics.ts";
import { fillTables } from "../../host/ops/reference.ts";
import { IDLE_FACTS } from "./main-facts.ts";
import { INSTALL, promtool } from "./promtool.ts";

const MAIN: MainFacts = {
  ...IDLE_FACTS,
  generation: 7,
  generationsDrained: 5,
  swapsOk: 3,
  swapsRefused: 1,
  reloadsOk: 2,
  connectionsRefused: 2,
  workerRestarts: 1,
  recorded: { written: 4, dropped: 3 },
  capsules: { written: 2, dropped: 1 },
  spans: { sent: 6, full: 1, failed: 2 },
};

test("what was recorded is in the exposition, with buckets that contain those before them", async () => {
  const meter = new WorkerMeter();
  meter.exchangesInFlight = 2;
  meter.connectionsOpen = 5;
  meter.logLinesDropped = 4;
  meter.route("api").record(200, 0.003);
  meter.route("api").record(200, 0.02);
  meter.route("api").record(404, 60);
  meter.route("api").record(0, 0.003);
  meter.failed("HOST_BROKE");
  meter.filter("keys").called(PHASE.request, 2e-6);
  meter.filter("keys").failed("trap");
  meter.filter("keys").instances = 3;
  const rendered = await new Exposition().render([meter.snapshot()], { ...MAIN, logLinesDropped: 1 });

  expect(rendered.contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(series(rendered.body)).toMatchObject({
    'sluice_exchanges_total{route="api",status="200"}': 2,
    'sluice_exchanges_total{route="api",status="404"}': 1,
    'sluice_exchanges_total{route="api",status="none"}': 1,
    'sluice_exchange_duration_seconds_bucket{route="api",le="0.005"}': 2,
    'sluice_exchange_duration_seconds_bucket{route="api",le="0.01"}': 2,
    'sluice_exchange_duration_seconds_bucket{route="api",le="0.025"}': 3,
    'sluice_exchange_duration_seconds_bucket{route="api",le="10"}': 3,
    'sluice_exchange_duration_seconds_bucket{route="api",le="+Inf"}': 4,
    'sluice_exchange_duration_seconds_sum{route="api"}': 60.026,
    'sluice_exchange_duration_seconds_count{route="api"}': 4,
    sluice_exchanges_in_flight: 2,
    sluice_connections_open: 5,
    sluice_connections_refused_total: 2,
    'sluice_failures_total{code="HOST_BROKE"}': 1,
    'sluice_failures_total{code="CLIENT_GONE"}': 0,
    'sluice_filter_calls_total{filter="keys",phase="request"}': 1,
    'sluice_filter_call_duration_seconds_bucket{filter="keys",phase="request",le="0.000001"}': 0,
    'sluice_filter_call_duration_seconds_bucket{filter="keys",phase="request",le="0.0000025"}': 1,
    'sluice_filter_call_duration_seconds_count{filter="keys",phase="request"}': 1,
    'sluice_filter_failures_total{filter="keys",reason="trap"}': 1,
    'sluice_filter_failures_total{filter="keys",reason="fuel"}': 0,
    'sluice_filter_instances{filter="keys"}': 3,
    'sluice_swaps_total{result="ok"}': 3,
    'sluice_swaps_total{result="refused"}': 1,
    sluice_generation: 7,
    [`sluice_build_info{version="0.1.0",node="${process.versions.node}"}`]: 1,
    'sluice_log_lines_dropped_total{reason="destination"}': 1,
    'sluice_log_lines_dropped_total{reason="limit"}': 4,
    'sluice_spans_total{result="sent"}': 6,
    'sluice_spans_total{result="full"}': 1,
    'sluice_spans_total{result="failed"}': 2,
  });
});

test("a host without traffic exposes what has no labels, and every metric's type and help", async () => {
  const { body } = await new Exposition().render([], MAIN);
  for (const [name, { type, help }] of Object.entries(METRICS)) {
    expect(body).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
  }
  expect(series(body)).toMatchObject({
    sluice_exchanges_in_flight: 0,
    sluice_generation: 7,
    'sluice_log_lines_dropped_total{reason="limit"}': 0,
  });
});

test("several workers, living and ended, count as one that did everything", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(EVENT),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(4),
      async (events, workers, ended) => {
        const one = new WorkerMeter();
        const many = Array.from({ length: workers }, () => new WorkerMeter());
        events.forEach((event, index) => {
          apply(one, event);
          apply(many[index % workers]!, event);
        });
        const exposition = new Exposition();
        const snapshots = many.map((meter) => structuredClone(meter.snapshot()));
        for (const snapshot of snapshots.splice(0, ended)) exposition.retire(snapshot);

        const split = await exposition.render(snapshots, MAIN);
        const whole = await new Exposition().render([one.snapshot()], MAIN);
        expect(sorted(split.body)).toEqual(sorted(whole.body));
      },
    ),
    { numRuns: 50 },
  );
});

test("no counter goes back when workers end and are replaced", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 3, arbitrary: EVENT }, fc.constant("replace" as const))),
      async (steps) => {
        const exposition = new Exposition();
        const steady = new WorkerMeter();
        let replaced = new WorkerMeter();
        let before = new Map<string, number>();
        for (const [index, step] of steps.entries()) {
          if (step === "replace") {
            exposition.retire(replaced.snapshot());
            replaced = new WorkerMeter();
          } else {
            apply(index % 2 === 0 ? steady : replaced, step);
          }
          const { body } = await exposition.render([steady.snapshot(), replaced.snapshot()], MAIN);
          const now = counters(body);
          for (const [name, value] of before) expect(now.get(name), name).toBeGreaterThanOrEqual(value);
          before = now;
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("the gauges of living workers add up", async () => {
  const snapshots = [1, 20].map((value) => {
    const meter = new WorkerMeter();
    meter.exchangesInFlight = value;
    meter.connectionsOpen = value * 2;
    meter.filter("keys").instances = value * 3;
    return meter.snapshot();
  });
  const { body } = await new Exposition().render(snapshots, MAIN);
  expect(series(body)).toMatchObject({
    sluice_exchanges_in_flight: 21,
    sluice_connections_open: 42,
    'sluice_filter_instances{filter="keys"}': 63,
  });
});

test("a worker that has ended takes its gauges with it", async () => {
  const meter = new WorkerMeter();
  meter.exchangesInFlight = 9;
  meter.connectionsOpen = 9;
  meter.filter("keys").instances = 9;
  const exposition = new Exposition();
  exposition.retire(meter.snapshot());
  const { body } = await exposition.render([], MAIN);
  expect(series(body)).toMatchObject({
    sluice_exchanges_in_flight: 0,
    sluice_connections_open: 0,
    'sluice_filter_instances{filter="keys"}': 0,
  });
});

test("rendering and retiring leave the snapshots as they were", async () => {
  const snapshot = busy();
  const copy = structuredClone(snapshot);
  const exposition = new Exposition();
  exposition.retire(snapshot);
  exposition.retire(snapshot);
  await exposition.render([snapshot, snapshot], MAIN);
  expect(snapshot).toEqual(copy);
});

const tool = promtool();

test.skipIf(tool === undefined && process.env["CI"] === undefined)(
  `promtool finds nothing to say about the exposition (needs: ${INSTALL})`,
  { timeout: 60_000 },
  async () => {
    expect(tool, `promtool is missing: ${INSTALL}`).toBeDefined();
    const { body } = await new Exposition().render([busy(), busy()], MAIN);
    const checked = spawnSync(tool!, ["check", "metrics"], { input: body, encoding: "utf8" });
    expect({ status: checked.status, said: checked.stdout + checked.stderr }).toEqual({
      status: 0,
      said: "",
    });
  },
);

test("docs/metrics.md is what scripts/write-metrics.ts makes of the declarations", () => {
  const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
  expect(fillTables(page), "run: node scripts/write-metrics.ts").toBe(page);
  for (const name of Object.keys(METRICS)) expect(page).toContain(`| \`${name}\` |`);
});

type Event = (meter: WorkerMeter) => void;

const NAMES = fc.constantFrom("api", 'a "b" \\ c', "zwölf\n");
// Eighths add up exactly in any order, so sums can be compared without a tolerance.
const SECONDS = fc.nat(800).map((eighths) => eighths / 8);

const EVENT: fc.Arbitrary<Event> = fc.oneof(
  fc.tuple(NAMES, fc.constantFrom(0, 200, 404, 503), SECONDS).map(
    ([name, status, seconds]): Event =>
      (meter) =>
        meter.route(name).ended({
          status,
          durationMs: seconds * 1_000,
          requestId: "r",
          timeline: undefined,
        }),
  ),
  fc.tuple(NAMES, SECONDS, fc.constantFrom(...Object.values(DECISION))).map(
    ([name, seconds, decision]): Event =>
      (meter) => {
        const { work } = meter.filter(name);
        work.called(PHASE.request, seconds, decision);
        work.waited(seconds);
        work.requested("ok");
        work.stored[1]! += 1;
        meter.server(name, "http://a").responded(seconds);
        meter.server(name, "http://a").waited(seconds);
        meter.connectionsAccepted += 1;
        meter.refused("MESSAGE_MALFORMED");
      },
  ),
  fc.tuple(NAMES, fc.constantFrom(...Object.values(PHASE)), SECONDS).map(
    ([name, phase, seconds]): Event =>
      (meter) =>
        meter.filter(name).called(phase, seconds),
  ),
  fc.tuple(NAMES, fc.constantFrom(...FILTER_FAILURE_REASONS)).map(
    ([name, reason]): Event =>
      (meter) =>
        meter.filter(name).failed(reason),
  ),
  fc.constantFrom(...(Object.keys(FAILURES) as FailureCode[])).map(
    (code): Event =>
      (meter) =>
        meter.failed(code),
  ),
);

function apply(meter: WorkerMeter, event: Event): void {
  event(meter);
}

/** A snapshot in which every metric has a sample, with labels that need escapes. */
function busy(): MeterSnapshot {
  const meter = new WorkerMeter();
  for (const name of ["api", 'a "b" \\ c', "zwölf\n"]) {
    for (const status of [0, 100, 200, 599]) meter.route(name).record(status, 0.3);
    for (const phase of Object.values(PHASE)) meter.filter(name).called(phase, 3e-5);
    for (const reason of FILTER_FAILURE_REASONS) meter.filter(name).failed(reason);
    meter.filter(name).instances = 2;
    meter.filter(name).work.requested("ok");
    meter.filter(name).work.stored[0] = 1;
    meter.server(name, "http://a").responded(0.3);
  }
  meter.loop = new LoopMeter(1);
  return meter.snapshot();
}

function samples(body: string): [name: string, value: number][] {
  return body
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]);
}

function series(body: string): Record<string, number> {
  return Object.fromEntries(samples(body));
}

/** All that Prometheus takes for a counter, with the parts of histograms. */
function counters(body: string): Map<string, number> {
  return new Map(samples(body).filter(([name]) => /_(total|bucket|sum|count)(\{|$)/.test(name)));
}

function sorted(body: string): string[] {
  return body.split("\n").toSorted();
}
