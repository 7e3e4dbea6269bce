import {
  type Awaitable,
  type BodyDecision,
  type ChunkDecision,
  type ExchangeFacts,
  HOLD,
  type Instance,
  type Outcome,
  type Plan,
  type Saved,
  RESET,
} from "../filter/contract.ts";
import type { Exhausted, Refuelled } from "../filter/fuel.ts";
import type { HeldBody } from "../held-body.ts";
import { Reply, type RequestHead, type ResponseHead, type Trailers } from "../message.ts";
import { copyOf, editsSince } from "./edits.ts";

/** What a call is made for: the phases, and what is around them. */
export type CallName =
  | "open"
  | "request"
  | "request-body"
  | "request-trailers"
  | "response"
  | "response-body"
  | "response-trailers"
  | "end"
  | "close";

/** One call of a filter, and what came of it. */
export interface CallRecord {
  readonly call: CallName;
  /** `proceed`, `pass`, `hold`, `replace`, `reply 403`, `reset`, or `failed`. */
  readonly decision: string;
  /** What the call has changed in the head or the trailers that it was lent. */
  readonly edits: readonly string[];
  readonly fuel: number;
  readonly ms: number;
  /** Of the instance, when the call had returned. */
  readonly memoryBytes: number;
}

/** An exchange that wants to know of its calls. */
export interface CallWatch {
  /** A call begins: what it may consume, where that is not what the filter's limit says. */
  callBegins(call: CallName): number | undefined;
  callEnds(record: CallRecord): void;
}

/** An instance whose calls are told to the exchange that they are made for. */
export class WatchedInstance implements Instance {
  readonly #inner: Instance & Refuelled;
  readonly #fuelMax: number;
  #watch: CallWatch | undefined;

  constructor(inner: Instance, fuelMax: number) {
    this.#inner = inner as Instance & Refuelled;
    this.#fuelMax = fuelMax;
  }

  configure(config: string): Plan {
    return this.#inner.configure(config);
  }

  save(): Saved {
    return this.#inner.save();
  }

  restore(digest: string, state: Uint8Array): string | undefined {
    return this.#inner.restore(digest, state);
  }

  open(facts: ExchangeFacts): void {
    // Exchanges of the kit are the only ones that get such an instance.
    this.#watch = facts as ExchangeFacts & CallWatch;
    void this.#called("open", undefined, () => this.#inner.open(facts));
  }

  onRequest(head: RequestHead): Awaitable<Reply | undefined> {
    return this.#called("request", head, () => this.#inner.onRequest(head));
  }

  onRequestChunk(chunk: Buffer, last: boolean): Awaitable<ChunkDecision> {
    return this.#called("request-body", undefined, () => this.#inner.onRequestChunk(chunk, last));
  }

  onRequestBody(head: RequestHead, body: HeldBody): Awaitable<BodyDecision> {
    return this.#called("request-body", head, () => this.#inner.onRequestBody(head, body));
  }

  onRequestTrailers(trailers: Trailers): Awaitable<Reply | undefined> {
    return this.#called("request-trailers", trailers, () => this.#inner.onRequestTrailers(trailers));
  }

  onResponse(head: ResponseHead): Awaitable<Reply | undefined> {
    return this.#called("response", head, () => this.#inner.onResponse(head));
  }

  onResponseChunk(chunk: Buffer, last: boolean): Awaitable<ChunkDecision> {
    return this.#called("response-body", undefined, () => this.#inner.onResponseChunk(chunk, last));
  }

  onResponseBody(head: ResponseHead, body: HeldBody): Awaitable<BodyDecision> {
    return this.#called("response-body", head, () => this.#inner.onResponseBody(head, body));
  }

  onResponseTrailers(trailers: Trailers): Awaitable<Reply | undefined> {
    return this.#called("response-trailers", trailers, () => this.#inner.onResponseTrailers(trailers));
  }

  onEnd(outcome: Outcome): Awaitable<void> {
    return this.#called("end", undefined, () => this.#inner.onEnd(outcome));
  }

  hurry(): void {
    this.#inner.hurry();
  }

  close(): void {
    void this.#called("close", undefined, () => this.#inner.close());
  }

  lastWords(): string {
    return this.#inner.lastWords();
  }

  get exhausted(): Exhausted | undefined {
    return this.#inner.exhausted;
  }

  get fuelUsed(): number {
    return this.#inner.fuelUsed;
  }

  get memoryBytes(): number {
    return this.#inner.memoryBytes;
  }

  get exchanges(): number {
    return this.#inner.exchanges;
  }

  #called<Result>(
    call: CallName,
    message: RequestHead | ResponseHead | Trailers | undefined,
    act: () => Awaitable<Result>,
  ): Awaitable<Result> {
    const inner = this.#inner;
    const watch = this.#watch as CallWatch;
    const before = message === undefined ? undefined : copyOf(message);
    const fuelMax = watch.callBegins(call);
    if (fuelMax !== undefined) inner.fuelMax = fuelMax;
    const began = performance.now();
    const over = (decision: string): void => {
      const ms = performance.now() - began;
      const edits = before === undefined || message === undefined ? NONE : editsSince(before, message);
      watch.callEnds({ call, decision, edits, fuel: inner.fuelUsed, ms, memoryBytes: inner.memoryBytes });
      if (fuelMax !== undefined) inner.fuelMax = this.#fuelMax;
    };
    const failed = (error: unknown): never => {
      over("failed");
      throw error;
    };
    const returned = (result: Result): Result => {
      over(described(call, result));
      return result;
    };
    let result: Awaitable<Result>;
    try {
      result = act();
    } catch (error) {
      return failed(error);
    }
    return result instanceof Promise ? result.then(returned, failed) : returned(result);
  }
}

function described(call: CallName, result: unknown): string {
  if (result instanceof Reply) return `reply ${result.head.status}`;
  if (result instanceof Uint8Array) return `replace ${result.length}`;
  if (result === HOLD) return "hold";
  if (result === RESET) return "reset";
  if (call.endsWith("body")) return "pass";
  return call === "open" || call === "close" || call === "end" ? "done" : "proceed";
}

const NONE: readonly string[] = [];
