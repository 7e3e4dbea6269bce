import { DIFFERENCE_KINDS, type ShadowCounts } from "../trial/trial.ts";
import type { MeterSnapshot } from "./meter.ts";
import { always, type Metric } from "./metric.ts";
import type { Sample, Samples } from "./sample.ts";
import { newestTrials, type SideSnapshot } from "./trial-meter.ts";

export type TrialMetric =
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

export const TRIAL_METRICS: Readonly<Record<TrialMetric, Metric>> = {
  sluice_trial_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter", "side"],
    help: "Exchanges of a filter's trial that have ended, by the version that served or saw them.",
    meaning:
      "Exchanges of a filter's [trial](trials.md) that have ended, by the version that served them (`present`, `candidate`); of a shadow, those that the candidate has seen.",
    series: always(2, "trial"),
  },
  sluice_trial_failed_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter", "side"],
    help: "Exchanges of a trial that ended with 5xx or broke off, by version.",
    meaning:
      "Of these: those that ended with 5xx, or broke off for another reason than a client that went away.",
    series: always(2, "trial"),
  },
  sluice_trial_filter_failures_total: {
    type: "counter",
    unit: "failures",
    labels: ["filter", "side"],
    help: "Failures of the filter itself in a trial, by version.",
    meaning: "Failures of the filter itself: `trap`, `fuel` and the like, but for `busy` and `quarantined`.",
    series: always(2, "trial"),
  },
  sluice_trial_uncalled_total: {
    type: "counter",
    unit: "calls",
    labels: ["filter", "side"],
    help: "Calls in a trial that never came about, by version.",
    meaning: "Calls that never came about: `busy` and `quarantined`.",
    series: always(2, "trial"),
  },
  sluice_trial_call_seconds_total: {
    type: "counter",
    unit: "seconds",
    labels: ["filter", "side"],
    help: "Time in the calls of a filter in a trial, by version.",
    meaning: "Time in the filter's calls.",
    series: always(2, "trial"),
  },
  sluice_trial_compared_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter"],
    help: "Exchanges in which a shadow was compared.",
    meaning: "Exchanges in which a shadow was compared with the present version.",
    series: always(1, "shadow"),
  },
  sluice_trial_different_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter"],
    help: "Exchanges in which a shadow has done something else.",
    meaning: "Of these: those in which it has done something else.",
    series: always(1, "shadow"),
  },
  sluice_trial_partly_compared_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter"],
    help: "Exchanges of a shadow of which a part was too long to be compared.",
    meaning: "Of the compared: those of which a body was too long to be copied.",
    series: always(1, "shadow"),
  },
  sluice_trial_dropped_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["filter"],
    help: "Exchanges that a shadow has not seen, because it was behind.",
    meaning: "Exchanges that the shadow has not seen, because it was behind.",
    series: always(1, "shadow"),
  },
  sluice_trial_differences_total: {
    type: "counter",
    unit: "differences",
    labels: ["filter", "kind"],
    help: "Differences of a shadow, by kind.",
    meaning: "Differences by [kind](trials.md#what-is-compared); one exchange may have several.",
    series: always(DIFFERENCE_KINDS.length, "shadow"),
  },
};

/** The samples of trials: of each filter the newest one. */
export function trialSamples(all: MeterSnapshot): Samples<TrialMetric> {
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
