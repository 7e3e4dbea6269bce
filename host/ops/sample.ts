import type { Exemplar } from "./route-meter.ts";

/** One sample, in the shape that the client library exports. */
export interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Set for the parts of a histogram, whose names have suffixes. */
  readonly metricName?: string;
  /** Timestamps are Unix seconds. */
  readonly exemplar?: {
    readonly labelSet: Readonly<Record<string, string>>;
    readonly value: number;
    readonly timestamp: number;
  };
}

/** Those of several metrics. */
export type Samples<Name extends string> = Record<Name, Sample[]>;

export function single(value: number): Sample {
  return { value, labels: {} };
}

/** One sample for each value of a label, all of them from the start. */
export function byLabel(
  label: string,
  values: readonly string[],
  counts: Float64Array,
  labels: Readonly<Record<string, string>> = {},
): Sample[] {
  return values.map((value, at) => ({ value: counts[at] ?? 0, labels: { ...labels, [label]: value } }));
}

/** Cells count each bucket alone; the format wants each bucket to contain those before it. */
export function histogram(
  name: string,
  labels: Readonly<Record<string, string>>,
  bounds: readonly number[],
  cells: Float64Array,
  exemplars: readonly (Exemplar | undefined)[] = [],
): Sample[] {
  let count = 0;
  const buckets = [...bounds, "+Inf"].map((le, bucket) => {
    count += cells[bucket] ?? 0;
    const sample = { metricName: `${name}_bucket`, value: count, labels: { ...labels, le } };
    const exemplar = exemplars[bucket];
    return exemplar === undefined ? sample : { ...sample, exemplar: shown(exemplar) };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, value: cells[bounds.length + 1] ?? 0, labels },
    { metricName: `${name}_count`, value: count, labels },
  ];
}

/** All cells but the last, which is the sum of the values. */
export function observations(cells: Float64Array): number {
  return cells.subarray(0, -1).reduce((total, count) => total + count, 0);
}

function shown({ requestId, traceId, seconds, at }: Exemplar): NonNullable<Sample["exemplar"]> {
  return {
    labelSet: { request_id: requestId, ...(traceId !== undefined && { trace_id: traceId }) },
    value: seconds,
    timestamp: at / 1_000,
  };
}
