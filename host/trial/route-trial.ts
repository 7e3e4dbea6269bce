import { bodiesOf, type ChainOwner, type ChainRun } from "../chain.ts";
import type { ClientAddress } from "../client-address.ts";
import type { Filter } from "../filter/filter.ts";
import type { ChainMaker } from "../generation.ts";
import type { FieldList } from "../message.ts";
import type { TrialMeter } from "../ops/trial-meter.ts";
import type { Choice } from "./choice.ts";
import type { Taker } from "./taker.ts";
import type { Tapped } from "./tap.ts";
import { type TakenPlace, type TrialChain, TrialRun, type Version } from "./trial-run.ts";

/** A version of a filter that is tried in a worker. */
export interface Tried {
  /** The filter that has the trial. */
  readonly present: Filter;
  readonly meter: TrialMeter;
  /** What serves instead in a share of exchanges; undefined for a shadow. */
  readonly canary: Canary | undefined;
}

/** What serves a share of exchanges in the place of the present version. */
export interface Canary {
  readonly filter: Filter;
  readonly choice: Choice;
}

/** A filter of which somebody wants records. */
export interface Taken {
  readonly tapped: Tapped;
  readonly taker: Taker;
}

/** The trials on a route, and who records its exchanges: which of its filters' versions one passes, all of it through the same ones. */
export class RouteTrial implements ChainMaker {
  readonly #filters: readonly Filter[];
  readonly #trials: readonly Tried[];
  readonly #taken: readonly Taken[];
  /** By the set of the candidates that serve, a bit for each trial: as many as have come up, of 16 at most. */
  readonly #chains: (TrialChain | undefined)[] = [];

  private constructor(filters: readonly Filter[], trials: readonly Tried[], taken: readonly Taken[]) {
    this.#filters = filters;
    this.#trials = trials;
    this.#taken = taken;
  }

  /** Undefined where nothing is tried and nothing recorded, so that exchanges need none of this. */
  static of(
    filters: readonly Filter[],
    trials: readonly Tried[],
    taken: readonly Taken[],
  ): RouteTrial | undefined {
    const own = trials.filter(({ present }) => filters.includes(present));
    const served = [...filters, ...own.flatMap(({ canary }) => canary?.filter ?? [])];
    const ofRoute = taken.filter(({ tapped }) => served.includes(tapped.filter));
    if (own.length === 0 && ofRoute.length === 0) return undefined;
    return new RouteTrial(filters, own, ofRoute);
  }

  /** The same, with one more who records the exchanges that begin from now on. */
  with(taken: Taken): RouteTrial {
    return new RouteTrial(this.#filters, this.#trials, [...this.#taken, taken]);
  }

  /** The same without it, or undefined when nobody is left. */
  without(taker: Taker): RouteTrial | undefined {
    const left = this.#taken.filter((taken) => taken.taker !== taker);
    return RouteTrial.of(this.#filters, this.#trials, left);
  }

  /** The filters for an exchange that begins. */
  begin(fields: FieldList, address: ClientAddress, owner: ChainOwner): ChainRun {
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
    const taken = filters.map((filter) => this.#place(filter));
    return {
      filters,
      bodies: bodiesOf(filters),
      sides: placed.map(({ tried, canary }) =>
        canary === undefined ? tried?.meter.present : tried?.meter.candidate,
      ),
      taken: taken.some((place) => place !== undefined) ? taken : undefined,
      versions: versions.length === 0 ? undefined : Object.fromEntries(versions),
    };
  }

  #place(filter: Filter): TakenPlace | undefined {
    const of = this.#taken.filter(({ tapped }) => tapped.filter === filter);
    const [first] = of;
    return first && { tapped: first.tapped, takers: of.map(({ taker }) => taker) };
  }
}
