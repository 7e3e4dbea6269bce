import type { TracesConfig } from "../config/config.ts";
import type { RequestHead } from "../message.ts";
import { Timeline, type Wish } from "../timeline.ts";
import { type TracedEntry, type TracedExchange, tracedOf } from "./traced-exchange.ts";
import { Tracer } from "./tracer.ts";

/** Exchanges that have ended, for the main thread to make spans of. */
export interface TracedMessage {
  readonly kind: "traced";
  readonly exchanges: readonly TracedExchange[];
}

/** What a trace has to know of a request. */
interface BegunRequest {
  readonly head: RequestHead;
  readonly facts: { readonly authority: string };
}

/** The traces of a worker: which of its exchanges are recorded, and what is collected of them. A message costs as much as many of them. */
export class WorkerTraces {
  readonly #worker: number;
  readonly #post: (message: TracedMessage) => void;
  #tracer: Tracer | undefined;
  #exchanges: TracedExchange[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(worker: number, post: (message: TracedMessage) => void) {
    this.#worker = worker;
    this.#post = post;
  }

  /** From now on. What was recorded so far is posted first: it goes where it was to go when it was. */
  use(config: TracesConfig | null): void {
    this.flush();
    this.#tracer = config ? new Tracer(config.sample) : undefined;
  }

  /** Continues a client's trace, or begins one. A timeline is for the spans of the exchange, or for who else wishes one. */
  timeline({ head, facts }: BegunRequest, beganMs: number, wish: Wish | undefined): Timeline | undefined {
    const trace = this.#tracer?.begin(head, facts.authority);
    return trace === undefined && wish === undefined ? undefined : new Timeline(beganMs, wish, trace);
  }

  /** `pattern`: of its route. */
  ended(exchange: TracedEntry, pattern: string | undefined): void {
    const { timeline } = exchange;
    if (timeline?.trace === undefined) return;
    this.#exchanges.push(tracedOf(exchange, timeline, timeline.trace, this.#worker, pattern));
    if (this.#exchanges.length >= BATCH) this.flush();
    // What waits must not keep a worker alive that has nothing else to do: whoever ends it calls flush().
    else this.#timer ??= setTimeout(() => this.flush(), WAIT_MS).unref();
  }

  /** Posts what waits. To be called before the worker ends. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#exchanges.length === 0) return;
    const exchanges = this.#exchanges;
    this.#exchanges = [];
    this.#post({ kind: "traced", exchanges });
  }
}

const BATCH = 64;
const WAIT_MS = 100;
