import { CALL_BOUNDS, WAIT_BOUNDS } from "./buckets.ts";
import { DECISION, HTTP_RESULTS, STORE_OPERATION } from "./filter-work.ts";
import {
  CALL_CELLS,
  FILTER_FAILURE_REASONS,
  type FilterSnapshot,
  INSTANCE_ENDS,
  type MeterSnapshot,
  PHASE,
  STATE_HANDOVERS,
} from "./meter.ts";
import { always, histogramSeries, type Metric, onceSeen } from "./metric.ts";
import { byLabel, histogram, observations, type Sample, type Samples } from "./sample.ts";

export type FilterMetric =
  | "sluice_filter_calls_total"
  | "sluice_filter_call_duration_seconds"
  | "sluice_filter_decisions_total"
  | "sluice_filter_fuel_total"
  | "sluice_filter_failures_total"
  | "sluice_filter_instances"
  | "sluice_filter_memory_bytes"
  | "sluice_filter_wait_seconds"
  | "sluice_filter_instances_ended_total"
  | "sluice_filter_handles_leaked_total"
  | "sluice_filter_state_handovers_total"
  | "sluice_filter_quarantined"
  | "sluice_filter_http_requests_total"
  | "sluice_filter_store_operations_total";

const PHASES = Object.keys(PHASE);
const DECISIONS = Object.keys(DECISION);
const STORE_OPERATIONS = Object.keys(STORE_OPERATION);

export const FILTER_METRICS: Readonly<Record<FilterMetric, Metric>> = {
  sluice_filter_calls_total: {
    type: "counter",
    unit: "calls",
    labels: ["filter", "phase"],
    help: "Calls of a filter, by phase, also those that failed.",
    meaning: "Calls of a filter, also those that failed.",
    series: onceSeen(PHASES.length, "filter"),
  },
  sluice_filter_call_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["filter", "phase"],
    help: "Time that a call of a filter took, by phase.",
    meaning: "The time that a call took, also one that failed.",
    series: onceSeen(PHASES.length * histogramSeries(CALL_BOUNDS), "filter"),
  },
  sluice_filter_decisions_total: {
    type: "counter",
    unit: "calls",
    labels: ["filter", "decision"],
    help: "Calls of a filter in exchanges, by what they came to.",
    meaning: "The same calls, by what they came to.",
    series: always(DECISIONS.length, "filter"),
  },
  sluice_filter_fuel_total: {
    type: "counter",
    unit: "fuel",
    labels: ["filter", "phase"],
    help: "Fuel that the calls of a filter have consumed, by phase.",
    meaning: "[Fuel](decisions/0007-fuel-in-the-code.md) that the calls have consumed.",
    series: onceSeen(PHASES.length, "filter"),
  },
  sluice_filter_failures_total: {
    type: "counter",
    unit: "failures",
    labels: ["filter", "reason"],
    help: "Calls of a filter that failed, by reason.",
    meaning:
      "Calls of a filter that failed. Each has cost an instance, but for `busy` and `quarantined`, where there was none.",
    series: always(FILTER_FAILURE_REASONS.length, "filter"),
  },
  sluice_filter_instances: {
    type: "gauge",
    unit: "instances",
    labels: ["filter"],
    help: "Live instances of a filter, in all workers and generations.",
    meaning: "Live instances, in all workers and generations.",
    series: always(1, "filter"),
  },
  sluice_filter_memory_bytes: {
    type: "gauge",
    unit: "bytes",
    labels: ["filter"],
    help: "Linear memory of the live instances of a filter.",
    meaning: "Linear memory of these instances.",
    series: always(1, "filter"),
  },
  sluice_filter_wait_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["filter"],
    help: "Time that exchanges have waited for an instance of a filter; those that got one at once are not counted.",
    meaning:
      "Time that exchanges have waited for an instance, in vain or not. Those that got one at once are not counted.",
    series: always(histogramSeries(WAIT_BOUNDS), "filter"),
  },
  sluice_filter_instances_ended_total: {
    type: "counter",
    unit: "instances",
    labels: ["filter", "reason"],
    help: "Instances of a filter that have ended, by reason.",
    meaning:
      "Instances that have ended: those that failed, and those that were [replaced or let go](filters/failures-of-filters.md#instances).",
    series: always(INSTANCE_ENDS.length, "filter"),
  },
  sluice_filter_handles_leaked_total: {
    type: "counter",
    unit: "handles",
    labels: ["filter"],
    help: "Handles that a filter had not given back when its exchange ended.",
    series: always(1, "filter"),
  },
  sluice_filter_state_handovers_total: {
    type: "counter",
    unit: "hand-overs",
    labels: ["filter", "result"],
    help: "States that a version of a filter has saved, and what became of them, by result.",
    meaning:
      "States that a version of a filter has [saved for the next one](filters/writing.md#handing-state-to-the-next-version), and what became of them. Each worker hands over its own.",
    series: always(STATE_HANDOVERS.length, "filter"),
  },
  sluice_filter_quarantined: {
    type: "gauge",
    unit: "workers",
    labels: ["filter"],
    help: "Workers that do not call a filter, because it has failed too often.",
    meaning: "Workers in which the filter is [quarantined](filters/failures-of-filters.md#quarantine).",
    series: always(1, "filter"),
  },
  sluice_filter_http_requests_total: {
    type: "counter",
    unit: "requests",
    labels: ["filter", "result"],
    help: "HTTP requests of a filter's own, by result.",
    meaning:
      "HTTP requests of a filter's own, whether or not they were sent. An answer is `ok` whatever its status is. All results have a series once there was a request.",
    series: onceSeen(HTTP_RESULTS.length, "filter"),
  },
  sluice_filter_store_operations_total: {
    type: "counter",
    unit: "operations",
    labels: ["filter", "operation"],
    help: "What a filter has asked of the store and of allowances, by operation.",
    meaning:
      "What a filter has asked of the store, and of allowances (`take`). All operations have a series once there was one.",
    series: onceSeen(STORE_OPERATIONS.length, "filter"),
  },
};

