import { DIFFERENCE_KINDS, type ShadowCounts } from "../trial/trial.ts";
import type { MeterSnapshot } from "./meter.ts";
import type { Sample } from "./samples.ts";
import { newestTrials, type SideSnapshot } from "./trial-meter.ts";

type TrialMetric =
  | "sluice_trial_exchanges_total"
  | "sluice_trial_failed_exchanges_total"
  | "sluice_trial_filter_failures_total"
  | "sluice_trial_uncalled_total"
  | "sluice_trial_call_seconds_total"
  | "sluice_trial_compared_total"
  | "sluice_trial_different_total"
  | "sluice_trial_partly_compared_total"
  | "sluice_trial_dropped_total"
  | "sluice_trial_differences_total";

/** The samples of trials: of each filter the newest one. */
export function trialSamples(all: MeterSnapshot): Record<TrialMetric, Sample[]> {
  const trials = newestTrials(all.trials);
  const sides = (of: (side: SideSnapshot) => number): Sample[] =>
    trials.flatMap(({ filter, present, candidate }) => [
      { value: of(present), labels: { filter, side: "present" } },
      { value: of(candidate), labels: { filter, side: "candidate" } },
    ]);
  const shadows = trials.flatMap(({ filter, shadow }) => (shadow === null ? [] : [{ filter, shadow }]));
  const counts = (of: (shadow: ShadowCounts) => number): Sample[] =>
    shadows.map(({ filter, shadow }) => ({ value: of(shadow), labels: { filter } }));
  return {
    sluice_trial_exchanges_total: sides(({ exchanges }) => exchanges),
    sluice_trial_failed_exchanges_total: sides(({ failed }) => failed),
    sluice_trial_filter_failures_total: sides(({ failures }) => failures),
    sluice_trial_uncalled_total: sides(({ uncalled }) => uncalled),
    sluice_trial_call_seconds_total: sides(({ ms }) => ms / 1_000),
    sluice_trial_compared_total: counts(({ compared }) => compared),
    sluice_trial_different_total: counts(({ different }) => different),
    sluice_trial_partly_compared_total: counts(({ partly }) => partly),
    sluice_trial_dropped_total: counts(({ dropped }) => dropped),
    sluice_trial_differences_total: shadows.flatMap(({ filter, shadow }) =>
      DIFFERENCE_KINDS.map((kind) => ({ value: shadow.kinds[kind], labels: { filter, kind } })),
    ),
  };
}
