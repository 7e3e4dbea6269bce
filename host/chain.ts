import { type Answer, Borrowing, type BorrowingOwner, WAITING } from "./borrowing.ts";
import { Failure } from "./failure.ts";
import { type Outcome, RESET } from "./filter/contract.ts";
import type { Filter } from "./filter/filter.ts";
import type { HeldBody } from "./held-body.ts";
import { AS_IT_CAME, type FieldList, type Reply, type RequestHead, type ResponseHead } from "./message.ts";
import { PHASE } from "./ops/meter.ts";
import { Passage } from "./passage.ts";
import { REQUEST_WAY, RESPONSE_WAY } from "./stage.ts";

/** Whether filters of a chain take bodies or trailers. Where none does, bodies pass by the chain. */
export interface ChainBodies {
  readonly request: boolean;
  readonly response: boolean;
}

export function bodiesOf(filters: readonly Filter[]): ChainBodies {
  return {
    request: filters.some(({ phases }) => (phases & REQUEST_WAY.bodyPhases) !== 0),
    response: filters.some(({ phases }) => (phases & RESPONSE_WAY.bodyPhases) !== 0),
  };
}

/**
 * What an exchange is told by its chain: during the call that began a phase, or later when a filter had to be waited for.
 *
 * `framing` is the body's length as it goes on: AS_IT_CAME, UNKNOWN, or bytes. `body` is given when all of it is known;
 * otherwise it follows by `requestChunk` and `requestEnded`, if there is one that filters take.
 */
export interface ChainOwner extends BorrowingOwner {
  /** The response has gone out to its last byte. */
  readonly whole: boolean;
  /** Every filter let the request pass. */
  requestPassed(framing: number, body: HeldBody | undefined): void;
  /** Gives false when no more should come: the passage's `drained` has to be called. */
  requestChunk(chunk: Buffer): boolean;
  requestEnded(trailers: FieldList): void;
  /** The body may come, or come again. */
  requestWanted(): void;
  /** Every filter let the response pass. */
  responsePassed(head: ResponseHead, framing: number, body: HeldBody | undefined): void;
  /** As `requestChunk`. */
  responseChunk(chunk: Buffer): boolean;
  responseEnded(trailers: FieldList): void;
  /** As `requestWanted`. */
  responseWanted(): void;
  /** A filter answers in the place of what comes after it. The filters before it have not seen the reply yet. */
  replied(reply: Reply, filter: string): void;
  /** A filter failed, or had no instance in time, and its policy closes the exchange; or a body is too long for it. */
  chainFailed(failure: Failure): void;
  /** A filter ends the exchange without an answer. */
  chainBrokeOff(failure: Failure): void;
}

/**
 * The filters of a route in one exchange: requests pass them in order, responses in reverse.
 *
 * Each filter has an instance from its first phase to its last one. A filter that the request did not reach, because an
 * earlier one replied, does not see the response; one that failed is not called again.
 */
export class ChainRun extends Borrowing {
  readonly #owner: ChainOwner;
  readonly #bodies: ChainBodies;
  #requestHead: RequestHead | undefined;
  #responseHead: ResponseHead | undefined;
  /** How many of the filters that the request has reached the response has still to pass, from the last to the first. */
  #ahead = 0;
  /** The request's way through the filters, where one of them takes its body. */
  inward: Passage | undefined;
  /** The same of the response. */
  outward: Passage | undefined;

  constructor(filters: readonly Filter[], bodies: ChainBodies, owner: ChainOwner) {
    super(filters, owner, bodies.request || bodies.response);
    this.#owner = owner;
    this.#bodies = bodies;
  }

  /** Which versions serve this exchange, by filter; undefined where there is no choice. */
  get versions(): Readonly<Record<string, string>> | undefined {
    return undefined;
  }

