import type { FailureCode } from "../failure.ts";
import type { ExchangeEntry } from "../ops/exchange-log.ts";
import { pathOf } from "../ops/target.ts";
import type { Step, Timeline } from "../timeline.ts";
import type { Trace } from "./tracer.ts";

/** All that spans are made of, when an exchange has ended. Plain data without values of header fields, queries and the client's address: it is posted to the main thread. */
export interface TracedExchange {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | null;
  readonly state: string;
  /** The spans of the tries among the steps, in their order. */
  readonly tries: readonly string[];
  readonly requestId: string;
  readonly worker: number;
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly durationMs: number;
  /** Null when none matched, like its pattern. */
  readonly route: string | null;
  readonly pattern: string | null;
  /** What the client asked for. */
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  readonly protocol: string;
  /** What filters have made of it for the upstream. */
  readonly sentMethod: string;
  readonly sentPath: string;
  /** 0 when no head went out. */
  readonly status: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly failure: FailureCode | null;
  readonly repliedBy: string | null;
  readonly versions: Readonly<Record<string, string>> | null;
  readonly steps: readonly Step[];
  /** Steps that there was no room for. */
  readonly more: number;
}

/** What an exchange gives of itself beside what its log line has. */
export interface TracedEntry
  extends Omit<ExchangeEntry, "clientAddress" | "requestFields" | "responseFields" | "metadata"> {
  readonly timeline: Timeline | undefined;
  readonly protocol: string;
}

/** To be called when it has ended. */
export function tracedOf(
  exchange: TracedEntry,
  { steps, more }: Timeline,
  trace: Trace,
  worker: number,
  pattern: string | undefined,
): TracedExchange {
  const { traceId, spanId, parentId, state, tries, head, authority } = trace;
  const { requestId, generation, durationMs } = exchange;
  return {
    traceId,
    spanId,
    parentId,
    state,
    tries,
    requestId,
    worker,
    generation,
    at: Date.now() - durationMs,
    durationMs,
    route: exchange.routeName ?? null,
    pattern: pattern ?? null,
    method: exchange.method,
    scheme: head.scheme,
    authority,
    path: pathOf(exchange.target),
    protocol: exchange.protocol,
    sentMethod: head.method,
    sentPath: pathOf(head.path),
    status: exchange.status,
    requestBytes: exchange.requestBytes,
    responseBytes: exchange.responseBytes,
    failure: exchange.failure?.code ?? null,
    repliedBy: exchange.repliedBy ?? null,
    versions: exchange.versions ?? null,
    steps,
    more,
  };
}
