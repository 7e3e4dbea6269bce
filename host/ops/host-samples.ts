import type { Slo } from "../slo/slo.ts";
import { LOOP_BOUNDS } from "./buckets.ts";
import type { MeterSnapshot } from "./meter.ts";
import { always, histogramSeries, type Metric } from "./metric.ts";
import { histogram, type Sample, type Samples, single } from "./sample.ts";

export type HostMetric =
  | "sluice_connections_refused_total"
  | "sluice_worker_restarts_total"
  | "sluice_worker_loop_delay_seconds"
  | "sluice_worker_loop_active_seconds_total"
  | "sluice_worker_loop_idle_seconds_total"
  | "sluice_swaps_total"
  | "sluice_reloads_total"
  | "sluice_config_file_valid"
  | "sluice_generation"
  | "sluice_generations_drained_total"
  | "sluice_draining"
  | "sluice_build_info"
  | "sluice_recorded_exchanges_total"
  | "sluice_capsules_total"
  | "sluice_log_lines_dropped_total";

/** What the main thread knows itself. */
export interface MainFacts {
  readonly version: string;
  readonly generation: number;
  /** Generations of which nothing is left. */
  readonly generationsDrained: number;
  /** The host takes no new connections and waits for the exchanges in flight. */
  readonly draining: boolean;
  readonly swapsOk: number;
  readonly swapsRefused: number;
  readonly reloadsOk: number;
  readonly reloadsRefused: number;
  readonly fileValid: boolean;
  readonly connectionsRefused: number;
  readonly workerRestarts: number;
  /** What the live generation asks of its routes. */
  readonly slos: readonly Slo[];
  readonly recorded: Kept;
  readonly capsules: Kept;
  /** The main thread's own; the workers' come with their snapshots. */
  readonly logLinesDropped: number;
}

/** How much of something was kept, and how much there was no room for. */
export interface Kept {
  readonly written: number;
  readonly dropped: number;
}

const LOOP_LABELS = ["worker"] as const;

