import { type ChainBodies, type ChainOwner, ChainRun } from "../chain.ts";
import type { Outcome } from "../filter/contract.ts";
import type { Filter } from "../filter/filter.ts";
import type { FilterFailureReason, FilterPhase } from "../ops/meter.ts";
import type { SideMeter } from "../ops/trial-meter.ts";

/** A route's filters as some of its exchanges have them: which versions serve, and where it is counted. */
export interface TrialChain {
  readonly filters: readonly Filter[];
  readonly bodies: ChainBodies;
  /** By place in the chain; undefined where nothing is tried. */
  readonly sides: readonly (SideMeter | undefined)[];
  /** By filter, where there is a choice. */
  readonly versions: Readonly<Record<string, Version>> | undefined;
}

export type Version = "present" | "candidate";

/** The filters of a route in an exchange, where a version of one of them is tried. Without a trial there is none of these. */
export class TrialRun extends ChainRun {
  readonly #chain: TrialChain;
  readonly #owner: ChainOwner;

  constructor(chain: TrialChain, owner: ChainOwner) {
    super(chain.filters, chain.bodies, owner);
    this.#chain = chain;
    this.#owner = owner;
  }

  override get versions(): Readonly<Record<string, Version>> | undefined {
    return this.#chain.versions;
  }

  override end(outcome: Outcome): void {
    const failed = outcome.status >= 500 || (!this.#owner.whole && outcome.ending !== "client-gone");
    const { sides } = this.#chain;
    for (let at = 0; at < this.reached; at++) {
      const side = sides[at];
      // A filter that stands in a chain twice has one exchange all the same.
      if (side === undefined || sides.indexOf(side) < at) continue;
      side.exchanges += 1;
      if (failed) side.failed += 1;
    }
    super.end(outcome);
  }

  protected override called(at: number, phase: FilterPhase, ms: number): void {
    super.called(at, phase, ms);
    const side = this.#chain.sides[at];
    if (side !== undefined) side.ms += ms;
  }

  protected override faulted(at: number, reason: FilterFailureReason): void {
    super.faulted(at, reason);
    const side = this.#chain.sides[at];
    if (side === undefined) return;
    if (reason === "busy" || reason === "quarantined") side.uncalled += 1;
    else side.failures += 1;
  }
}
