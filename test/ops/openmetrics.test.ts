/** OpenMetrics: the same numbers as in Prometheus' text, and exemplars. */
import { expect, test } from "vitest";
import { Exposition } from "../../host/ops/exposition.ts";
import { IDLE_FACTS } from "./main-facts.ts";
import { WorkerMeter } from "../../host/ops/meter.ts";
import type { EndedExchange } from "../../host/ops/route-meter.ts";
import { component, startProxy } from "../support/test-host.ts";
import { request } from "../support/raw-client.ts";
import { Upstream } from "../support/upstream.ts";
import { type OpenSample, readOpenMetrics } from "./openmetrics.ts";

const ended = (durationMs: number, parts: Partial<EndedExchange> = {}): EndedExchange => ({
  status: 200,
  durationMs,
  requestId: "nobody",
  timeline: undefined,
  ...parts,
});

async function exemplarsOf(...meters: readonly WorkerMeter[]): Promise<OpenSample[]> {
  const snapshots = meters.map((meter) => structuredClone(meter.snapshot()));
  const { body, contentType } = await new Exposition().render(snapshots, IDLE_FACTS, "openmetrics");
  expect(contentType).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
  return [...readOpenMetrics(body).values()].flatMap(({ samples }) =>
    samples.filter(({ exemplar }) => exemplar !== undefined),
  );
}

const KEPT = { wish: "kept", trace: undefined } as const;

test("each bucket of a route's durations has the newest exchange that can be looked up", async () => {
  const meter = new WorkerMeter();
  const route = meter.route("api");
  const before = Date.now() / 1_000;
  route.ended(ended(3, { requestId: "first", timeline: KEPT }));
  const trace = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736" };
  route.ended(ended(4, { requestId: "second", timeline: { wish: "passing", trace } }));
  route.ended(ended(4));
  // It was of use to the log alone, and is not kept.
  route.ended(ended(4, { timeline: { wish: "passing", trace: undefined } }));
  route.ended(ended(20_000, { requestId: "slow", timeline: KEPT }));
  route.ended(ended(600));

  const found = await exemplarsOf(meter);
  expect(
    found.map(({ name, labels, exemplar }) => [name, labels, exemplar?.labels, exemplar?.value]),
  ).toEqual([
    [
      "sluice_exchange_duration_seconds_bucket",
      'route="api",le="0.005"',
      'request_id="second",trace_id="4bf92f3577b34da6a3ce929d0e0e4736"',
      0.004,
    ],
    ["sluice_exchange_duration_seconds_bucket", 'route="api",le="+Inf"', 'request_id="slow"', 20],
  ]);
  for (const { exemplar } of found) {
    expect(exemplar?.at).toBeGreaterThanOrEqual(before - 0.001);
    expect(exemplar?.at).toBeLessThanOrEqual(Date.now() / 1_000);
  }
});

test("of several workers the newest exemplar counts, and Prometheus' text has none", async () => {
  const meters = [new WorkerMeter(), new WorkerMeter(), new WorkerMeter()];
  meters.forEach((meter, at) =>
    meter.route("api").ended(ended(1, { requestId: `of-${at}`, timeline: at < 2 ? KEPT : undefined })),
  );
  // Two in the same millisecond are as new as each other.
  const [first] = await exemplarsOf(...meters);
  expect(first?.exemplar?.labels).toMatch(/^request_id="of-[01]"$/);
  const { body } = await new Exposition().render(
    meters.map((meter) => meter.snapshot()),
    IDLE_FACTS,
  );
  expect(body).not.toContain("request_id");
});

test("both formats of a running host have the same series with the same values", async () => {
  await using upstream = await Upstream.start();
  await using host = await startProxy(upstream, {
    filters: {
      caller: {
        component: component("caller"),
        config: {
          calls: [{ "measure-path": 0 }, { "measure-path": 1 }, { "measure-path": 2 }],
          metrics: [
            { counter: ["hits", 'Says "hits".', ["path"]] },
            { gauge: ["size", "Size.", ["path"]] },
            { histogram: ["bytes", "Bytes.", ["path"], [1, 2]] },
          ],
        },
        grant: { ...GRANTS, metrics: true },
      },
    },
    routes: [{ filters: ["caller"], upstream: "main" }],
  });
  await using client = await host.connect();
  await client.ask(request('/a"b\\c'));
  const text = await host.host.metrics();
  const open = readOpenMetrics((await host.host.metrics("openmetrics")).body);
  const both = [...open.values()].flatMap(({ samples }) => samples);
  const plain = text.body
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    // The loops go on turning between the two.
    .filter((line) => !line.startsWith("sluice_worker_loop"))
    .map((line) => line.replace(/^sluice_filter_custom_hits\{/, "sluice_filter_custom_hits_total{"));
  const same = both
    .filter(({ name }) => !name.startsWith("sluice_worker_loop"))
    .map(({ name, labels, value }) => (labels === "" ? `${name} ${value}` : `${name}{${labels}} ${value}`));
  expect(same).toEqual(plain);
  expect(open.get("sluice_filter_custom_hits")?.samples).toHaveLength(1);
});

const GRANTS = { store: true, "rate-limit": true, secrets: [], clock: true, random: true };
