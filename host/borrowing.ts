import { Failure } from "./failure.ts";
import {
  type BodyDecision,
  type ChunkDecision,
  type ExchangeFacts,
  FilterFault,
  type Instance,
  type Outcome,
} from "./filter/contract.ts";
import { failureOf, type FilterFailure, faultOf } from "./filter/fault.ts";
import type { Filter } from "./filter/filter.ts";
import { FilterQuarantined } from "./filter/quarantine.ts";
import { HeldBody } from "./held-body.ts";
import type { RequestHead, ResponseHead, Trailers } from "./message.ts";
import { type FilterFailureReason, type FilterPhase, PHASE } from "./ops/meter.ts";
import { DECISION, type DecisionNumber } from "./ops/filter-work.ts";
import { invoke } from "./invocation.ts";
import { changedSince, decisionOf, type Sight, sightOf, type Timeline } from "./timeline.ts";

export interface BorrowingOwner extends ExchangeFacts {
  /** Where somebody wants to know what happens in the exchange. */
  readonly timeline?: Timeline | undefined;
  /** For the log: a filter failed, whatever its policy makes of it. */
  filterFailed(filter: Filter, failure: FilterFailure): void;
}

/** What a call lends. */
export type Message = RequestHead | ResponseHead | Trailers | undefined;

/**
 * What comes of a call. Undefined: the message goes on as it is now. A `Failure` closes the exchange. WAITING: there is no
 * answer yet, and the same call has to be asked for again when `resume` tells so: an instance was not there, or it is at
 * work, for this call or for another one, and waits for something outside.
 */
export type Answer = ChunkDecision | BodyDecision | Failure | typeof WAITING;

export const WAITING: unique symbol = Symbol("waiting");

/**
 * The instances that one exchange has of its filters, and the calls of them: taken at a filter's first phase, given back
 * after its last one. A filter that has failed is not called again.
 */
export abstract class Borrowing {
  protected readonly filters: readonly Filter[];
  protected readonly facts: BorrowingOwner;
  /** How many filters the request has reached. */
  protected reached = 0;
  protected ended = false;
  /** Time in the filters' calls so far. */
  calledMs = 0;
  /** By filter: its instance between its phases; DONE after its last one, or after it failed. */
  readonly #held: (Instance | typeof DONE | undefined)[];
  /** By filter: the phases that may still come. Without bodies the order of phases is plain, and nothing has to be kept. */
  readonly #left: number[] | undefined;
  /** By filter: whose instance is waited for, and for which phases. */
  #waits: Map<number, number> | undefined;
  /** By filter: a call that has not returned, or what came of it until it is asked for. */
  #suspended: Map<number, Suspended> | undefined;
  /** What the filters are told that were at work when the exchange ended. */
  #outcome: Outcome | undefined;

  constructor(filters: readonly Filter[], facts: BorrowingOwner, bodies: boolean) {
    this.filters = filters;
    this.facts = facts;
    this.#held = new Array(filters.length);
    this.#left = bodies ? filters.map(({ phases }) => phases) : undefined;
  }

  /** What these phases (bits) have waited for has come, or is not needed any more: ask again. */
  protected abstract resume(phases: number): void;

  /** A filter's failure closes the exchange, and nobody is there to answer it to. */
  protected abstract failed(at: number, failure: Failure): void;

  /** What an instance of this filter is told of the exchange. */
  protected factsOf(_at: number): ExchangeFacts {
    return this.facts;
  }

  /** A call has returned or failed, after so long. */
  protected called(at: number, phase: FilterPhase, ms: number, fuel: number, decision: DecisionNumber): void {
    this.calledMs += ms;
    const { meter } = this.filters[at] as Filter;
    meter.called(phase, ms / 1000);
    meter.work.called(phase, fuel, decision);
  }

  /** A filter has failed, or could not be called. */
  protected faulted(at: number, reason: FilterFailureReason, _error?: unknown): void {
    (this.filters[at] as Filter).meter.failed(reason);
  }

