import { Failure } from "./failure.ts";
import type { ExchangeFacts, Instance, Outcome } from "./filter/contract.ts";
import { brokeContract, type FilterFailure, faultOf } from "./filter/fault.ts";
import { FilterQuarantined } from "./filter/quarantine.ts";
import type { Filter } from "./filter/filter.ts";
import type { Reply, RequestHead, ResponseHead } from "./message.ts";
import { PHASE } from "./ops/meter.ts";

/** What an exchange is told by its chain: during the call that began a phase, or later when a filter had to be waited for. */
export interface ChainOwner extends ExchangeFacts {
  /** Every filter let the request pass. */
  requestPassed(): void;
  /** Every filter let the response pass. */
  responsePassed(head: ResponseHead): void;
  /** A filter answers in the place of what comes after it. The filters before it have not seen the reply yet. */
  replied(reply: Reply, filter: string): void;
  /** A filter failed, or had no instance in time, and its policy closes the exchange. */
  chainFailed(failure: Failure): void;
  /** For the log: a filter failed, whatever its policy makes of it. */
  filterFailed(filter: Filter, failure: FilterFailure): void;
}

/**
 * The filters of a route in one exchange: requests pass them in order, responses in reverse.
 *
 * Each filter has an instance from its first phase to its last one. A filter that the request did not reach, because an
 * earlier one replied, does not see the response; one that failed is not called again.
 */
export class ChainRun {
  readonly #filters: readonly Filter[];
  readonly #owner: ChainOwner;
  /** By filter: its instance between its phases; DONE after its last one, or after it failed. */
  readonly #held: (Instance | typeof DONE | undefined)[];
  /** How many filters the request has reached. */
  #reached = 0;
  /** How many of them the response has still to pass, from the last to the first. */
  #ahead = 0;
  #ended = false;

  constructor(filters: readonly Filter[], owner: ChainOwner) {
    this.#filters = filters;
    this.#owner = owner;
    this.#held = new Array(filters.length);
  }

  request(head: RequestHead): void {
    const filters = this.#filters;
    while (this.#reached < filters.length) {
      const at = this.#reached;
      const filter = filters[at] as Filter;
      const answer = filter.plan.request ? this.#step(at, filter, PHASE.request, head) : undefined;
      if (answer === WAITING) return;
      this.#reached = at + 1;
      if (answer !== undefined) {
        // Neither the filter that replies nor one that failed sees the response.
        this.#ahead = at;
        return answer instanceof Failure
          ? this.#owner.chainFailed(answer)
          : this.#owner.replied(answer, filter.name);
      }
      this.#ahead = at + 1;
    }
    this.#owner.requestPassed();
  }

  /** Goes on where the last response stopped: a reply passes only the filters that are before its maker. */
  response(head: ResponseHead): void {
    while (this.#ahead > 0) {
      const at = this.#ahead - 1;
      const filter = this.#filters[at] as Filter;
      const answer = filter.plan.response ? this.#step(at, filter, PHASE.response, head) : undefined;
      if (answer === WAITING) return;
      this.#ahead = at;
      if (answer !== undefined) {
        return answer instanceof Failure
          ? this.#owner.chainFailed(answer)
          : this.#owner.replied(answer, filter.name);
      }
    }
    this.#owner.responsePassed(head);
  }

  /** No response will pass: those who wait for nothing else are done, and a tunnel that lasts for hours holds none of them. */
  responseless(): void {
    for (let at = 0; at < this.#reached; at++) {
      const held = this.#held[at];
      const filter = this.#filters[at] as Filter;
      if (held === DONE || held === undefined || filter.plan.end) continue;
      this.#held[at] = DONE;
      this.#finish(filter, held, undefined);
    }
  }

  /** Tells the filters that asked for it, and gives all instances back. Nothing is called after this. */
  end(outcome: Outcome): void {
    this.#ended = true;
    for (let at = 0; at < this.#reached; at++) {
      const held = this.#held[at];
      const filter = this.#filters[at] as Filter;
      if (held === DONE || (held === undefined && !filter.plan.end)) continue;
      this.#held[at] = DONE;
      this.#finish(filter, held, outcome);
    }
  }

