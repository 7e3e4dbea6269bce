/** What filters count themselves: from their declarations to the exposition, over workers, versions and replacements. */
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import type { CustomMetric, Declaration, MetricScope } from "../../host/ops/custom-metrics.ts";
import { WorkerMeter } from "../../host/ops/meter.ts";
import { Exposition } from "../../host/ops/exposition.ts";
import { IDLE_FACTS } from "./main-facts.ts";
import { INSTALL, promtool } from "./promtool.ts";

const LIMITS = { metricsMax: 3, metricLabelsMax: 4, metricSeriesMax: 10 };

const HITS: Declaration = {
  kind: "counter",
  name: "hits_total",
  help: "Hits.",
  labels: ["method"],
  bounds: [],
};
const SIZE: Declaration = { kind: "gauge", name: "size", help: "Size.", labels: [], bounds: [] };
const BYTES: Declaration = { kind: "histogram", name: "bytes", help: "Sizes.", labels: [], bounds: [1, 10] };

function scope(meter: WorkerMeter, filter = "own"): MetricScope {
  return meter.custom.scope(filter, LIMITS, String);
}

function made(of: MetricScope, declaration: Declaration): CustomMetric {
  const metric = of.declare(declaration);
  if (typeof metric === "string") throw new Error(metric);
  return metric;
}

async function exposed(meters: readonly WorkerMeter[], exposition = new Exposition()): Promise<string[]> {
  const { body } = await exposition.render(
    meters.map((meter) => meter.snapshot()),
    IDLE_FACTS,
  );
  return body.split("\n").filter((line) => line.includes("sluice_filter_custom"));
}

test("workers are added up, gauges too, and each filter has its own series in one family", async () => {
  const meters = [new WorkerMeter(), new WorkerMeter()];
  for (const meter of meters) {
    made(scope(meter), HITS).add(2, ["GET"]);
    made(scope(meter), SIZE).set(1.5, []);
    made(scope(meter, "other"), HITS).add(1, ['a"b']);
    made(scope(meter), BYTES).observe(5, []);
  }
  made(scope(meters[0] as WorkerMeter), HITS).add(1, ["PUT"]);
  expect(await exposed(meters)).toEqual([
    "# HELP sluice_filter_custom_hits_total Hits.",
    "# TYPE sluice_filter_custom_hits_total counter",
    'sluice_filter_custom_hits_total{filter="own",method="GET"} 4',
    'sluice_filter_custom_hits_total{filter="own",method="PUT"} 1',
    'sluice_filter_custom_hits_total{filter="other",method="a\\"b"} 2',
    "# HELP sluice_filter_custom_size Size.",
    "# TYPE sluice_filter_custom_size gauge",
    'sluice_filter_custom_size{filter="own"} 3',
    "# HELP sluice_filter_custom_bytes Sizes.",
    "# TYPE sluice_filter_custom_bytes histogram",
    'sluice_filter_custom_bytes_bucket{filter="own",le="1"} 0',
    'sluice_filter_custom_bytes_bucket{filter="own",le="10"} 2',
    'sluice_filter_custom_bytes_bucket{filter="own",le="+Inf"} 2',
    'sluice_filter_custom_bytes_sum{filter="own"} 10',
    'sluice_filter_custom_bytes_count{filter="own"} 2',
  ]);
});

test("all workers together show no more series than one may have, and none that was shown goes back", async () => {
  const exposition = new Exposition();
  const lost = new WorkerMeter();
  const living = new WorkerMeter();
  const count = (meter: WorkerMeter, from: number, to: number): void => {
    const hits = made(scope(meter), HITS);
    for (let at = from; at < to; at++) hits.add(1, [`M${at}`]);
  };
  const shown = async (meters: readonly WorkerMeter[]): Promise<Map<string, number>> => {
    const lines = (await exposed(meters, exposition)).filter((line) => !line.startsWith("#"));
    return new Map(lines.map((line) => [line.slice(0, line.indexOf("}")), Number(line.split(" ").at(-1))]));
  };
  count(lost, 0, 4);
  count(living, 2, 8);
  const before = await shown([lost, living]);
  expect([before.size, sumOf(before)]).toEqual([8, 10]);
  // Ten for each of them, and no more than ten for both.
  count(lost, 100, 109);
  count(living, 200, 209);
  const full = await shown([lost, living]);
  expect([full.size, sumOf(full)]).toEqual([LIMITS.metricSeriesMax + 1, 28]);
  exposition.retire(lost.snapshot());
  const successor = new WorkerMeter();
  count(successor, 300, 320);
  const after = await shown([living, successor]);
  expect([after.size, sumOf(after)]).toEqual([LIMITS.metricSeriesMax + 1, 48]);
  for (const [series, value] of [...before, ...full]) expect(after.get(series)).toBeGreaterThanOrEqual(value);
});

