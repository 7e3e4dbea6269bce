import { Registry } from "@prometheus-io/client";
import { merged } from "./merge.ts";
import type { MeterSnapshot } from "./meter.ts";
import { customFamilies } from "./custom-samples.ts";
import { samples } from "./samples.ts";
import { newestTrials } from "./trial-meter.ts";

/** Every metric that the host exports. A name is public: dashboards and alerts hold it. docs/metrics.md explains each. */
export const METRICS = {
  sluice_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["route", "status"],
    help: "Exchanges that have ended, by route and by the status that the client was sent.",
  },
  sluice_exchange_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["route"],
    help: "Time from the first byte of a request to the end of its exchange.",
  },
  sluice_exchanges_in_flight: {
    type: "gauge",
    unit: "exchanges",
    labels: [],
    help: "Exchanges that have begun and not ended.",
  },
  sluice_connections_open: {
    type: "gauge",
    unit: "connections",
    labels: [],
    help: "Open connections of clients.",
  },
  sluice_connections_refused_total: {
    type: "counter",
    unit: "connections",
    labels: [],
    help: "Connections of clients that were reset at once, because every worker had as many as it may.",
  },
  sluice_tunnels_open: {
    type: "gauge",
    unit: "tunnels",
    labels: [],
    help: "Exchanges that were upgraded to another protocol and have not ended.",
  },
  sluice_tls_handshake_failures_total: {
    type: "counter",
    unit: "handshakes",
    labels: ["reason"],
    help: "TLS handshakes of clients that came to nothing, by reason.",
  },
  sluice_failures_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["code"],
    help: "Exchanges that ended in a failure, by its code.",
  },
  sluice_filter_calls_total: {
    type: "counter",
    unit: "calls",
    labels: ["filter", "phase"],
    help: "Calls of a filter, by phase, also those that failed.",
  },
  sluice_filter_call_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["filter", "phase"],
    help: "Time that a call of a filter took, by phase.",
  },
  sluice_filter_failures_total: {
    type: "counter",
    unit: "failures",
    labels: ["filter", "reason"],
    help: "Calls of a filter that failed, by reason.",
  },
  sluice_filter_instances: {
    type: "gauge",
    unit: "instances",
    labels: ["filter"],
    help: "Live instances of a filter, in all workers and generations.",
  },
  sluice_filter_instances_ended_total: {
    type: "counter",
    unit: "instances",
    labels: ["filter", "reason"],
    help: "Instances of a filter that have ended, by reason.",
  },
  sluice_filter_handles_leaked_total: {
    type: "counter",
    unit: "handles",
    labels: ["filter"],
    help: "Handles that a filter had not given back when its exchange ended.",
  },
  sluice_filter_state_handovers_total: {
    type: "counter",
    unit: "hand-overs",
    labels: ["filter", "result"],
    help: "States that a version of a filter has saved, and what became of them, by result.",
  },
  sluice_filter_quarantined: {
    type: "gauge",
    unit: "workers",
    labels: ["filter"],
    help: "Workers that do not call a filter, because it has failed too often.",
  },
  sluice_server_tries_total: {
    type: "counter",
    unit: "tries",
    labels: ["upstream", "server"],
    help: "Requests that were sent to a server, or would have been had there been a connection; each try again counts anew.",
  },
  sluice_server_failures_total: {
    type: "counter",
    unit: "tries",
    labels: ["upstream", "server", "reason"],
    help: "Tries at a server that failed, by reason.",
  },
  sluice_server_retries_total: {
    type: "counter",
    unit: "tries",
    labels: ["upstream", "server"],
    help: "Requests that were sent again, by the server that had failed them.",
  },
  sluice_server_ejections_total: {
    type: "counter",
    unit: "ejections",
    labels: ["upstream", "server"],
    help: "How often an address of a server was ejected.",
  },
  sluice_server_health_checks_total: {
    type: "counter",
    unit: "checks",
    labels: ["upstream", "server", "result"],
    help: "Health checks of a server, by result.",
  },
  sluice_server_lookups_total: {
    type: "counter",
    unit: "lookups",
    labels: ["upstream", "server", "result"],
    help: "Lookups of a server's name, by result.",
  },
  sluice_server_addresses: {
    type: "gauge",
    unit: "addresses",
    labels: ["upstream", "server", "state"],
    help: "Addresses of a server in a state, as each worker sees them, all workers added up.",
  },
  sluice_server_requests_in_flight: {
    type: "gauge",
    unit: "requests",
    labels: ["upstream", "server"],
    help: "Requests on connections to a server, upgraded ones among them.",
  },
  sluice_server_requests_pending: {
    type: "gauge",
    unit: "requests",
    labels: ["upstream", "server"],
    help: "Requests that wait for a connection to a server.",
  },
  sluice_server_connections_open: {
    type: "gauge",
    unit: "connections",
    labels: ["upstream", "server"],
    help: "Connections to a server, those of health checks not counted.",
  },
  sluice_trial_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter", "side"],
    help: "Exchanges of a filter's trial that have ended, by the version that served or saw them.",
  },
  sluice_trial_failed_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter", "side"],
    help: "Exchanges of a trial that ended with 5xx or broke off, by version.",
  },
  sluice_trial_filter_failures_total: {
    type: "counter",
    unit: "failures",
    labels: ["filter", "side"],
    help: "Failures of the filter itself in a trial, by version.",
  },
  sluice_trial_uncalled_total: {
    type: "counter",
    unit: "calls",
    labels: ["filter", "side"],
    help: "Calls in a trial that never came about, by version.",
  },
  sluice_trial_call_seconds_total: {
    type: "counter",
    unit: "seconds",
    labels: ["filter", "side"],
    help: "Time in the calls of a filter in a trial, by version.",
  },
  sluice_trial_compared_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter"],
    help: "Exchanges in which a shadow was compared.",
  },
  sluice_trial_different_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter"],
    help: "Exchanges in which a shadow has done something else.",
  },
  sluice_trial_partly_compared_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter"],
    help: "Exchanges of a shadow of which a part was too long to be compared.",
  },
  sluice_trial_dropped_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter"],
    help: "Exchanges that a shadow has not seen, because it was behind.",
  },
  sluice_trial_differences_total: {
    type: "counter",
    unit: "differences",
    labels: ["filter", "kind"],
    help: "Differences of a shadow, by kind.",
  },
  sluice_swaps_total: {
    type: "counter",
    unit: "swaps",
    labels: ["result"],
    help: "Swaps that were asked for, by result.",
  },
  sluice_reloads_total: {
    type: "counter",
    unit: "reloads",
    labels: ["result"],
    help: "Changes of the whole configuration that were asked for, by the API, a signal or the file itself, by result.",
  },
  sluice_config_file_valid: {
    type: "gauge",
    unit: "1",
    labels: [],
    help: "1 when the configuration file was in order when it was last read, 0 when it was refused.",
  },
  sluice_generation: {
    type: "gauge",
    unit: "number",
    labels: [],
    help: "Number of the generation that serves new exchanges.",
  },
  sluice_build_info: {
    type: "gauge",
    unit: "1",
    labels: ["version", "node"],
    help: "Always 1; the labels tell the versions of sluice and of Node.",
  },
  sluice_log_lines_dropped_total: {
    type: "counter",
    unit: "lines",
    labels: [],
    help: "Log lines that were not written: the destination was too slow, or a filter wrote more than its limits allow.",
  },
} as const;

