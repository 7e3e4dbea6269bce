import { bodiesOf, type ChainOwner, type ChainRun } from "../chain.ts";
import type { Filter } from "../filter/filter.ts";
import type { ChainMaker } from "../generation.ts";
import type { FieldList } from "../message.ts";
import type { TrialMeter } from "../ops/trial-meter.ts";
import type { Choice } from "./choice.ts";
import { type Shadowed, type TrialChain, TrialRun, type Version } from "./trial-run.ts";

/** A version of a filter that is tried in a worker. */
export interface Tried {
  /** The filter that has the trial. */
  readonly present: Filter;
  readonly meter: TrialMeter;
  /** One of the two. */
  readonly canary: Canary | undefined;
  readonly shadow: Shadowed | undefined;
}

/** What serves a share of exchanges in the place of the present version. */
export interface Canary {
  readonly filter: Filter;
  readonly choice: Choice;
}

/** The trials on a route: which of its filters' versions an exchange passes, all of it through the same ones. */
export class RouteTrial implements ChainMaker {
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
      if (trials[at]?.canary?.choice.candidate(fields, address) === true) chosen |= 1 << at;
    return new TrialRun((this.#chains[chosen] ??= this.#chain(chosen)), owner);
  }

  #chain(chosen: number): TrialChain {
    const placed = this.#filters.map((filter) => {
      const trial = this.#trials.findIndex(({ present }) => present === filter);
      const tried = this.#trials[trial];
      const canary = (chosen & (1 << trial)) !== 0 ? tried?.canary : undefined;
      return { filter: canary?.filter ?? filter, tried, canary };
    });
    const filters = placed.map(({ filter }) => filter);
    const versions = this.#trials.flatMap(({ present, canary }, trial): [string, Version][] =>
      canary === undefined ? [] : [[present.name, (chosen & (1 << trial)) === 0 ? "present" : "candidate"]],
    );
    const shadows = placed.map(({ tried }) => tried?.shadow);
    return {
      filters,
      bodies: bodiesOf(filters),
      sides: placed.map(({ tried, canary }) =>
        canary === undefined ? tried?.meter.present : tried?.meter.candidate,
      ),
      shadows: shadows.some((shadow) => shadow !== undefined) ? shadows : undefined,
      versions: versions.length === 0 ? undefined : Object.fromEntries(versions),
    };
  }
}