export const HOST_METRICS: Readonly<Record<HostMetric, Metric>> = {
  sluice_connections_refused_total: {
    type: "counter",
    unit: "connections",
    labels: [],
    help: "Connections of clients that were reset at once, because every worker had as many as it may.",
    meaning: "Connections of clients that were reset at once: every worker had `limits.connections`.",
    series: always(1),
  },
  sluice_worker_restarts_total: {
    type: "counter",
    unit: "workers",
    labels: [],
    help: "Workers that were lost and replaced.",
    series: always(1),
  },
  sluice_worker_loop_delay_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: LOOP_LABELS,
    help: "How late a timer of a worker's event loop comes, as seen twenty times a second.",
    meaning:
      "How late a timer of the worker's event loop comes, as seen twenty times a second: all else that the worker does comes as late.",
    series: always(histogramSeries(LOOP_BOUNDS), "worker"),
  },
  sluice_worker_loop_active_seconds_total: {
    type: "counter",
    unit: "seconds",
    labels: LOOP_LABELS,
    help: "Time that a worker's event loop was at work.",
    meaning:
      "Time that the worker's event loop was at work. Divided by the sum of this and the next one it is the loop's utilisation.",
    series: always(1, "worker"),
  },
  sluice_worker_loop_idle_seconds_total: {
    type: "counter",
    unit: "seconds",
    labels: LOOP_LABELS,
    help: "Time that a worker's event loop had nothing to do.",
    meaning: "Time that it had nothing to do.",
    series: always(1, "worker"),
  },
  sluice_swaps_total: {
    type: "counter",
    unit: "swaps",
    labels: ["result"],
    help: "Swaps that were asked for, by result.",
    meaning: "Swaps that were asked for: `ok` serves, `refused` has changed nothing.",
    series: always(2),
  },
  sluice_reloads_total: {
    type: "counter",
    unit: "reloads",
    labels: ["result"],
    help: "Changes of the whole configuration that were asked for, by the API, a signal or the file itself, by result.",
    series: always(2),
  },
  sluice_config_file_valid: {
    type: "gauge",
    unit: "1",
    labels: [],
    help: "1 when the configuration file was in order when it was last read, 0 when it was refused.",
    series: always(1),
  },
  sluice_generation: {
    type: "gauge",
    unit: "number",
    labels: [],
    help: "Number of the generation that serves new exchanges.",
    meaning: "The generation that serves new exchanges.",
    series: always(1),
  },
  sluice_generations_drained_total: {
    type: "counter",
    unit: "generations",
    labels: [],
    help: "Generations that were live and of which no exchange and no instance is left.",
    series: always(1),
  },
  sluice_draining: {
    type: "gauge",
    unit: "1",
    labels: [],
    help: "1 when the host takes no new connections and waits for its exchanges to end.",
    series: always(1),
  },
  sluice_build_info: {
    type: "gauge",
    unit: "1",
    labels: ["version", "node"],
    help: "Always 1; the labels tell the versions of sluice and of Node.",
    series: always(1),
  },
  sluice_recorded_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["result"],
    help: "Exchanges that were to be recorded, by result.",
    meaning:
      "Exchanges that [recordings](filters/replay.md#recording) were to have: `written`, or `dropped` because the worker had more of them than it could write down. The latter are told when the recording ends.",
    series: always(2),
  },
  sluice_capsules_total: {
    type: "counter",
    unit: "capsules",
    labels: ["result"],
    help: "Capsules of failures, by result.",
    meaning:
      "[Capsules](filters/replay.md#trap-capsules) that are in their folder (`written`), or could not be kept (`dropped`): one was too long, or the disk refused it.",
    series: always(2),
  },
  sluice_log_lines_dropped_total: {
    type: "counter",
    unit: "lines",
    labels: ["reason"],
    help: "Log lines that were not written, by reason.",
    meaning:
      "Log lines that were not written: the destination was too slow or gone (`destination`), or a filter wrote more than its limits allow (`limit`).",
    series: always(2),
  },
};

export function hostSamples(all: MeterSnapshot, main: MainFacts): Samples<HostMetric> {
  const worker = (place: number): { worker: string } => ({
    worker: place === 0 ? "shadows" : String(place),
  });
  return {
    sluice_connections_refused_total: [single(main.connectionsRefused)],
    sluice_worker_restarts_total: [single(main.workerRestarts)],
    sluice_worker_loop_delay_seconds: all.loops.flatMap(({ place, delays }) =>
      histogram("sluice_worker_loop_delay_seconds", worker(place), LOOP_BOUNDS, delays),
    ),
    sluice_worker_loop_active_seconds_total: all.loops.map(({ place, activeSeconds }) => ({
      value: activeSeconds,
      labels: worker(place),
    })),
    sluice_worker_loop_idle_seconds_total: all.loops.map(({ place, idleSeconds }) => ({
      value: idleSeconds,
      labels: worker(place),
    })),
    sluice_swaps_total: either("result", { ok: main.swapsOk, refused: main.swapsRefused }),
    sluice_reloads_total: either("result", { ok: main.reloadsOk, refused: main.reloadsRefused }),
    sluice_config_file_valid: [single(main.fileValid ? 1 : 0)],
    sluice_generation: [single(main.generation)],
    sluice_generations_drained_total: [single(main.generationsDrained)],
    sluice_draining: [single(main.draining ? 1 : 0)],
    sluice_build_info: [{ value: 1, labels: { version: main.version, node: process.versions.node } }],
    sluice_recorded_exchanges_total: either("result", { ...main.recorded }),
    sluice_capsules_total: either("result", { ...main.capsules }),
    sluice_log_lines_dropped_total: either("reason", {
      destination: main.logLinesDropped,
      limit: all.logLinesDropped,
    }),
  };
}

function either(label: string, counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([key, value]) => ({ value, labels: { [label]: key } }));
}
