import { type Metric as LibraryMetric, Registry } from "@prometheus-io/client";
import { customFamilies, ShownSeries } from "./custom-samples.ts";
import { exchangeSamples } from "./exchange-samples.ts";
import { filterSamples } from "./filter-samples.ts";
import { hostSamples, type MainFacts } from "./host-samples.ts";
import { merged } from "./merge.ts";
import type { Metric } from "./metric.ts";
import type { MeterSnapshot } from "./meter.ts";
import { type MetricName, METRICS } from "./metrics.ts";
import type { Sample, Samples } from "./sample.ts";
import { serverSamples } from "./server-samples.ts";
import { newestTrials } from "./trial-meter.ts";
import { sloSamples } from "./slo-samples.ts";
import { trialSamples } from "./trial-samples.ts";

/** Prometheus' own text, or OpenMetrics, which has room for exemplars. */
export type ExpositionFormat = "text" | "openmetrics";

/** Adds the workers up and writes Prometheus' text format. Lives in the main thread. */
export class Exposition {
  /** What workers that are no more had counted, so that a replacement never makes a counter go back. */
  #retired: MeterSnapshot | undefined;
  readonly #series = new ShownSeries();

  /**
   * Keeps the counts of a worker that has ended; its gauges end with it. To be called once per worker, with its last
   * snapshot that was rendered or a later one, and before a `render` without it.
   */
  retire(snapshot: MeterSnapshot): void {
    const sum = withoutGauges(
      this.#retired === undefined ? merged([snapshot]) : merged([this.#retired, snapshot]),
    );
    this.#retired = { ...sum, custom: this.#series.bounded(sum.custom) };
  }

  /** What all workers have counted, with those that are no more. */
  sum(snapshots: readonly MeterSnapshot[]): MeterSnapshot {
    return merged(this.#retired === undefined ? snapshots : [this.#retired, ...snapshots]);
  }

  /** One snapshot per living worker; of one that does not answer, its last. */
  async render(
    snapshots: readonly MeterSnapshot[],
    main: MainFacts,
    format: ExpositionFormat = "text",
  ): Promise<{ contentType: string; body: string }> {
    const sum = this.sum(snapshots);
    const values = samples(sum, main);
    const registry = new Registry(
      format === "text" ? Registry.PROMETHEUS_CONTENT_TYPE : Registry.OPENMETRICS_CONTENT_TYPE,
    );
    for (const name of Object.keys(METRICS) as MetricName[]) {
      const { type, help } = METRICS[name];
      register(registry, { name, type, help, values: values[name] });
    }
    this.#series.keep(sum.custom);
    for (const family of customFamilies(this.#series.bounded(sum.custom))) register(registry, family);
    return { contentType: registry.contentType, body: await registry.metrics() };
  }
}

interface Family {
  readonly name: string;
  readonly type: Metric["type"];
  readonly help: string;
  readonly values: readonly Sample[];
}

/** The library's own metrics take one observation at a time; what it writes is whatever `get` gives. */
function register(registry: Registry, family: Family): void {
  const metric = { ...family, get: () => metric };
  registry.registerMetric(metric as unknown as LibraryMetric);
}

function samples(all: MeterSnapshot, main: MainFacts): Samples<MetricName> {
  return {
    ...exchangeSamples(all),
    ...filterSamples(all),
    ...serverSamples(all),
    ...trialSamples(all),
    ...sloSamples(all.slos, main.slos),
    ...hostSamples(all, main),
  };
}

function withoutGauges(snapshot: MeterSnapshot): MeterSnapshot {
  return {
    ...snapshot,
    exchangesInFlight: 0,
    connectionsOpen: 0,
    tunnelsOpen: 0,
    filters: snapshot.filters.map((filter) => ({
      ...filter,
      instances: 0,
      quarantined: 0,
      work: { ...filter.work, memoryBytes: 0 },
    })),
    custom: snapshot.custom.filter(({ kind }) => kind !== "gauge"),
    views: [],
    // Of a filter's trials that are over nobody asks any more.
    trials: newestTrials(snapshot.trials),
  };
}