  /** One call of one filter: `message` is lent; `body` is a chunk, or the whole. */
  call(
    at: number,
    phase: FilterPhase,
    message: Message,
    body: Buffer | HeldBody | undefined,
    last: boolean,
  ): Answer {
    const suspended = this.#suspended?.get(at);
    if (suspended !== undefined) {
      if (suspended.answer === WAITING || suspended.phase !== phase) return this.#queue(at, phase);
      this.#suspended?.delete(at);
      return suspended.answer;
    }
    const held = this.#held[at];
    if (held === DONE) return undefined;
    const filter = this.filters[at] as Filter;
    let instance = held;
    const { timeline } = this.facts;
    const before = timeline === undefined || message === undefined ? undefined : sightOf(message);
    const began = performance.now();
    try {
      if (instance === undefined) {
        instance = filter.pool.take();
        if (instance === undefined) return this.#wait(at, filter, phase);
        instance.open(this.factsOf(at));
      }
      const answer = invoke(instance, phase, message, body, last);
      if (answer instanceof Promise)
        return this.#suspend(at, { filter, phase, instance, message, before, began }, answer);
      const fuel = instance.fuelUsed;
      this.#served(at, filter, phase, instance);
      this.#returned(at, phase, began, fuel, decisionOf(answer), before, message);
      return answer;
    } catch (error) {
      if (instance !== undefined) this.#failedCall(at, phase, instance, began);
      return this.#fault(at, phase, instance, error, began);
    }
  }

