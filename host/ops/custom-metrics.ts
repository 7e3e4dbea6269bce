/** A metric as a filter declares it. */
export interface Declaration {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly name: string;
  readonly help: string;
  /** Label names; values come in their order. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, ascending; empty for the others. */
  readonly bounds: readonly number[];
}

/** WIT `metrics.error`; the last one is a case of its `other`. */
export type MetricFault = "bad-name" | "conflict" | "too-many" | "bad-bounds";

export interface CustomLimits {
  /** Metrics of one filter. */
  readonly metricsMax: number;
  /** Labels of one metric. */
  readonly metricLabelsMax: number;
  /** Series of one metric; further ones are counted together. */
  readonly metricSeriesMax: number;
}

/** What one metric of one filter has counted in a worker. Plain data. */
export interface CustomSnapshot extends Declaration {
  readonly filter: string;
  /** How many series it may have, beside the one of those beyond. */
  readonly seriesMax: number;
  /** A counter and a gauge have one cell, a histogram one per bound, one for what is more, then the sum. */
  readonly series: readonly (readonly [values: readonly string[], cells: Float64Array])[];
}

/** One metric of one filter, for all its instances in a worker. */
export class CustomMetric {
  readonly declaration: Declaration;
  help: string;
  /** Versions of the filter that declare it, of those that are there. */
  uses = 0;
  readonly #seriesMax: number;
  readonly #clean: (text: string) => string;
  readonly #series = new Map<string, { values: readonly string[]; cells: Float64Array }>();

  /** `clean` makes of a label's value what may be shown. */
  constructor(declaration: Declaration, seriesMax: number, clean: (text: string) => string) {
    this.declaration = declaration;
    this.help = declaration.help;
    this.#seriesMax = seriesMax;
    this.#clean = clean;
  }

  /** There are as many values as labels. */
  add(amount: number, values: readonly string[]): void {
    this.#cells(values)[0]! += amount;
  }

  set(value: number, values: readonly string[]): void {
    this.#cells(values)[0] = value;
  }

  observe(value: number, values: readonly string[]): void {
    // One that is no number is in no bucket, and would be the sum for good.
    if (Number.isNaN(value)) return;
    const { bounds } = this.declaration;
    const cells = this.#cells(values);
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1;
    cells[bucket]! += 1;
    if (Number.isFinite(value)) cells[bounds.length + 1]! += value;
  }

