import { type ChainBodies, type ChainOwner, ChainRun } from "../chain.ts";
import type { ExchangeFacts, Instance } from "../filter/contract.ts";
import type { Filter } from "../filter/filter.ts";
import type { HttpAnswer, OwnRequest } from "../filter/http-client.ts";
import type { HeldBody } from "../held-body.ts";
import type { Reply, ResponseHead } from "../message.ts";
import type { Answer, Message } from "../borrowing.ts";
import type { Observer } from "../observer.ts";
import type { ExchangeEntry } from "../ops/exchange-log.ts";
import type { FilterFailureReason, FilterPhase } from "../ops/meter.ts";
import { TappedFacts } from "../trial/tap.ts";
import { type CallName, type CallRecord, type CallWatch, WatchedInstance } from "./watched-instance.ts";

/**
 * All that `sluice dev` tells of one exchange: a line of the log without a level, for itself alone, as it holds what clients and servers
 * have sent.
 */
export interface Observation {
  readonly request_id: string;
  readonly method: string;
  /** As it came, with its query. */
  readonly target: string;
  readonly route: string | null;
  /** 0 when no head went out. */
  readonly status: number;
  readonly ms: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly failure: { readonly code: string; readonly detail: string } | null;
  readonly steps: readonly ObservedStep[];
  /** Steps that there was no room for. */
  readonly more: number;
  /** How many lines about failures of filters the log has of it. */
  readonly failures: number;
}

/** What came by, in order. */
export type ObservedStep =
  | ObservedCall
  /** The upstream's response, before filters see it; `length` is -1 when only its end will tell. */
  | { readonly kind: "upstream"; readonly status: number; readonly length: number }
  /** A request of the filter's own has been answered. */
  | { readonly kind: "asked"; readonly filter: string; readonly request: string; readonly answer: string };

export interface ObservedCall {
  readonly kind: "call";
  readonly filter: string;
  readonly call: CallName;
  readonly decision: string;
  readonly edits: readonly string[];
  /** Of a streamed body there may be many that were decided alike: they are one step. */
  calls: number;
  /** Of the body, or its pieces, that were lent. */
  bytes: number;
  fuel: number;
  ms: number;
}

/** The worker's part of `sluice dev`. */
export function createObserver(): Observer {
  return new DevObserver();
}

class DevObserver implements Observer {
  /** By the exchange. */
  readonly #runs = new WeakMap<object, ObservedRun>();

  watching(fuelMax: number): (instance: Instance) => Instance {
    return (instance) => new WatchedInstance(instance, fuelMax);
  }

  chain(filters: readonly Filter[], bodies: ChainBodies, owner: ChainOwner): ChainRun {
    const run = new ObservedRun(filters, bodies, owner);
    this.#runs.set(owner, run);
    return run;
  }

  line(exchange: ExchangeEntry): string {
    const run = this.#runs.get(exchange);
    const { failure } = exchange;
    const observation: Observation = {
      request_id: exchange.requestId,
      method: exchange.method,
      target: exchange.target,
      route: exchange.routeName ?? null,
      status: exchange.status,
      ms: exchange.durationMs,
      requestBytes: exchange.requestBytes,
      responseBytes: exchange.responseBytes,
      failure: failure === undefined ? null : { code: failure.code, detail: failure.detail },
      steps: run?.steps ?? [],
      more: run?.more ?? 0,
      failures: run?.failures ?? 0,
    };
    return `${JSON.stringify(observation)}\n`;
  }
}

/** The filters of a route in an exchange that somebody looks at. */
class ObservedRun extends ChainRun {
  readonly steps: ObservedStep[] = [];
  more = 0;
  failures = 0;
  /** Of the call that begins. */
  bytes = 0;
  readonly #owner: ChainOwner;
  /** By place in the chain. */
  readonly #watches: (ObservedFacts | undefined)[] = [];
  #replying = false;

  constructor(filters: readonly Filter[], bodies: ChainBodies, owner: ChainOwner) {
    super(filters, bodies, owner);
    this.#owner = owner;
  }

  override response(head: ResponseHead, length: number): void {
    if (!this.#replying) this.add({ kind: "upstream", status: head.status, length });
    super.response(head, length);
  }

  override reply(reply: Reply): void {
    // Who has made it is told already, by its call or its failure.
    this.#replying = true;
    super.reply(reply);
  }

  override call(
    at: number,
    phase: FilterPhase,
    message: Message,
    body: Buffer | HeldBody | undefined,
    last: boolean,
  ): Answer {
    this.bytes = body?.length ?? 0;
    return super.call(at, phase, message, body, last);
  }

  add(step: ObservedStep): void {
    if (step.kind === "call" && step.call.endsWith("-body") && step.edits.length === 0) {
      const alike = this.steps.findLast((known) => isAlike(known, step)) as ObservedCall | undefined;
      if (alike !== undefined) {
        alike.calls += 1;
        alike.bytes += step.bytes;
        alike.fuel += step.fuel;
        alike.ms += step.ms;
        return;
      }
    }
    if (this.steps.length < STEPS_MAX) this.steps.push(step);
    else this.more += 1;
  }

  protected override factsOf(at: number): ExchangeFacts {
    return (this.#watches[at] ??= new ObservedFacts(this.filters[at]?.name ?? "", this.#owner, this));
  }

  protected override faulted(at: number, reason: FilterFailureReason): void {
    super.faulted(at, reason);
    // Of a filter that is not called the log says so once, and not in each exchange.
    if (reason !== "quarantined") this.failures += 1;
  }
}

/** The facts of an exchange, to which the calls of one filter are told. */
class ObservedFacts extends TappedFacts implements CallWatch {
  readonly #filter: string;
  readonly #run: ObservedRun;
  #bytes = 0;

  constructor(filter: string, owner: ExchangeFacts, run: ObservedRun) {
    super(owner, (request) => (answer) => run.add(asked(filter, request, answer)));
    this.#filter = filter;
    this.#run = run;
  }

  callBegins(call: CallName): undefined {
    this.#bytes = call.endsWith("-body") ? this.#run.bytes : 0;
  }

  callEnds({ call, decision, edits, fuel, ms }: CallRecord): void {
    // What surrounds the phases says nothing, unless it fails.
    if ((call === "open" || call === "close") && decision !== "failed") return;
    const bytes = this.#bytes;
    this.#run.add({ kind: "call", filter: this.#filter, call, decision, edits, calls: 1, bytes, fuel, ms });
  }
}

function isAlike(known: ObservedStep, { filter, call, decision }: ObservedCall): boolean {
  return (
    known.kind === "call" &&
    known.filter === filter &&
    known.call === call &&
    known.decision === decision &&
    known.edits.length === 0
  );
}

function asked(filter: string, { method, upstream, path }: OwnRequest, answer: HttpAnswer): ObservedStep {
  const came = answer.tag === "ok" ? String(answer.val.status) : answer.val.tag;
  return { kind: "asked", filter, request: `${method} ${upstream} ${path}`, answer: came };
}

/** Of one exchange: a message of a thousand pieces must not become a page. */
const STEPS_MAX = 100;
