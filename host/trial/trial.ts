/** A version of a filter that is tried on live traffic beside the one that serves. */
import type { RouteBurn } from "../slo/slo.ts";
import type { Config, FilterConfig, Json } from "../config/config.ts";

/** What an operator asks for with `sluice swap --canary` or `--shadow`. */
export type TrialRequest = TrialLimits &
  (
    | {
        readonly kind: "canary";
        /** The share of exchanges that the candidate serves, in percent: above 0, below 100. */
        readonly percent: number;
        readonly key: TrialKey;
      }
    | { readonly kind: "shadow" }
  );

/** What keeps an exchange's like on one side: the same value goes to the same version. */
export type TrialKey =
  /** The client's address, hashed with a key that only this trial has; kept nowhere. */
  | { readonly kind: "client" }
  | { readonly kind: "header"; readonly name: string }
  | { readonly kind: "cookie"; readonly name: string }
  /** Each exchange by itself. */
  | { readonly kind: "none" };

/** When a trial ends by itself. */
export interface TrialLimits {
  /** After so long, within the limits, the candidate is promoted; 0: never by itself. */
  readonly forMs: number;
  /** Before so many exchanges of the candidate nothing is promoted, and shares of errors are not judged. */
  readonly exchangesMin: number;
  /** How much larger the candidate's share of failed exchanges (5xx or broken off) may be, in percent of exchanges. */
  readonly errorPercentMax: number;
  /** How often the candidate may fail (trap, fuel, memory, contract) in all. */
  readonly failuresMax: number;
  /** How much longer the candidate's calls may take in one exchange, in the mean. */
  readonly addedMsMax: number;
  /** Of a shadow: the share of exchanges with differences at which it is rolled back, in percent. 100: never. */
  readonly differencePercentMax: number;
}

/** How a trial stands. */
export interface TrialView {
  readonly filter: string;
  readonly request: TrialRequest;
  readonly component: string;
  readonly digest: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly present: TrialCounts;
  readonly candidate: TrialCounts;
  /** Of a shadow. */
  readonly shadow: ShadowCounts | null;
  /** Of the objectives of the routes that the filter is on, over five minutes. */
  readonly burns: readonly RouteBurn[];
  /** `running`, or what it came to; a trial that has ended is seen until the next one of its filter. */
  readonly state: "running" | "promoted" | "rolled-back";
  /** One sentence: why it ended, or what it waits for. */
  readonly why: string;
}

/** What exchanges came to, in all workers, since the trial began. */
export interface TrialCounts {
  readonly exchanges: number;
  /** 5xx or broken off for another reason than a client that went away. */
  readonly failed: number;
  /** Failures of the filter itself. */
  readonly failures: number;
  /** Time in the filter's calls, in the mean of an exchange. */
  readonly meanMs: number;
}

export interface ShadowCounts {
  readonly compared: number;
  readonly different: number;
  /** Of the compared ones: those whose bodies were too long to be copied. */
  readonly partly: number;
  /** Copies that were dropped because the shadow was behind. */
  readonly dropped: number;
  /** By kind, in `DIFFERENCE_KINDS`. */
  readonly kinds: Readonly<Record<DifferenceKind, number>>;
  /** The last ones, redacted: names of headers, never values. */
  readonly samples: readonly ShadowSample[];
}

export const DIFFERENCE_KINDS = [
  /** One replied, went on or reset, and the other did not do the same. */
  "decision",
  /** The status of their replies. */
  "status",
  /** Headers of a reply, or edits of a head. */
  "headers",
  /** The path, method or authority that they left. */
  "target",
  "body",
  "trailers",
  /** The candidate failed where the present one did not. */
  "failure",
] as const;

export type DifferenceKind = (typeof DIFFERENCE_KINDS)[number];

export interface ShadowSample {
  /** Unix milliseconds. */
  readonly at: number;
  readonly requestId: string;
  readonly phase: string;
  readonly kind: DifferenceKind;
  /** One sentence, with names of headers and no values. */
  readonly detail: string;
}

/** The candidate of a filter, as a generation has it. It is in no file. */
export interface Candidate {
  readonly component: string;
  readonly digest: string;
  readonly sha256: string | null;
  readonly config: unknown;
  readonly trial: TrialRequest;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** Unlike that of any other trial: what keys are hashed with. */
  readonly salt: string;
}

/** The name that a filter's candidate has in artifacts, metrics and log: no filter of a configuration can have it. */
export function candidateOf(filter: string): string {
  return `${filter}@candidate`;
}

/** A candidate is a filter of its own, with all that the present version may have and do. */
export function asFilter(entry: FilterConfig, { component, sha256, config }: Candidate): FilterConfig {
  return {
    ...entry,
    name: candidateOf(entry.name),
    component,
    sha256,
    config: config as Json,
    candidate: null,
  };
}

/** By filter. */
export function candidatesOf(filters: Config["filters"]): Record<string, Candidate> {
  return Object.fromEntries(
    filters.flatMap(({ name, candidate }) => (candidate === null ? [] : [[name, candidate] as const])),
  );
}

/** The filters of a configuration that have a candidate in the shadow. */
export function shadowsOf({
  filters,
}: Pick<Config, "filters">): { entry: FilterConfig; candidate: Candidate }[] {
  return filters.flatMap((entry) => {
    const { candidate } = entry;
    return candidate?.trial.kind === "shadow" ? [{ entry, candidate }] : [];
  });
}

/** Why a configuration has more trials than there may be; undefined when it has not. */
export function whyTooMany(
  filters: readonly { readonly name: string; readonly candidate: Candidate | null }[],
): string | undefined {
  const tried = filters.filter(({ candidate }) => candidate !== null).map(({ name }) => name);
  if (tried.length <= TRIALS_MAX) return undefined;
  return `at most ${TRIALS_MAX} filters may have a trial at the same time, and ${tried.join(", ")} would be ${tried.length}`;
}

/** Each doubles the number of chains that a route may have. */
export const TRIALS_MAX = 4;

/** When the request leaves them out. */
export const TRIAL_DEFAULTS: TrialLimits = {
  forMs: 600_000,
  exchangesMin: 100,
  errorPercentMax: 1,
  failuresMax: 0,
  addedMsMax: 5,
  differencePercentMax: 100,
};