export type MetricName = keyof typeof METRICS;

/** What the main thread knows itself. */
export interface MainFacts {
  readonly version: string;
  readonly generation: number;
  readonly swapsOk: number;
  readonly swapsRefused: number;
  readonly reloadsOk: number;
  readonly reloadsRefused: number;
  readonly fileValid: boolean;
  readonly connectionsRefused: number;
  /** The main thread's own; the workers' come with their snapshots. */
  readonly logLinesDropped: number;
}

/** Adds the workers up and writes Prometheus' text format. Lives in the main thread. */
export class Exposition {
  /** What workers that are no more had counted, so that a replacement never makes a counter go back. */
  #retired: MeterSnapshot | undefined;

  /**
   * Keeps the counts of a worker that has ended; its gauges end with it. To be called once per worker, with its last
   * snapshot that was rendered or a later one, and before a `render` without it.
   */
  retire(snapshot: MeterSnapshot): void {
    this.#retired = withoutGauges(
      this.#retired === undefined ? merged([snapshot]) : merged([this.#retired, snapshot]),
    );
  }

  /** What all workers have counted, with those that are no more. */
  sum(snapshots: readonly MeterSnapshot[]): MeterSnapshot {
    return merged(this.#retired === undefined ? snapshots : [this.#retired, ...snapshots]);
  }

  /** One snapshot per living worker; of one that does not answer, its last. */
  async render(
    snapshots: readonly MeterSnapshot[],
    main: MainFacts,
  ): Promise<{ contentType: string; body: string }> {
    const sum = this.sum(snapshots);
    const values = samples(sum, main);
    const metrics = (Object.keys(METRICS) as MetricName[]).map((name) => {
      const { type, help } = METRICS[name];
      // "first": the library must not add anything up again.
      return { name, type, help, aggregator: "first", values: values[name] };
    });
    // The library's own histograms take one observation at a time; its aggregation takes finished values.
    const registry = Registry.aggregate([[...metrics, ...customFamilies(sum.custom)]]);
    return { contentType: registry.contentType, body: await registry.metrics() };
  }
}

function withoutGauges(snapshot: MeterSnapshot): MeterSnapshot {
  return {
    ...snapshot,
    exchangesInFlight: 0,
    connectionsOpen: 0,
    tunnelsOpen: 0,
    filters: snapshot.filters.map((filter) => ({ ...filter, instances: 0, quarantined: 0 })),
    custom: snapshot.custom.filter(({ kind }) => kind !== "gauge"),
    views: [],
    // Of a filter's trials that are over nobody asks any more.
    trials: newestTrials(snapshot.trials),
  };
}
