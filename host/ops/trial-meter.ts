import {
  DIFFERENCE_KINDS,
  type DifferenceKind,
  type ShadowCounts,
  type ShadowSample,
} from "../trial/trial.ts";

/** What was counted of one trial, by one thread or by several. Plain data: it crosses threads by structured clone. */
export interface TrialSnapshot {
  readonly filter: string;
  /** Tells it from other trials of the same filter. Unix milliseconds. */
  readonly startedAt: number;
  readonly present: SideSnapshot;
  readonly candidate: SideSnapshot;
  /** Null for a canary. */
  readonly shadow: ShadowCounts | null;
}

/** What one of the two versions has done. */
export interface SideSnapshot {
  /** That came by it and have ended. */
  readonly exchanges: number;
  /** Of those: 5xx, or broken off for another reason than a client that went away. */
  readonly failed: number;
  /** Failures of its own. */
  readonly failures: number;
  /** Calls that never came about: no instance was free, or it is quarantined. */
  readonly uncalled: number;
  /** In its calls. */
  readonly ms: number;
}

/** The counters of one trial in one thread. The path increments the public fields itself. */
export class TrialMeter {
  readonly filter: string;
  readonly startedAt: number;
  readonly present: SideMeter = newSide();
  readonly candidate: SideMeter = newSide();
  readonly shadow: ShadowMeter | undefined;

  constructor(filter: string, startedAt: number, shadow: boolean) {
    this.filter = filter;
    this.startedAt = startedAt;
    this.shadow = shadow ? new ShadowMeter() : undefined;
  }

  snapshot(): TrialSnapshot {
    return {
      filter: this.filter,
      startedAt: this.startedAt,
      present: { ...this.present },
      candidate: { ...this.candidate },
      shadow: this.shadow?.snapshot() ?? null,
    };
  }
}

export type SideMeter = { -readonly [Count in keyof SideSnapshot]: number };

function newSide(): SideMeter {
  return { exchanges: 0, failed: 0, failures: 0, uncalled: 0, ms: 0 };
}

export class ShadowMeter {
  compared = 0;
  different = 0;
  partly = 0;
  dropped = 0;
  readonly #kinds: Record<DifferenceKind, number> = noKinds();
  readonly #samples: ShadowSample[] = [];

  differs(sample: ShadowSample): void {
    this.#kinds[sample.kind] += 1;
    this.#samples.push(sample);
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  snapshot(): ShadowCounts {
    const { compared, different, partly, dropped } = this;
    return { compared, different, partly, dropped, kinds: { ...this.#kinds }, samples: [...this.#samples] };
  }
}

/** The sum of two snapshots of the same trial. */
export function addTrials(one: TrialSnapshot, other: TrialSnapshot): TrialSnapshot {
  return {
    filter: one.filter,
    startedAt: one.startedAt,
    present: addSides(one.present, other.present),
    candidate: addSides(one.candidate, other.candidate),
    shadow: one.shadow === null || other.shadow === null ? null : addShadows(one.shadow, other.shadow),
  };
}

/** Names in a key have no space. */
export function trialKey({ filter, startedAt }: { filter: string; startedAt: number }): string {
  return `${filter} ${startedAt}`;
}

/** Of each filter's trials the newest: what metrics and views are about. */
export function newestTrials(trials: readonly TrialSnapshot[]): TrialSnapshot[] {
  const newest = new Map<string, TrialSnapshot>();
  for (const trial of trials) {
    const other = newest.get(trial.filter);
    if (other === undefined || other.startedAt <= trial.startedAt) newest.set(trial.filter, trial);
  }
  return [...newest.values()];
}

function addSides(one: SideSnapshot, other: SideSnapshot): SideSnapshot {
  return {
    exchanges: one.exchanges + other.exchanges,
    failed: one.failed + other.failed,
    failures: one.failures + other.failures,
    uncalled: one.uncalled + other.uncalled,
    ms: one.ms + other.ms,
  };
}

function addShadows(one: ShadowCounts, other: ShadowCounts): ShadowCounts {
  const kinds = noKinds();
  for (const kind of DIFFERENCE_KINDS) kinds[kind] = one.kinds[kind] + other.kinds[kind];
  return {
    compared: one.compared + other.compared,
    different: one.different + other.different,
    partly: one.partly + other.partly,
    dropped: one.dropped + other.dropped,
    kinds,
    samples: [...one.samples, ...other.samples].toSorted((a, b) => a.at - b.at).slice(-SAMPLES_MAX),
  };
}

function noKinds(): Record<DifferenceKind, number> {
  return { decision: 0, status: 0, headers: 0, target: 0, body: 0, trailers: 0, failure: 0 };
}

const SAMPLES_MAX = 20;
