import { type Answer, type Message, WAITING } from "../borrowing.ts";
import { type ChainBodies, type ChainOwner, ChainRun } from "../chain.ts";
import type { ExchangeFacts, Outcome } from "../filter/contract.ts";
import type { Filter } from "../filter/filter.ts";
import type { HeldBody } from "../held-body.ts";
import type { Reply, RequestHead, ResponseHead } from "../message.ts";
import type { DecisionNumber } from "../ops/filter-work.ts";
import type { FilterFailureReason, FilterPhase } from "../ops/meter.ts";
import type { SideMeter } from "../ops/trial-meter.ts";
import type { Taker } from "./taker.ts";
import { Tap, type Tapped } from "./tap.ts";

/** A route's filters as some of its exchanges have them: which versions serve, and where it is counted. */
export interface TrialChain {
  readonly filters: readonly Filter[];
  readonly bodies: ChainBodies;
  /** By place in the chain; undefined where nothing is tried. */
  readonly sides: readonly (SideMeter | undefined)[];
  /** By place in the chain: whose exchanges are recorded, and for whom. Undefined where none is. */
  readonly taken: readonly (TakenPlace | undefined)[] | undefined;
  /** By filter, where there is a choice. */
  readonly versions: Readonly<Record<string, Version>> | undefined;
}

/** A filter whose exchanges somebody wants records of. */
export interface TakenPlace {
  readonly tapped: Tapped;
  /** At least one. */
  readonly takers: readonly Taker[];
}

export type Version = "present" | "candidate";

/** The filters of a route in an exchange, where a version of one of them is tried, or one is recorded. Otherwise there is none of these. */
export class TrialRun extends ChainRun {
  readonly #chain: TrialChain;
  readonly #owner: ChainOwner;
  /** By place in the chain: who wants a record of this exchange. */
  readonly #wanting: readonly (readonly Taker[])[];
  readonly #taps: readonly (Tap | undefined)[];
  /** Once the exchange is over. */
  #outcome: Outcome | undefined;

  constructor(chain: TrialChain, owner: ChainOwner) {
    super(chain.filters, chain.bodies, owner);
    this.#chain = chain;
    this.#owner = owner;
    const { taken } = chain;
    if (taken === undefined) {
      this.#wanting = NONE;
      this.#taps = NONE;
    } else {
      // Nothing is copied for who is behind.
      this.#wanting = taken.map((place) => place?.takers.filter((taker) => taker.wants()) ?? NONE);
      this.#taps = taken.map((place, at) =>
        place === undefined || this.#wanting[at]?.length === 0 ? undefined : new Tap(place.tapped, owner),
      );
    }
  }

  override get versions(): Readonly<Record<string, Version>> | undefined {
    return this.#chain.versions;
  }

  override request(head: RequestHead, length: number): void {
    for (const tap of this.#taps) tap?.requestComes(head, length);
    super.request(head, length);
  }

  override response(head: ResponseHead, length: number): void {
    for (const tap of this.#taps) tap?.responseComes(head, length);
    super.response(head, length);
  }

  override reply(reply: Reply): void {
    for (const tap of this.#taps) tap?.responseComes(reply.head, reply.body.byteLength);
    super.reply(reply);
  }

  override reach(at: number): void {
    super.reach(at);
    this.#taps[at]?.requestIsHere();
  }

  override passed(at: number): void {
    super.passed(at);
    this.#taps[at]?.responseIsHere();
  }

  override call(
    at: number,
    phase: FilterPhase,
    message: Message,
    body: Buffer | HeldBody | undefined,
    last: boolean,
  ): Answer {
    const tap = this.#taps[at];
    if (tap === undefined) return super.call(at, phase, message, body, last);
    if (this.serves(at)) tap.before(phase, message, body, last);
    const answer = super.call(at, phase, message, body, last);
    tap.silence();
    if (answer !== WAITING) tap.after(phase, message, answer);
    return answer;
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
    for (const tap of this.#taps) tap?.ends();
    super.end(outcome);
    this.#chain.taken?.forEach((place, at) => {
      if (place !== undefined && at < this.reached) this.#hand(place, at, outcome);
    });
    this.#outcome = outcome;
  }

  protected override factsOf(at: number): ExchangeFacts {
    return this.#taps[at]?.facts ?? super.factsOf(at);
  }

  protected override called(
    at: number,
    phase: FilterPhase,
    ms: number,
    fuel: number,
    decision: DecisionNumber,
  ): void {
    super.called(at, phase, ms, fuel, decision);
    const side = this.#chain.sides[at];
    if (side !== undefined) side.ms += ms;
  }

  protected override faulted(at: number, reason: FilterFailureReason, error?: unknown): void {
    super.faulted(at, reason, error);
    const tap = this.#taps[at];
    const known = tap?.failure;
    tap?.faulted(reason, error);
    // A call that was waiting when the exchange ended may fail after it.
    if (tap !== undefined && known === undefined && this.#outcome !== undefined)
      for (const taker of this.#wanting[at] ?? NONE) taker.failedLate?.(tap, this.#outcome);
    const side = this.#chain.sides[at];
    if (side === undefined) return;
    if (reason === "busy" || reason === "quarantined") side.uncalled += 1;
    else side.failures += 1;
  }

  #hand({ takers }: TakenPlace, at: number, outcome: Outcome): void {
    const tap = this.#taps[at];
    for (const taker of takers)
      taker.take(this.#wanting[at]?.includes(taker) === true ? tap : undefined, outcome);
  }
}

const NONE: readonly never[] = [];