  snapshot(filter: string): CustomSnapshot {
    const series = Array.from(this.#series.values(), ({ values, cells }) => [values, cells.slice()] as const);
    return { ...this.declaration, help: this.help, filter, seriesMax: this.#seriesMax, series };
  }

  #cells(values: readonly string[]): Float64Array {
    const key = keyOf(values);
    const series = this.#series.get(key);
    if (series !== undefined) return series.cells;
    if (this.#series.size >= this.#seriesMax && !values.every((value) => value === OTHER))
      return this.#cells(values.map(() => OTHER));
    const { kind, bounds } = this.declaration;
    const cells = new Float64Array(kind === "histogram" ? bounds.length + 2 : 1);
    this.#series.set(key, { values: values.map(this.#clean), cells });
    return cells;
  }
}

/**
 * The metrics that the filters of a worker declare. They belong to a filter's name, not to a version of it: what the next
 * version declares alike goes on counting where the one before has stopped.
 */
export class CustomMetrics {
  /** By filter and name. */
  readonly #metrics = new Map<string, Map<string, CustomMetric>>();

  /** What one version of a filter declares. `clean` makes of a label's value what may be shown. */
  scope(filter: string, limits: CustomLimits, clean: (text: string) => string): MetricScope {
    return new MetricScope((declaration) => this.#declare(filter, declaration, limits, clean));
  }

  snapshot(): CustomSnapshot[] {
    return Array.from(this.#metrics, ([filter, metrics]) =>
      Array.from(metrics.values(), (metric) => metric.snapshot(filter)),
    ).flat();
  }

  #declare(
    filter: string,
    declaration: Declaration,
    limits: CustomLimits,
    clean: (text: string) => string,
  ): CustomMetric | MetricFault {
    const { name } = declaration;
    const present = this.#metrics.get(filter)?.get(name);
    if (present !== undefined && isSame(present.declaration, declaration)) {
      present.help = declaration.help;
      return present;
    }
    // What nobody declares any more gives way; the samples of two metrics must not have one name.
    for (const [other, metrics] of this.#metrics) {
      for (const metric of metrics.values()) {
        const own = other === filter && metric.declaration.name === name;
        if (!own && !clashes(metric.declaration, declaration)) continue;
        if (metric.uses > 0) return "conflict";
        metrics.delete(metric.declaration.name);
      }
    }
    const metrics = this.#metrics.get(filter) ?? new Map<string, CustomMetric>();
    if (!makesRoom(metrics, limits.metricsMax) || !this.#hasRoom()) return "too-many";
    const metric = new CustomMetric(declaration, limits.metricSeriesMax, clean);
    metrics.set(name, metric);
    this.#metrics.set(filter, metrics);
    return metric;
  }

  #hasRoom(): boolean {
    const count = (): number => this.#metrics.values().reduce((sum, { size }) => sum + size, 0);
    if (count() < WORKER_METRICS_MAX) return true;
    for (const [filter, metrics] of this.#metrics) {
      makesRoom(metrics, 0);
      if (metrics.size === 0) this.#metrics.delete(filter);
    }
    return count() < WORKER_METRICS_MAX;
  }
}

/** The metrics of one version of a filter: all its instances declare the same ones. */
export class MetricScope {
  readonly #make: (declaration: Declaration) => CustomMetric | MetricFault;
  readonly #metrics = new Map<string, { readonly metric: CustomMetric; readonly help: string }>();

  constructor(make: (declaration: Declaration) => CustomMetric | MetricFault) {
    this.#make = make;
  }

  declare(declaration: Declaration): CustomMetric | MetricFault {
    const { name, labels, bounds, help } = declaration;
    if (!isName(name, METRIC_NAME) || !labels.every((label) => isLabel(label))) return "bad-name";
    if (new Set(labels).size < labels.length) return "bad-name";
    if (bounds.length > BOUNDS_MAX || !ascends(bounds)) return "bad-bounds";
    const known = this.#metrics.get(name);
    if (known !== undefined)
      return isSame(known.metric.declaration, declaration) && known.help === help ? known.metric : "conflict";
    const metric = this.#make({ ...declaration, help: help.slice(0, HELP_LENGTH_MAX) });
    if (typeof metric === "string") return metric;
    metric.uses += 1;
    this.#metrics.set(name, { metric, help });
    return metric;
  }

  /** The version is no more, or has come to nothing. Its counts stay as long as nobody else needs the name. */
  release(): void {
    for (const { metric } of this.#metrics.values()) metric.uses -= 1;
    this.#metrics.clear();
  }
}

/** The sum of several workers' metrics: gauges too, as the contract has it. Of two that differ the first one counts. */
export function mergedCustom(all: readonly CustomSnapshot[]): CustomSnapshot[] {
  const sums = new Map<
    string,
    { metric: CustomSnapshot; series: Map<string, [readonly string[], Float64Array]> }
  >();
  for (const metric of all) {
    const key = keyOf([metric.filter, metric.name]);
    const sum = sums.get(key) ?? { metric, series: new Map<string, [readonly string[], Float64Array]>() };
    sums.set(key, sum);
    if (!isSame(sum.metric, metric)) continue;
    for (const [values, cells] of metric.series) {
      const other = sum.series.get(keyOf(values));
      sum.series.set(keyOf(values), [
        values,
        other === undefined ? cells : cells.map((value, cell) => value + other[1][cell]!),
      ]);
    }
  }
  return Array.from(sums.values(), ({ metric, series }) => ({ ...metric, series: [...series.values()] }));
}

function makesRoom(metrics: Map<string, CustomMetric>, most: number): boolean {
  for (const [name, { uses }] of metrics) {
    if (metrics.size < Math.max(most, 1)) break;
    if (uses === 0) metrics.delete(name);
  }
  return metrics.size < most;
}

/** But for the help: a better text is no other metric. */
function isSame(one: Declaration, other: Declaration): boolean {
  return (
    one.kind === other.kind &&
    one.labels.join() === other.labels.join() &&
    one.bounds.join() === other.bounds.join()
  );
}

/** Whether samples of both would have the same name and mean different things. */
function clashes(one: Declaration, other: Declaration): boolean {
  if (one.name === other.name) return one.kind !== other.kind;
  return sampleNames(one).some((name) => sampleNames(other).includes(name));
}

/** OpenMetrics calls a counter by its name without `_total`, and its sample with it, whichever it was declared with. */
function sampleNames({ kind, name }: Declaration): string[] {
  const base = name.replace(/_total$/, "");
  if (kind === "counter") return [base, `${base}_total`];
  return kind === "histogram" ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

/** Lengths keep values apart, whatever is in them. */
export function keyOf(values: readonly string[]): string {
  if (values.length === 1) return values[0] as string;
  let key = "";
  for (const value of values) key += `${value.length}:${value}`;
  return key;
}

function isName(text: string, pattern: RegExp): boolean {
  return text.length <= NAME_LENGTH_MAX && pattern.test(text);
}

/** `filter` and `le` are the exposition's own. */
function isLabel(text: string): boolean {
  return isName(text, LABEL_NAME) && !text.startsWith("__") && text !== "filter" && text !== "le";
}

function ascends(bounds: readonly number[]): boolean {
  return bounds.every(
    (bound, index) => Number.isFinite(bound) && (index === 0 || bound > (bounds[index - 1] as number)),
  );
}

const METRIC_NAME = /^[A-Za-z_:][A-Za-z0-9_:]*$/;
const LABEL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The series for all that have no series of their own. */
export const OTHER = "other";

const NAME_LENGTH_MAX = 128;
const HELP_LENGTH_MAX = 512;
const BOUNDS_MAX = 64;

/** Of all filters together. */
const WORKER_METRICS_MAX = 4_096;
