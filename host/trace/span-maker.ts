import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer,
  type TraceState,
} from "@opentelemetry/api";
import type { CallStep, Step, TryStep } from "../timeline.ts";
import type { GivenIds } from "./given-ids.ts";
import type { TracedExchange } from "./traced-exchange.ts";

/** Makes the spans of exchanges that have ended: one of the exchange, and below it one for each call of a filter and each try at a server. */
export class SpanMaker {
  readonly #tracer: Tracer;
  readonly #ids: GivenIds;

  constructor(tracer: Tracer, ids: GivenIds) {
    this.#tracer = tracer;
    this.#ids = ids;
  }

  make(exchange: TracedExchange): void {
    const { traceId, spanId, at, durationMs, method, pattern, steps, tries } = exchange;
    this.#ids.traceId = traceId;
    this.#ids.spanId = spanId;
    const name = knownMethod(method) ?? "HTTP";
    const attributes = exchangeAttributes(exchange);
    const span = this.#tracer.startSpan(
      pattern === null ? name : `${name} ${pattern}`,
      { kind: SpanKind.SERVER, startTime: at, attributes },
      parentOf(exchange),
    );
    if (attributes["error.type"] !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    const inside = trace.setSpan(ROOT_CONTEXT, span);
    let tried = 0;
    for (const step of steps) {
      const isTry = step.kind === "try";
      if (isTry) this.#ids.spanId = tries[tried];
      this.#step(step, exchange, inside, tried);
      if (isTry) tried += 1;
    }
    span.end(at + durationMs);
  }

  #step(step: Step, exchange: TracedExchange, inside: Context, resends: number): void {
    const startTime = exchange.at + step.startMs;
    const isTry = step.kind === "try";
    const attributes = isTry ? tryAttributes(step, exchange, resends) : callAttributes(step, exchange);
    const span = this.#tracer.startSpan(
      isTry ? (knownMethod(exchange.sentMethod) ?? "HTTP") : `${step.filter} ${step.phase}`,
      { kind: isTry ? SpanKind.CLIENT : SpanKind.INTERNAL, startTime, attributes },
      inside,
    );
    if (attributes["error.type"] !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    // One that was handed to another server's connections has no end of its own.
    span.end(step.ms === null ? exchange.at + exchange.durationMs : startTime + step.ms);
  }
}

function parentOf({ traceId, parentId, state }: TracedExchange): Context {
  if (parentId === null) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId: parentId,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
    ...(state === "" ? {} : { traceState: new KnownState(state) }),
  });
}

/** As it was read and goes on to servers: the API's own reader knows the keys of level 1 only. */
class KnownState implements TraceState {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  set(): TraceState {
    return this;
  }

  unset(): TraceState {
    return this;
  }

  get(): undefined {
    return undefined;
  }

  serialize(): string {
    return this.#text;
  }
}

/** Names of OpenTelemetry's conventions 1.44 for HTTP servers; what they have no name for begins with `sluice`. */
function exchangeAttributes(exchange: TracedExchange): Attributes {
  const { failure, status, repliedBy, route, pattern, more } = exchange;
  return {
    ...methodAttributes(exchange.method),
    ...addressOf(`${exchange.scheme}://${exchange.authority}`),
    "url.scheme": exchange.scheme,
    "url.path": exchange.path,
    "network.protocol.version": exchange.protocol.slice("HTTP/".length),
    "http.request.body.size": exchange.requestBytes,
    "http.response.body.size": exchange.responseBytes,
    "sluice.request_id": exchange.requestId,
    "sluice.generation": exchange.generation,
    "sluice.worker": exchange.worker,
    ...(pattern === null ? {} : { "http.route": pattern }),
    ...(route === null ? {} : { "sluice.route": route }),
    ...(status === 0 ? {} : { "http.response.status_code": status }),
    ...(isBroken(exchange) ? { "error.type": failure ?? String(status) } : {}),
    ...(failure === null ? {} : { "sluice.failure": failure }),
    ...(repliedBy === null ? {} : { "sluice.replied_by": repliedBy }),
    ...(more === 0 ? {} : { "sluice.steps_dropped": more }),
  };
}

/** A client's own mistakes are no error of the server that says so (conventions for HTTP spans, "Status"). */
function isBroken({ failure, status }: TracedExchange): boolean {
  if (status >= 400 && status < 500) return false;
  return failure !== null || status >= 500 || status === 0;
}

function callAttributes(step: CallStep, { versions }: TracedExchange): Attributes {
  const version = versions?.[step.filter];
  return {
    "sluice.filter.name": step.filter,
    "sluice.filter.digest": step.digest,
    "sluice.filter.phase": step.phase,
    "sluice.filter.decision": step.decision,
    "sluice.filter.fuel": step.fuel,
    "sluice.filter.calls": step.calls,
    ...(step.changed.length === 0 ? {} : { "sluice.filter.changed": step.changed.slice(0, CHANGED_MAX) }),
    ...(version === undefined ? {} : { "sluice.filter.version": version }),
    ...(step.reason === null ? {} : { "error.type": step.reason }),
  };
}

function tryAttributes(step: TryStep, exchange: TracedExchange, resends: number): Attributes {
  const { status, failure, headMs, startMs } = step;
  return {
    ...methodAttributes(exchange.sentMethod),
    ...addressOf(step.server),
    "url.full": `${step.server}${exchange.sentPath}`,
    "network.protocol.version": "1.1",
    "sluice.upstream": step.upstream,
    ...(resends === 0 ? {} : { "http.request.resend_count": resends }),
    ...(headMs === null ? {} : { "sluice.head_ms": headMs - startMs }),
    ...(status === 0 ? {} : { "http.response.status_code": status }),
    ...(failure !== null || status >= 400 ? { "error.type": failure ?? String(status) } : {}),
  };
}

function methodAttributes(method: string): Attributes {
  return knownMethod(method) === undefined
    ? { "http.request.method": "_OTHER", "http.request.method_original": method }
    : { "http.request.method": method };
}

function addressOf(origin: string): Attributes {
  const url = URL.parse(origin);
  if (url === null) return {};
  return {
    "server.address": url.hostname.replaceAll(/^\[|\]$/g, ""),
    "server.port": url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
  };
}

/** Any client can make up methods: names of spans and series must not be made of them. */
function knownMethod(method: string): string | undefined {
  return METHODS.has(method) ? method : undefined;
}

/** Filters may edit hundreds of fields, and nobody reads that. */
const CHANGED_MAX = 32;

const METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
  "PATCH",
  "QUERY",
]);