  #finish(filter: Filter, held: Instance | undefined, outcome: Outcome | undefined): void {
    let instance = held;
    const began = performance.now();
    try {
      if (instance === undefined) {
        // It wanted nothing but the end. An exchange that is over does not stand in line for it.
        instance = filter.pool.take();
        if (instance === undefined) return filter.meter.failed("busy");
        instance.open(this.#owner);
      }
      if (outcome !== undefined && filter.plan.end) instance.onEnd(outcome);
      instance.close();
      if (outcome !== undefined && filter.plan.end)
        filter.meter.called(PHASE.end, (performance.now() - began) / 1000);
      filter.pool.give(instance);
    } catch (error) {
      this.#fault(filter, instance, error);
    }
  }

  /** One call of one filter. Undefined: the message goes on. */
  #step(
    at: number,
    filter: Filter,
    phase: HeadPhase,
    head: RequestHead | ResponseHead,
  ): Reply | Failure | typeof WAITING | undefined {
    const held = this.#held[at];
    if (held === DONE) return undefined;
    let instance = held;
    const began = performance.now();
    try {
      if (instance === undefined) {
        instance = filter.pool.take();
        if (instance === undefined) return this.#wait(at, filter, phase, head);
        instance.open(this.#owner);
      }
      const reply =
        phase === PHASE.request
          ? instance.onRequest(head as RequestHead)
          : instance.onResponse(head as ResponseHead);
      if (filter.plan.end || (phase === PHASE.request && filter.plan.response)) {
        this.#held[at] = instance;
      } else {
        instance.close();
        this.#held[at] = DONE;
        filter.pool.give(instance);
      }
      filter.meter.called(phase, (performance.now() - began) / 1000);
      return reply;
    } catch (error) {
      if (instance !== undefined) filter.meter.called(phase, (performance.now() - began) / 1000);
      this.#held[at] = DONE;
      return this.#closes(filter, this.#fault(filter, instance, error));
    }
  }

  #wait(at: number, filter: Filter, phase: HeadPhase, head: RequestHead | ResponseHead): typeof WAITING {
    filter.pool.wait({
      granted: (instance) => {
        if (this.#ended) {
          if (instance !== undefined) filter.pool.give(instance);
          return;
        }
        const failure = this.#grant(at, filter, instance);
        if (failure !== undefined) {
          if (phase === PHASE.request) this.#ahead = at;
          else this.#ahead = Math.min(this.#ahead, at);
          this.#owner.chainFailed(failure);
        } else if (phase === PHASE.request) this.request(head as RequestHead);
        else this.response(head as ResponseHead);
      },
    });
    return WAITING;
  }

  /** Takes the instance that was waited for. A failure closes the exchange. */
  #grant(at: number, filter: Filter, instance: Instance | undefined): Failure | undefined {
    if (instance === undefined) {
      this.#held[at] = DONE;
      filter.meter.failed("busy");
      const failure = new Failure("FILTER_BUSY", `${filter.name}: no instance was free in time`);
      this.#owner.filterFailed(filter, { reason: "busy", detail: failure.detail });
      return filter.onFailure === "open" ? undefined : failure;
    }
    try {
      instance.open(this.#owner);
      this.#held[at] = instance;
      return undefined;
    } catch (error) {
      this.#held[at] = DONE;
      return this.#closes(filter, this.#fault(filter, instance, error));
    }
  }

  /** Ends an instance that a call has broken; without one, the pool could not make any. */
  #fault(filter: Filter, instance: Instance | undefined, error: unknown): Failure {
    if (error instanceof FilterQuarantined) {
      filter.meter.failed("quarantined");
      return new Failure("FILTER_QUARANTINED", `${filter.name}: ${error.message}`);
    }
    const fault = faultOf(error, instance?.lastWords() ?? "");
    const { reason, detail } = fault;
    if (instance !== undefined) filter.pool.discard(instance);
    filter.meter.failed(reason);
    this.#owner.filterFailed(filter, fault);
    return new Failure(
      brokeContract(reason) ? "FILTER_BROKE_CONTRACT" : "FILTER_TRAPPED",
      `${filter.name}: ${detail}`,
    );
  }

  #closes(filter: Filter, failure: Failure): Failure | undefined {
    return filter.onFailure === "open" ? undefined : failure;
  }
}

type HeadPhase = typeof PHASE.request | typeof PHASE.response;

const DONE: unique symbol = Symbol("done");
const WAITING: unique symbol = Symbol("waiting");