function sumOf(series: ReadonlyMap<string, number>): number {
  return series.values().reduce((sum, value) => sum + value, 0);
}

test("a worker that is no more leaves its counts, and its gauges go with it", async () => {
  const exposition = new Exposition();
  const gone = new WorkerMeter();
  made(scope(gone), HITS).add(3, ["GET"]);
  made(scope(gone), SIZE).set(7, []);
  exposition.retire(gone.snapshot());
  const next = new WorkerMeter();
  made(scope(next), HITS).add(1, ["GET"]);
  made(scope(next), SIZE).set(2, []);
  const lines = await exposed([next], exposition);
  expect(lines).toContain('sluice_filter_custom_hits_total{filter="own",method="GET"} 4');
  expect(lines).toContain('sluice_filter_custom_size{filter="own"} 2');
});

describe("the next version of a filter", () => {
  test("goes on with what it declares alike, whatever its help says, and the one before may still make instances", async () => {
    const meter = new WorkerMeter();
    const before = scope(meter);
    made(before, HITS).add(1, ["GET"]);
    const after = scope(meter);
    made(after, { ...HITS, help: "More hits." }).add(1, ["GET"]);
    made(before, HITS).add(1, ["GET"]);
    before.release();
    made(after, { ...HITS, help: "More hits." }).add(1, ["GET"]);
    const lines = await exposed([meter]);
    expect(lines).toContain("# HELP sluice_filter_custom_hits_total More hits.");
    expect(lines).toContain('sluice_filter_custom_hits_total{filter="own",method="GET"} 4');
  });

  test("is refused what it declares otherwise, until nobody has it any more", async () => {
    const meter = new WorkerMeter();
    const before = scope(meter);
    made(before, HITS).add(1, ["GET"]);
    const other: Declaration = { ...HITS, labels: ["path"] };
    const refused = scope(meter);
    expect(refused.declare(other)).toBe("conflict");
    refused.release();
    before.release();
    expect(await exposed([meter]), "what was counted stays").toHaveLength(3);
    made(scope(meter), other).add(1, ["/"]);
    expect((await exposed([meter])).at(-1)).toBe('sluice_filter_custom_hits_total{filter="own",path="/"} 1');
  });

  test("has room for its own metrics where those of the one before are in use no more", () => {
    const meter = new WorkerMeter();
    const before = scope(meter);
    for (const name of ["a", "b", "c"]) made(before, { ...SIZE, name });
    expect(before.declare({ ...SIZE, name: "d" })).toBe("too-many");
    before.release();
    const after = scope(meter);
    for (const name of ["d", "e", "f"]) made(after, { ...SIZE, name });
    expect(after.declare({ ...SIZE, name: "g" })).toBe("too-many");
  });
});

test("filters may not give one name two meanings", () => {
  const meter = new WorkerMeter();
  const own = scope(meter);
  made(own, BYTES);
  const other = scope(meter, "other");
  expect(other.declare({ ...SIZE, name: "bytes" })).toBe("conflict");
  expect(other.declare({ ...SIZE, name: "bytes_sum" })).toBe("conflict");
  expect(typeof other.declare({ ...BYTES, labels: ["a"] })).toBe("object");
  own.release();
  other.release();
  expect(typeof scope(meter, "third").declare({ ...SIZE, name: "bytes_sum" })).toBe("object");
});

const tool = promtool();

test.skipIf(tool === undefined && process.env["CI"] === undefined)(
  `promtool finds nothing to say about filters' metrics (needs: ${INSTALL})`,
  async () => {
    expect(tool, `promtool is missing: ${INSTALL}`).toBeDefined();
    const meter = new WorkerMeter();
    made(scope(meter), { ...HITS, help: 'A "help"\nof \\ two lines.' }).add(1, ['a\n\\"é']);
    made(scope(meter, "other"), BYTES).observe(0.5, []);
    made(scope(meter), SIZE).set(Number.NaN, []);
    const { body } = await new Exposition().render([meter.snapshot()], IDLE_FACTS);
    const { status, stdout, stderr } = spawnSync(tool as string, ["check", "metrics"], {
      input: body,
      encoding: "utf8",
    });
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
  },
);
