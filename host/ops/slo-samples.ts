import type { Slo, SloCounts } from "../slo/slo.ts";
import { always, type Metric } from "./metric.ts";
import type { Sample, Samples } from "./sample.ts";

export type SloMetric =
  | "sluice_slo_exchanges_total"
  | "sluice_slo_bad_exchanges_total"
  | "sluice_slo_target_ratio"
  | "sluice_slo_window_seconds";

const LABELS = ["route", "objective"] as const;

export const SLO_METRICS: Readonly<Record<SloMetric, Metric>> = {
  sluice_slo_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: LABELS,
    help: "Exchanges that an objective of a route was held against.",
    meaning: "Exchanges that an [objective](slo.md#what-is-counted) of the route was held against.",
    series: always(1, "objective"),
  },
  sluice_slo_bad_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: LABELS,
    help: "Exchanges that have missed an objective of a route.",
    series: always(1, "objective"),
  },
  sluice_slo_target_ratio: {
    type: "gauge",
    unit: "1",
    labels: LABELS,
    help: "The share of exchanges that have to keep an objective.",
    meaning: "The share of exchanges that have to keep the objective: 0.999 is 99.9 %.",
    series: always(1, "objective"),
  },
  sluice_slo_window_seconds: {
    type: "gauge",
    unit: "seconds",
    labels: LABELS,
    help: "The time over which an objective has to be kept.",
    series: always(1, "objective"),
  },
};

/** The samples of objectives: what was counted for all that there were, and what is asked by those that there are. */
export function sloSamples(counts: readonly SloCounts[], slos: readonly Slo[]): Samples<SloMetric> {
  const counted = (of: (one: SloCounts) => number): Sample[] =>
    counts.map((one) => ({ value: of(one), labels: { route: one.route, objective: one.objective } }));
  const asked = (of: (one: Slo) => number): Sample[] =>
    slos.map((one) => ({ value: of(one), labels: { route: one.route, objective: one.objective } }));
  return {
    sluice_slo_exchanges_total: counted(({ exchanges }) => exchanges),
    sluice_slo_bad_exchanges_total: counted(({ bad }) => bad),
    sluice_slo_target_ratio: asked(({ target }) => target),
    sluice_slo_window_seconds: asked(({ windowMs }) => windowMs / 1_000),
  };
}