  /** `length`: of its body, 0 without one, -1 when only its end will tell. */
  request(head: RequestHead, length: number): void {
    this.#requestHead = head;
    if (!this.#bodies.request) return this.#requestHeads();
    this.inward = new Passage(REQUEST_WAY, this, this.filters, head, length, this.#owner);
    this.inward.begin();
  }

  /** Goes on where the last response stopped: a reply passes only the filters that are before its maker. */
  response(head: ResponseHead, length: number): void {
    this.outward?.stop();
    this.outward = undefined;
    this.#responseHead = head;
    if (!this.#bodies.response) return this.#responseHeads();
    this.outward = this.#outwardPassage(head, length);
    this.outward.begin();
  }

  /** The same for an answer that is not the upstream's: its body is here already, and the request goes nowhere any more. */
  reply({ head, body }: Reply): void {
    this.inward?.stop();
    this.#requestHead = undefined;
    if (!this.#bodies.response) return this.response(head, body.byteLength);
    this.outward?.stop();
    const passage = this.#outwardPassage(head, body.byteLength);
    this.outward = passage;
    passage.whole(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  }

  /** No response will pass: those who wait for nothing else are done, and a tunnel that lasts for hours holds none of them. */
  responseless(): void {
    this.settle(undefined);
  }

  /** Tells the filters that asked for it, and gives all instances back. Nothing is called after this. */
  end(outcome: Outcome): void {
    this.inward?.stop();
    this.outward?.stop();
    this.settle(outcome);
  }

  /** The request is with this filter. */
  reach(at: number): void {
    if (at < this.reached) return;
    this.reached = at + 1;
    this.#ahead = at + 1;
  }

  /** The response has passed this filter. */
  passed(at: number): void {
    this.#ahead = at;
  }

  /** A filter ends a message's way. Neither it nor one that failed sees what is answered. */
  stopped(at: number, answer: Exclude<Answer, undefined>): void {
    this.#ahead = Math.min(this.#ahead, at);
    const { name } = this.filters[at] as Filter;
    if (answer instanceof Failure) this.#owner.chainFailed(answer);
    else if (answer === RESET) {
      this.#owner.chainBrokeOff(new Failure("FILTER_BROKE_OFF", `${name} has reset the exchange`));
    } else this.#owner.replied(answer as Reply, name);
  }

  protected override resume(phases: number): void {
    if ((phases & REQUEST_WAY.phases) !== 0) {
      if (this.inward === undefined) this.#requestHeads();
      else this.inward.resume();
    }
    if ((phases & RESPONSE_WAY.phases) !== 0) {
      if (this.outward === undefined) this.#responseHeads();
      else this.outward.resume();
    }
  }

  protected override failed(at: number, failure: Failure): void {
    this.stopped(at, failure);
  }

  #requestHeads(): void {
    const { filters } = this;
    // It has been answered while a filter was waited for.
    if (this.#requestHead === undefined) return;
    while (this.reached < filters.length) {
      const at = this.reached;
      const { plan } = filters[at] as Filter;
      const answer = plan.request
        ? this.call(at, PHASE.request, this.#requestHead, undefined, false)
        : undefined;
      if (answer === WAITING) return;
      this.reach(at);
      if (answer !== undefined) return this.stopped(at, answer);
      this.over(at, REQUEST_WAY.phases);
    }
    this.#owner.requestPassed(AS_IT_CAME, undefined);
  }

  #responseHeads(): void {
    while (this.#ahead > 0) {
      const at = this.#ahead - 1;
      const { plan } = this.filters[at] as Filter;
      const answer = plan.response
        ? this.call(at, PHASE.response, this.#responseHead, undefined, false)
        : undefined;
      if (answer === WAITING) return;
      this.passed(at);
      if (answer !== undefined) return this.stopped(at, answer);
      this.over(at, RESPONSE_WAY.phases);
    }
    this.#owner.responsePassed(this.#responseHead as ResponseHead, AS_IT_CAME, undefined);
  }

  #outwardPassage(head: ResponseHead, length: number): Passage {
    return new Passage(RESPONSE_WAY, this, this.filters.slice(0, this.#ahead), head, length, this.#owner);
  }
}
