import {
  CALL_BOUNDS,
  CALL_CELLS,
  EXCHANGE_BOUNDS,
  FILTER_FAILURE_REASONS,
  INSTANCE_ENDS,
  type MeterSnapshot,
  PHASE,
  STATE_HANDOVERS,
} from "./meter.ts";
import type { MainFacts, MetricName } from "./metrics.ts";
import { serverSamples } from "./server-samples.ts";
import { trialSamples } from "./trial-samples.ts";

/** One sample, in the shape that the client library aggregates. */
export interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Set for the parts of a histogram, whose names have suffixes. */
  readonly metricName?: string;
}

/** The samples of every metric. */
export function samples(all: MeterSnapshot, main: MainFacts): Record<MetricName, Sample[]> {
  return {
    ...exchangeSamples(all),
    ...filterSamples(all),
    ...serverSamples(all),
    ...trialSamples(all),
    ...mainSamples(all, main),
  };
}

type Samples<Name extends MetricName> = Record<Name, Sample[]>;

function exchangeSamples(
  all: MeterSnapshot,
): Samples<
  | "sluice_exchanges_total"
  | "sluice_exchange_duration_seconds"
  | "sluice_exchanges_in_flight"
  | "sluice_connections_open"
  | "sluice_tunnels_open"
  | "sluice_tls_handshake_failures_total"
  | "sluice_failures_total"
> {
  return {
    sluice_exchanges_total: all.routes.flatMap(({ name: route, statuses }) =>
      statuses.map(([status, value]) => ({
        value,
        labels: { route, status: status === 0 ? "none" : status },
      })),
    ),
    sluice_exchange_duration_seconds: all.routes.flatMap(({ name: route, durations }) =>
      histogram("sluice_exchange_duration_seconds", { route }, EXCHANGE_BOUNDS, durations),
    ),
    sluice_exchanges_in_flight: [single(all.exchangesInFlight)],
    sluice_connections_open: [single(all.connectionsOpen)],
    sluice_tunnels_open: [single(all.tunnelsOpen)],
    sluice_tls_handshake_failures_total: all.handshakeFailures.map(([reason, value]) => ({
      value,
      labels: { reason },
    })),
    sluice_failures_total: all.failures.map(([code, value]) => ({ value, labels: { code } })),
  };
}

function filterSamples(
  all: MeterSnapshot,
): Samples<
  | "sluice_filter_calls_total"
  | "sluice_filter_call_duration_seconds"
  | "sluice_filter_failures_total"
  | "sluice_filter_instances"
  | "sluice_filter_instances_ended_total"
  | "sluice_filter_handles_leaked_total"
  | "sluice_filter_state_handovers_total"
  | "sluice_filter_quarantined"
> {
  // Most filters want one or two phases: the others would be rows of zeros.
  const phases = all.filters.flatMap(({ name: filter, calls }) =>
    Object.entries(PHASE)
      .map(([phase, index]) => ({
        labels: { filter, phase },
        cells: calls.subarray(index * CALL_CELLS, (index + 1) * CALL_CELLS),
      }))
      .filter(({ cells }) => observations(cells) > 0),
  );
  return {
    sluice_filter_calls_total: phases.map(({ labels, cells }) => ({ value: observations(cells), labels })),
    sluice_filter_call_duration_seconds: phases.flatMap(({ labels, cells }) =>
      histogram("sluice_filter_call_duration_seconds", labels, CALL_BOUNDS, cells),
    ),
    sluice_filter_failures_total: all.filters.flatMap(({ name: filter, failures }) =>
      FILTER_FAILURE_REASONS.map((reason, index) => ({
        value: failures[index] ?? 0,
        labels: { filter, reason },
      })),
    ),
    sluice_filter_instances: all.filters.map(({ name: filter, instances }) => ({
      value: instances,
      labels: { filter },
    })),
    sluice_filter_instances_ended_total: all.filters.flatMap(({ name: filter, instanceEnds }) =>
      INSTANCE_ENDS.map((reason, index) => ({ value: instanceEnds[index] ?? 0, labels: { filter, reason } })),
    ),
    sluice_filter_handles_leaked_total: all.filters.map(({ name: filter, handlesLeaked }) => ({
      value: handlesLeaked,
      labels: { filter },
    })),
    sluice_filter_state_handovers_total: all.filters.flatMap(({ name: filter, handovers }) =>
      STATE_HANDOVERS.map((result, index) => ({ value: handovers[index] ?? 0, labels: { filter, result } })),
    ),
    sluice_filter_quarantined: all.filters.map(({ name: filter, quarantined }) => ({
      value: quarantined,
      labels: { filter },
    })),
  };
}

function mainSamples(
  all: MeterSnapshot,
  main: MainFacts,
): Samples<
  | "sluice_connections_refused_total"
  | "sluice_swaps_total"
  | "sluice_reloads_total"
  | "sluice_config_file_valid"
  | "sluice_generation"
  | "sluice_build_info"
  | "sluice_log_lines_dropped_total"
  | "sluice_spans_total"
> {
  return {
    sluice_connections_refused_total: [single(main.connectionsRefused)],
    sluice_swaps_total: [
      { value: main.swapsOk, labels: { result: "ok" } },
      { value: main.swapsRefused, labels: { result: "refused" } },
    ],
    sluice_reloads_total: [
      { value: main.reloadsOk, labels: { result: "ok" } },
      { value: main.reloadsRefused, labels: { result: "refused" } },
    ],
    sluice_config_file_valid: [single(main.fileValid ? 1 : 0)],
    sluice_generation: [single(main.generation)],
    sluice_build_info: [{ value: 1, labels: { version: main.version, node: process.versions.node } }],
    sluice_log_lines_dropped_total: [single(all.logLinesDropped + main.logLinesDropped)],
    sluice_spans_total: Object.entries(main.spans).map(([result, value]) => ({ value, labels: { result } })),
  };
}

function single(value: number): Sample {
  return { value, labels: {} };
}

/** Cells count each bucket alone; the format wants each bucket to contain those before it. */
export function histogram(
  name: string,
  labels: Record<string, string>,
  bounds: readonly number[],
  cells: Float64Array,
): Sample[] {
  let count = 0;
  const buckets = [...bounds, "+Inf"].map((le, bucket) => {
    count += cells[bucket] ?? 0;
    return { metricName: `${name}_bucket`, value: count, labels: { ...labels, le } };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, value: cells[bounds.length + 1] ?? 0, labels },
    { metricName: `${name}_count`, value: count, labels },
  ];
}

/** All cells but the last, which is the sum of the values. */
function observations(cells: Float64Array): number {
  return cells.subarray(0, -1).reduce((total, count) => total + count, 0);
}
