import type { Slo, SloCounts } from "../slo/slo.ts";
import type { Sample } from "./samples.ts";

/** Those of `METRICS` that are about SLOs. */
export const SLO_METRICS = {
  sluice_slo_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["route", "objective"],
    help: "Exchanges that an objective of a route was held against.",
  },
  sluice_slo_bad_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["route", "objective"],
    help: "Exchanges that have missed an objective of a route.",
  },
  sluice_slo_target_ratio: {
    type: "gauge",
    unit: "1",
    labels: ["route", "objective"],
    help: "The share of exchanges that have to keep an objective.",
  },
  sluice_slo_window_seconds: {
    type: "gauge",
    unit: "seconds",
    labels: ["route", "objective"],
    help: "The time over which an objective has to be kept.",
  },
} as const;

/** The samples of objectives: what was counted for all that there were, and what is asked by those that there are. */
export function sloSamples(
  counts: readonly SloCounts[],
  slos: readonly Slo[],
): Record<keyof typeof SLO_METRICS, Sample[]> {
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
