import { FAST_BURN, type RouteBurn } from "../slo/slo.ts";
import type { ShadowCounts, TrialCounts, TrialRequest } from "./trial.ts";

/** What is known of a trial when it is judged. */
export interface Evidence {
  /** Since it began. */
  readonly elapsedMs: number;
  readonly present: TrialCounts;
  readonly candidate: TrialCounts;
  readonly shadow: ShadowCounts | null;
  /** Of the routes that the filter is on. */
  readonly burns: readonly RouteBurn[];
}

export interface Verdict {
  readonly kind: "running" | "promote" | "roll-back";
  /** One sentence: why, or what is waited for. */
  readonly why: string;
}

/**
 * How a trial stands. A candidate that fails more often than it may is rolled back at once; shares and means are looked at from
 * `exchangesMin` exchanges on, since of a few they say nothing. One that has kept all limits for as long as was asked is promoted,
 * unless a route that it is on burns its error budget.
 */
export function judge(request: TrialRequest, evidence: Evidence): Verdict {
  const { candidate } = evidence;
  if (candidate.failures > request.failuresMax) {
    return rollBack(
      `the candidate has failed ${times(candidate.failures)}, and ${request.failuresMax} may be`,
    );
  }
  const enough = candidate.exchanges >= request.exchangesMin;
  const broken = enough ? brokenLimit(request, evidence) : undefined;
  if (broken !== undefined) return rollBack(broken);
  const seen = `${candidate.exchanges} of ${request.exchangesMin} exchanges`;
  if (request.forMs === 0) {
    return running(enough ? "all is within the limits, and an operator decides" : `it has seen ${seen}`);
  }
  const leftMs = request.forMs - evidence.elapsedMs;
  if (leftMs > 0) return running(`it has seen ${seen}, and ${seconds(leftMs)} are left`);
  if (!enough) return rollBack(`after ${seconds(request.forMs)} the candidate has seen no more than ${seen}`);
  // Whether it is the candidate's doing or not: a route in trouble is no place for a change that nobody watches.
  const burning = evidence.burns.find(({ burn }) => burn !== null && burn > FAST_BURN);
  if (burning !== undefined) {
    return running(
      `it waits: route ${burning.route} burns its ${burning.objective} budget ${shown(burning.burn ?? 0)} times as fast as it may, and ${FAST_BURN} times may be`,
    );
  }
  return {
    kind: "promote",
    why: `within all limits for ${seconds(request.forMs)} and ${candidate.exchanges} exchanges`,
  };
}

function brokenLimit(request: TrialRequest, { present, candidate, shadow }: Evidence): string | undefined {
  const errors = percent(candidate.failed, candidate.exchanges);
  const errorsBefore = percent(present.failed, present.exchanges);
  if (errors - errorsBefore > request.errorPercentMax) {
    return `${shown(errors)} % of the candidate's exchanges failed, ${shown(errorsBefore)} % of the present version's, and ${request.errorPercentMax} % more may be`;
  }
  const added = candidate.meanMs - present.meanMs;
  if (added > request.addedMsMax) {
    return `the candidate's calls take ${shown(added)} ms longer in an exchange, and ${request.addedMsMax} ms may be`;
  }
  if (shadow === null) return undefined;
  const different = percent(shadow.different, shadow.compared);
  if (different > request.differencePercentMax) {
    return `the candidate has done something else in ${shown(different)} % of exchanges, and ${request.differencePercentMax} % may be`;
  }
  return undefined;
}

function rollBack(why: string): Verdict {
  return { kind: "roll-back", why };
}

function running(why: string): Verdict {
  return { kind: "running", why };
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : (part / whole) * 100;
}

function shown(number: number): string {
  return String(Math.round(number * 100) / 100);
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1_000)} s`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
