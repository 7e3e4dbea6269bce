import type { Slo, SloCounts } from "../slo/slo.ts";
import type { Sample } from "./samples.ts";

type SloMetric =
  | "sluice_slo_exchanges_total"
  | "sluice_slo_bad_exchanges_total"
  | "sluice_slo_target_ratio"
  | "sluice_slo_window_seconds";

/** The samples of objectives: what was counted for all that there were, and what is asked by those that there are. */
export function sloSamples(counts: readonly SloCounts[], slos: readonly Slo[]): Record<SloMetric, Sample[]> {
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
