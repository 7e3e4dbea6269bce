import { randomFillSync } from "node:crypto";
import type { FieldList, RequestHead } from "../message.ts";
import {
  formatTraceParent,
  RANDOM,
  readTraceContext,
  SAMPLED,
  tellsOfTrace,
  type TraceContext,
} from "./trace-context.ts";

/** The ids of an exchange of which spans are made. */
export class Trace {
  readonly traceId: string;
  /** Of the exchange's span. */
  readonly spanId: string;
  /** The client's span; null where the trace begins here. */
  readonly parentId: string | null;
  /** What `tracestate` holds; empty without any. */
  readonly state: string;
  /** The field by which filters know it. */
  readonly traceparent: string;
  /** The spans of the tries at servers, in their order. */
  readonly tries: string[] = [];
  /** The request; what it is when the exchange has ended, filters have made of it. */
  readonly head: RequestHead;
  /** What the client asked for. */
  readonly authority: string;
  readonly #flags: number;
  readonly #ids: Ids;

  constructor(
    { traceId, flags, state }: TraceContext,
    parentId: string | null,
    ids: Ids,
    head: RequestHead,
    authority: string,
  ) {
    this.head = head;
    this.authority = authority;
    this.traceId = traceId;
    this.spanId = ids.span();
    this.parentId = parentId;
    this.state = state;
    this.traceparent = formatTraceParent(traceId, this.spanId, flags);
    this.#flags = flags;
    this.#ids = ids;
  }

  /** A try begins: the line of its head that names its span. */
  next(): string {
    const spanId = this.#ids.span();
    this.tries.push(spanId);
    return `traceparent: ${formatTraceParent(this.traceId, spanId, this.#flags)}\r\n`;
  }
}

/** Decides in a worker of which exchanges spans are made. */
export class Tracer {
  readonly #ids = new Ids();
  /** The least of a trace's id, as a number, that is sampled. */
  readonly #least: number;

  /** `sample`: in percent, of the traces that begin here. */
  constructor(sample: number) {
    this.#least = (1 - sample / 100) * SAMPLE_RANGE;
  }

  /**
   * Continues a request's trace, or begins one, and writes into its fields what those who come next are to know. Undefined when no
   * spans are made: a trace that somebody else has begun goes on untouched then, so that nobody looks for a parent that is not there.
   */
  begin(head: RequestHead, authority: string): Trace | undefined {
    const context = readTraceContext(head.fields) ?? this.#root(head.fields);
    if (context === undefined || (context.flags & SAMPLED) === 0) return undefined;
    const { parentId } = context;
    const trace = new Trace(context, parentId === "" ? null : parentId, this.#ids, head, authority);
    write(head.fields, trace.traceparent, trace.state);
    return trace;
  }

  /** Undefined when it is not sampled. */
  #root(fields: FieldList): TraceContext | undefined {
    const drawn = this.#ids.root();
    const traceId = drawn.slice(0, 2 * TRACE_BYTES);
    // By the id, so that all who sample a share of traces sample the same ones.
    if (Number.parseInt(traceId.slice(SAMPLE_FROM, SAMPLE_TO), 16) >= this.#least)
      return { traceId, parentId: "", flags: SAMPLED | RANDOM, state: "" };
    // Those who come next are told that it is not sampled, and do not begin a trace in the middle.
    write(fields, formatTraceParent(traceId, drawn.slice(2 * TRACE_BYTES), RANDOM), "");
    return undefined;
  }
}

/** Random ids, from bytes that are drawn many at a time. */
class Ids {
  readonly #bytes = Buffer.allocUnsafe(POOL_BYTES);
  #at = POOL_BYTES;

  /** Of a trace, and after it of its first span: one text is half the price of two. */
  root(): string {
    return this.#hex(TRACE_BYTES + SPAN_BYTES);
  }

  span(): string {
    return this.#hex(SPAN_BYTES);
  }

  #hex(length: number): string {
    if (this.#at + length > POOL_BYTES) {
      randomFillSync(this.#bytes);
      this.#at = 0;
    }
    this.#at += length;
    return this.#bytes.toString("hex", this.#at - length, this.#at);
  }
}

/** Puts them in the place of all that there are: none may stay that contradicts them. */
function write(fields: FieldList, traceparent: string, tracestate: string): void {
  let kept = 0;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (tellsOfTrace(name)) continue;
    fields[kept] = name;
    fields[kept + 1] = fields[at + 1] as string;
    kept += 2;
  }
  fields.length = kept;
  fields.push("traceparent", traceparent);
  if (tracestate !== "") fields.push("tracestate", tracestate);
}

const TRACE_BYTES = 16;
const SPAN_BYTES = 8;
const POOL_BYTES = 4_096;

/** The first 48 of the 56 bits that level 2 calls random: as many as a number holds without loss. */
const SAMPLE_FROM = 18;
const SAMPLE_TO = 30;
const SAMPLE_RANGE = 2 ** 48;