  /** A call has returned: its instance is kept for a phase that may follow, or free. */
  #served(at: number, filter: Filter, phase: FilterPhase, instance: Instance): void {
    if (this.#left !== undefined || filter.plan.end || (phase === PHASE.request && filter.plan.response)) {
      this.#held[at] = instance;
    } else {
      instance.close();
      this.#held[at] = DONE;
      filter.pool.give(instance);
    }
  }

  /** The call waits for something outside. Its answer is kept when it has returned, and all that waits asks again. */
  #suspend(at: number, call: Call, late: Promise<Answer>): typeof WAITING {
    const { filter, phase, instance, message, before, began } = call;
    this.#held[at] = instance;
    const suspended: Suspended = { phase, instance, answer: WAITING };
    this.#suspended ??= new Map();
    this.#suspended.set(at, suspended);
    void late
      .then((answer) => {
        const fuel = instance.fuelUsed;
        this.#served(at, filter, phase, instance);
        this.#returned(at, phase, began, fuel, decisionOf(answer), before, message);
        return answer;
      })
      .catch((error: unknown) => {
        this.#failedCall(at, phase, instance, began);
        return this.#fault(at, phase, instance, error, began);
      })
      .then((answer) => this.#resumed(at, suspended, answer));
    return this.#queue(at, phase);
  }

  /** A call has returned: it is counted, and told where somebody wants to know. */
  #returned(
    at: number,
    phase: FilterPhase,
    began: number,
    fuel: number,
    decision: DecisionNumber,
    before?: Sight,
    message?: Message,
  ): void {
    const ms = performance.now() - began;
    this.called(at, phase, ms, fuel, decision);
    const { timeline } = this.facts;
    if (timeline === undefined) return;
    const changed = before === undefined || message === undefined ? NONE : changedSince(before, message);
    timeline.called(this.filters[at] as Filter, phase, began, ms, fuel, decision, null, changed);
  }

  #failedCall(at: number, phase: FilterPhase, instance: Instance, began: number): void {
    this.called(at, phase, performance.now() - began, instance.fuelUsed, DECISION.fail);
  }

  #resumed(at: number, suspended: Suspended, answer: Answer): void {
    suspended.answer = answer;
    const phases = this.#waits?.get(at) ?? 0;
    this.#waits?.delete(at);
    if (this.ended) {
      this.#suspended?.delete(at);
      return this.#settle(at, this.#outcome);
    }
    this.resume(phases);
    // Nobody wants to know it any more, when the message has been answered meanwhile.
    if (this.#suspended?.get(at) === suspended) this.#suspended.delete(at);
  }

  /** A decision of the last call of this filter is one that the contract refuses: the call counts as failed. */
  refuse(at: number, phase: FilterPhase, sentence: string): Failure | undefined {
    const held = this.#held[at];
    if (held === DONE || held === undefined) return undefined;
    const fault = new FilterFault(sentence, "size");
    return this.#fault(at, phase, held, fault, performance.now());
  }

  /** Whether a filter may still be called. */
  serves(at: number): boolean {
    return this.#held[at] !== DONE;
  }

  /** These phases (bits) are over for a filter, or will not come. After its last one its instance is free. */
  over(at: number, phases: number): void {
    const left = this.#left;
    if (left === undefined) return;
    const rest = (left[at] as number) & ~phases;
    left[at] = rest;
    const held = this.#held[at];
    if (rest !== 0 || held === DONE) return;
    this.#held[at] = DONE;
    if (held !== undefined) this.#finish(at, this.filters[at] as Filter, held, undefined);
  }

  /** Gives back what nothing is asked of any more, but for the end; with an outcome that is told, too, and nothing is called after it. */
  protected settle(outcome: Outcome | undefined): void {
    if (outcome !== undefined) this.ended = true;
    for (let at = 0; at < this.filters.length; at++) {
      const suspended = this.#suspended?.get(at);
      if (suspended?.answer === WAITING) {
        // It is told when it has returned, which it does soon now.
        this.#outcome = outcome;
        if (outcome !== undefined) suspended.instance.hurry();
      } else this.#settle(at, outcome);
    }
  }

  #settle(at: number, outcome: Outcome | undefined): void {
    const held = this.#held[at];
    const filter = this.filters[at] as Filter;
    const { end } = filter.plan;
    if (held === DONE || (outcome === undefined && end)) return;
    if (held === undefined && (!end || at >= this.reached)) return;
    this.#held[at] = DONE;
    this.#finish(at, filter, held, outcome);
  }

  #finish(at: number, filter: Filter, held: Instance | undefined, outcome: Outcome | undefined): void {
    let instance = held;
    const began = performance.now();
    try {
      if (instance === undefined) {
        // It wanted nothing but the end. An exchange that is over does not stand in line for it.
        instance = filter.pool.take();
        if (instance === undefined) return this.#uncalled(at, PHASE.end, "busy");
        instance.open(this.factsOf(at));
      }
      if (outcome === undefined || !filter.plan.end) return this.#free(filter, instance);
      const over = instance.onEnd(outcome);
      if (over !== undefined) return this.#finishLate(at, filter, instance, over, began);
      const fuel = instance.fuelUsed;
      this.#free(filter, instance);
      this.#returned(at, PHASE.end, began, fuel, DECISION.pass);
    } catch (error) {
      if (instance !== undefined) this.#failedCall(at, PHASE.end, instance, began);
      this.#fault(at, PHASE.end, instance, error, began);
    }
  }

  #finishLate(at: number, filter: Filter, instance: Instance, over: Promise<void>, began: number): void {
    void over
      .then(() => {
        const fuel = instance.fuelUsed;
        this.#free(filter, instance);
        return this.#returned(at, PHASE.end, began, fuel, DECISION.pass);
      })
      .catch((error: unknown) => {
        this.#failedCall(at, PHASE.end, instance, began);
        this.#fault(at, PHASE.end, instance, error, began);
      });
  }

  #free(filter: Filter, instance: Instance): void {
    instance.close();
    filter.pool.give(instance);
  }

  /** Both ways of an exchange may wait for the same instance: one of them stands in line for both. */
  #wait(at: number, filter: Filter, phase: FilterPhase): typeof WAITING {
    if (this.#waits?.has(at) !== true)
      filter.pool.wait({ granted: (instance) => this.#granted(at, phase, instance) });
    return this.#queue(at, phase);
  }

  #queue(at: number, phase: FilterPhase): typeof WAITING {
    this.#waits ??= new Map();
    this.#waits.set(at, (this.#waits.get(at) ?? 0) | (1 << phase));
    return WAITING;
  }

  #granted(at: number, phase: FilterPhase, instance: Instance | undefined): void {
    const phases = this.#waits?.get(at) ?? 0;
    this.#waits?.delete(at);
    if (this.ended) {
      if (instance !== undefined) (this.filters[at] as Filter).pool.give(instance);
      return;
    }
    const failure = this.#grant(at, phase, instance);
    if (failure === undefined) this.resume(phases);
    else this.failed(at, failure);
  }

  /** Takes the instance that was waited for. A failure closes the exchange. */
  #grant(at: number, phase: FilterPhase, instance: Instance | undefined): Failure | undefined {
    const filter = this.filters[at] as Filter;
    if (instance === undefined) {
      this.#held[at] = DONE;
      this.#uncalled(at, phase, "busy");
      const failure = new Failure("FILTER_BUSY", `${filter.name}: no instance was free in time`);
      this.facts.filterFailed(filter, { reason: "busy", detail: failure.detail });
      return filter.onFailure === "open" ? undefined : failure;
    }
    try {
      instance.open(this.factsOf(at));
      this.#held[at] = instance;
      return undefined;
    } catch (error) {
      return this.#fault(at, phase, instance, error, performance.now());
    }
  }

  /** Ends an instance that a call has broken; without one, the pool could not make any. What it gives closes the exchange. */
  #fault(
    at: number,
    phase: FilterPhase,
    instance: Instance | undefined,
    error: unknown,
    began: number,
  ): Failure | undefined {
    this.#held[at] = DONE;
    const failure = this.#failure(at, phase, instance, error, began);
    return (this.filters[at] as Filter).onFailure === "open" ? undefined : failure;
  }

  #failure(
    at: number,
    phase: FilterPhase,
    instance: Instance | undefined,
    error: unknown,
    began: number,
  ): Failure {
    const filter = this.filters[at] as Filter;
    if (error instanceof FilterQuarantined) {
      this.#uncalled(at, phase, "quarantined");
      return new Failure("FILTER_QUARANTINED", `${filter.name}: ${error.message}`);
    }
    const fault = faultOf(error, instance?.lastWords() ?? "", instance?.exhausted);
    const { reason, detail } = fault;
    const fuel = instance?.fuelUsed ?? 0;
    if (instance !== undefined) filter.pool.discard(instance);
    this.faulted(at, reason, error);
    const ms = performance.now() - began;
    this.facts.timeline?.called(filter, phase, began, ms, fuel, DECISION.fail, reason, NONE);
    this.facts.filterFailed(filter, fault);
    return new Failure(failureOf(reason), `${filter.name}: ${detail}`);
  }

  /** A call that cannot be made. */
  #uncalled(at: number, phase: FilterPhase, reason: "busy" | "quarantined"): void {
    const filter = this.filters[at] as Filter;
    this.faulted(at, reason);
    this.facts.timeline?.called(filter, phase, performance.now(), 0, 0, DECISION.fail, reason, NONE);
  }
}

/** A call that waits for something outside. */
interface Call {
  readonly filter: Filter;
  readonly phase: FilterPhase;
  readonly instance: Instance;
  readonly message: Message;
  readonly before: Sight | undefined;
  readonly began: number;
}

/** A call that has begun. */
interface Suspended {
  readonly phase: FilterPhase;
  readonly instance: Instance;
  /** WAITING until it has returned. */
  answer: Answer;
}

const DONE: unique symbol = Symbol("done");

const NONE: readonly string[] = [];