export function filterSamples({ filters }: MeterSnapshot): Samples<FilterMetric> {
  // Most filters want one or two phases: the others would be rows of zeros.
  const phases = filters.flatMap(({ name: filter, calls, work }) =>
    Object.entries(PHASE)
      .map(([phase, index]) => ({
        labels: { filter, phase },
        cells: calls.subarray(index * CALL_CELLS, (index + 1) * CALL_CELLS),
        fuel: work.fuel[index] ?? 0,
      }))
      .filter(({ cells }) => observations(cells) > 0),
  );
  const plain = (of: (filter: FilterSnapshot) => number): Sample[] =>
    filters.map((one) => ({ value: of(one), labels: { filter: one.name } }));
  const table = (
    label: string,
    values: readonly string[],
    of: (filter: FilterSnapshot) => Float64Array,
    shown: (counts: Float64Array) => boolean = () => true,
  ): Sample[] =>
    filters.flatMap((one) => (shown(of(one)) ? byLabel(label, values, of(one), { filter: one.name }) : []));
  return {
    sluice_filter_calls_total: phases.map(({ labels, cells }) => ({ value: observations(cells), labels })),
    sluice_filter_call_duration_seconds: phases.flatMap(({ labels, cells }) =>
      histogram("sluice_filter_call_duration_seconds", labels, CALL_BOUNDS, cells),
    ),
    sluice_filter_decisions_total: table("decision", DECISIONS, ({ work }) => work.decisions),
    sluice_filter_fuel_total: phases.map(({ labels, fuel }) => ({ value: fuel, labels })),
    sluice_filter_failures_total: table("reason", FILTER_FAILURE_REASONS, ({ failures }) => failures),
    sluice_filter_instances: plain(({ instances }) => instances),
    sluice_filter_memory_bytes: plain(({ work }) => work.memoryBytes),
    sluice_filter_wait_seconds: filters.flatMap(({ name: filter, work }) =>
      histogram("sluice_filter_wait_seconds", { filter }, WAIT_BOUNDS, work.waits),
    ),
    sluice_filter_instances_ended_total: table("reason", INSTANCE_ENDS, ({ instanceEnds }) => instanceEnds),
    sluice_filter_handles_leaked_total: plain(({ handlesLeaked }) => handlesLeaked),
    sluice_filter_state_handovers_total: table("result", STATE_HANDOVERS, ({ handovers }) => handovers),
    sluice_filter_quarantined: plain(({ quarantined }) => quarantined),
    // Most filters are granted neither.
    sluice_filter_http_requests_total: table("result", HTTP_RESULTS, ({ work }) => work.requests, isUsed),
    sluice_filter_store_operations_total: table(
      "operation",
      STORE_OPERATIONS,
      ({ work }) => work.stored,
      isUsed,
    ),
  };
}

function isUsed(counts: Float64Array): boolean {
  return counts.some((count) => count > 0);
}
