import type { SideSnapshot, TrialSnapshot } from "../ops/trial-meter.ts";
import type { RouteBurn } from "../slo/slo.ts";
import { judge, type Verdict } from "./judge.ts";
import type { Candidate, TrialCounts, TrialView } from "./trial.ts";

/** What trials ask of the host, and tell it. */
export interface TrialsOwner {
  /** What all threads have counted. */
  counts(): Promise<readonly TrialSnapshot[]>;
  /** How fast the budgets of the routes burn that a filter is on, as of the last refresh. */
  readonly slos: { refresh(): Promise<void>; burns(filter: string): readonly RouteBurn[] };
  /** A trial has come to its end, well or not: the host makes a generation of it. Asked again when none comes of it. */
  promote(filter: string, why: string): void;
  rollBack(filter: string, why: string): void;
  /** Milliseconds; never goes back. */
  now(): number;
}

/** The trials of the generation that is live, and how the last one of each filter ended. Lives in the main thread. */
export class Trials {
  readonly #owner: TrialsOwner;
  readonly #trials = new Map<string, Trial>();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

  constructor(owner: TrialsOwner) {
    this.#owner = owner;
  }

  /** A generation is live that has these candidates, by filter: trials that it has not are over. */
  watch(candidates: Readonly<Record<string, Candidate>>): void {
    for (const [filter, trial] of this.#trials) {
      if (trial.state === "running" && candidates[filter]?.startedAt !== trial.candidate.startedAt)
        this.ended(filter, ...trial.ending);
    }
    for (const [filter, candidate] of Object.entries(candidates)) {
      if (this.#trials.get(filter)?.state !== "running")
        this.#trials.set(filter, new Trial(candidate, this.#owner.now()));
    }
    const runs = [...this.#trials.values()].some(({ state }) => state === "running");
    if (!runs) this.close();
    else this.#timer ??= setInterval(() => void this.look(), LOOK_MS).unref();
  }

  /** Someone has ended a filter's trial: to be told before `watch` is, which cannot know how. */
  ended(filter: string, state: "promoted" | "rolled-back", why: string): void {
    const trial = this.#trials.get(filter);
    if (trial === undefined || trial.state !== "running") return;
    trial.state = state;
    trial.why = why;
  }

  /** Of the filter's present trial, or of its last one. */
  view(filter: string): TrialView | undefined {
    const trial = this.#trials.get(filter);
    if (trial === undefined) return undefined;
    const { candidate, counts, state, why } = trial;
    return {
      filter,
      request: candidate.trial,
      component: candidate.component,
      digest: candidate.digest,
      startedAt: candidate.startedAt,
      ...counts,
      burns: this.#owner.slos.burns(filter),
      state,
      why,
    };
  }

  /** Of each filter that has a trial or had one, as far as it has come by now. */
  async views(): Promise<readonly TrialView[]> {
    if (this.#trials.size > 0) await this.look();
    return Array.from(this.#trials.keys(), (filter) => this.view(filter) as TrialView);
  }

  /** Asks for the counts and judges. Comes by itself while a trial runs, and never twice at once. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.#owner.slos.refresh();
      const snapshots = await this.#owner.counts();
      for (const snapshot of snapshots) this.#judge(snapshot);
      // One of which nobody has counted anything yet has its time all the same.
      for (const [filter, { candidate, state }] of this.#trials) {
        const counted = snapshots.some(
          (each) => each.filter === filter && each.startedAt === candidate.startedAt,
        );
        if (state === "running" && !counted) this.#decide(filter);
      }
    } finally {
      this.#looking = false;
    }
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #judge({ filter, startedAt, present, candidate, shadow }: TrialSnapshot): void {
    const trial = this.#trials.get(filter);
    if (trial === undefined || trial.candidate.startedAt !== startedAt) return;
    // The last exchanges of a trial that is over end after it.
    trial.counts = { present: countsOf(present), candidate: countsOf(candidate), shadow };
    if (trial.state === "running") this.#decide(filter);
  }

  #decide(filter: string): void {
    const trial = this.#trials.get(filter) as Trial;
    const now = this.#owner.now();
    const verdict = judge(trial.candidate.trial, {
      elapsedMs: now - trial.since,
      ...trial.counts,
      burns: this.#owner.slos.burns(filter),
    });
    if (trial.verdict.kind === "running") trial.verdict = verdict;
    trial.why = trial.verdict.why;
    // What was decided stays decided; a change that was refused is asked for again.
    if (trial.verdict.kind === "running" || now < trial.askAgainAt) return;
    trial.askAgainAt = now + AGAIN_MS;
    if (trial.verdict.kind === "promote") this.#owner.promote(filter, trial.why);
    else this.#owner.rollBack(filter, trial.why);
  }
}

class Trial {
  readonly candidate: Candidate;
  /** When this process began to count. */
  readonly since: number;
  counts: Pick<TrialView, "present" | "candidate" | "shadow">;
  state: TrialView["state"] = "running";
  why = "it has begun";
  verdict: Verdict = { kind: "running", why: "it has begun" };
  askAgainAt = 0;

  constructor(candidate: Candidate, now: number) {
    this.candidate = candidate;
    this.since = now;
    this.counts = { present: NOTHING, candidate: NOTHING, shadow: null };
  }

  /** What it came to when a generation has it no more and nobody has said how. */
  get ending(): ["promoted" | "rolled-back", string] {
    const { kind, why } = this.verdict;
    if (kind === "running") return ["rolled-back", "a generation without it is live"];
    return [kind === "promote" ? "promoted" : "rolled-back", why];
  }
}

function countsOf({ exchanges, failed, failures, ms }: SideSnapshot): TrialCounts {
  return { exchanges, failed, failures, meanMs: exchanges === 0 ? 0 : ms / exchanges };
}

const NOTHING: TrialCounts = { exchanges: 0, failed: 0, failures: 0, meanMs: 0 };

/** How often it is looked at. */
const LOOK_MS = 250;

const AGAIN_MS = 10_000;
