import { bodiesOf, type ChainOwner, type ChainRun } from "../chain.ts";
import type { Filter } from "../filter/filter.ts";
import type { FieldList } from "../message.ts";
import type { TrialMeter } from "../ops/trial-meter.ts";
import type { Choice } from "./choice.ts";
import { type TrialChain, TrialRun, type Version } from "./trial-run.ts";

/** A version of a filter that is tried in a worker. */
export interface Tried {
  /** The filter that has the trial. */
  readonly present: Filter;
  readonly meter: TrialMeter;
  readonly canary: Canary;
}

/** What serves a share of exchanges in the place of the present version. */
export interface Canary {
  readonly filter: Filter;
  readonly choice: Choice;
}

/** The trials on a route: which of its filters' versions an exchange passes, all of it through the same ones. */
export class RouteTrial {
  readonly #filters: readonly Filter[];
  readonly #trials: readonly Tried[];
  /** By the set of the candidates that serve, a bit for each trial: as many as have come up, of 16 at most. */
  readonly #chains: (TrialChain | undefined)[] = [];

  constructor(filters: readonly Filter[], trials: readonly Tried[]) {
    this.#filters = filters;
    this.#trials = trials;
  }

  /** The filters for an exchange that begins. */
  begin(fields: FieldList, address: string, owner: ChainOwner): ChainRun {
    const trials = this.#trials;
    let chosen = 0;
    for (let at = 0; at < trials.length; at++)
      if ((trials[at] as Tried).canary.choice.candidate(fields, address)) chosen |= 1 << at;
    return new TrialRun((this.#chains[chosen] ??= this.#chain(chosen)), owner);
  }

  #chain(chosen: number): TrialChain {
    const tried = this.#filters.map((filter) => this.#trials.findIndex(({ present }) => present === filter));
    const serves = (trial: number): boolean => (chosen & (1 << trial)) !== 0;
    const filters = tried.map((trial, at) =>
      trial >= 0 && serves(trial)
        ? (this.#trials[trial] as Tried).canary.filter
        : (this.#filters[at] as Filter),
    );
    const versions = this.#trials.map(
      ({ present }, trial) =>
        [present.name, serves(trial) ? "candidate" : "present"] satisfies [string, Version],
    );
    return {
      filters,
      bodies: bodiesOf(filters),
      sides: tried.map((trial) => {
        const meter = this.#trials[trial]?.meter;
        return serves(trial) ? meter?.candidate : meter?.present;
      }),
      versions: Object.fromEntries(versions),
    };
  }
}
