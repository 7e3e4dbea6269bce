import { isFieldValue, isReserved, isToken } from "../fields.ts";
import type { FieldList } from "../message.ts";
import type { HttpResult } from "../ops/filter-work.ts";

/** A request of a filter's own (WIT `http-client.outgoing`). */
export interface OwnRequest {
  readonly upstream: string;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly fields: FieldList;
  /** Its own copy, no view of the guest's memory. */
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/** WIT `http-client.error`. */
export type HttpError =
  | { readonly tag: "not-granted" | "busy" | "unreachable" | "timed-out" | "too-large" | "cancelled" }
  | { readonly tag: "invalid" | "other"; readonly val: string };

/** What `http-client.send` gives: an answer or an error. */
export type HttpAnswer =
  | { readonly tag: "ok"; readonly val: HttpIncoming }
  | { readonly tag: "err"; readonly val: HttpError };

/** WIT `http-client.incoming`. */
export interface HttpIncoming {
  readonly status: number;
  readonly fields: FieldList;
  readonly body: Uint8Array;
}

/** Bounds on one filter's requests in one worker. Units are in the names. */
export interface HttpLimits {
  readonly httpInFlightMax: number;
  readonly httpRequestBytesMax: number;
  readonly httpResponseBytesMax: number;
  readonly editsMax: number;
  readonly httpMs: number;
}

/** Sends requests to upstreams, with all that the configuration says of these. */
export interface HttpSender {
  /** Calls `done` once, before or after it returns, unless the call is cancelled. `bytesMax` bounds the answer's body. */
  send(request: OwnRequest, bytesMax: number, done: (answer: HttpAnswer) => void): HttpCall;
}

/** A request under way. */
export interface HttpCall {
  /** Ends it; nothing is told any more. */
  cancel(): void;
}

/** One filter's requests in one worker: what it may ask for, and how much at once. */
export class HttpClient {
  readonly #granted: ReadonlySet<string>;
  readonly #limits: HttpLimits;
  readonly #told: (result: HttpResult) => void;
  #inFlight = 0;

  /** `told`: what came of each request, whether or not it was sent. */
  constructor(granted: readonly string[], limits: HttpLimits, told: (result: HttpResult) => void = () => {}) {
    this.#granted = new Set(granted);
    this.#limits = limits;
    this.#told = told;
  }

  /** An answer that is known at once, or the promise of one. `pending` learns how to end it early. */
  send(sender: HttpSender, request: OwnRequest, pending: PendingCall): HttpAnswer | Promise<HttpAnswer> {
    const refused = this.#refused(request);
    if (refused !== undefined) {
      this.#told(refused.tag);
      return failed(refused);
    }
    this.#inFlight += 1;
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => pending.end(TIMED_OUT),
        Math.min(request.timeoutMs, this.#limits.httpMs),
      );
      pending.begin((answer) => {
        clearTimeout(timer);
        this.#inFlight -= 1;
        this.#told(answer.tag === "ok" ? "ok" : answer.val.tag);
        resolve(answer);
      });
      pending.carriedBy(
        sender.send(request, this.#limits.httpResponseBytesMax, (answer) => pending.done(answer)),
      );
    });
  }

  #refused(request: OwnRequest): HttpError | undefined {
    if (!this.#granted.has(request.upstream)) return { tag: "not-granted" };
    const broken = whyInvalid(request, this.#limits);
    if (broken !== undefined) return { tag: "invalid", val: broken };
    return this.#inFlight >= this.#limits.httpInFlightMax ? { tag: "busy" } : undefined;
  }
}

/** The one request that an instance may have under way. */
export class PendingCall {
  #settle: ((answer: HttpAnswer) => void) | undefined;
  #call: HttpCall | undefined;

  begin(settle: (answer: HttpAnswer) => void): void {
    this.#settle = settle;
  }

  /** It may be over already, when it was told so within `send`. */
  carriedBy(call: HttpCall): void {
    if (this.#settle !== undefined) this.#call = call;
  }

  done(answer: HttpAnswer): void {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#call = undefined;
    settle?.(answer);
  }

  /** Ends it before its answer is there. Nothing under way: nothing happens. */
  end(answer: HttpAnswer): void {
    this.#call?.cancel();
    this.done(answer);
  }
}

/** The exchange has ended before the answer came. */
export const CANCELLED: HttpAnswer = failed({ tag: "cancelled" });
const TIMED_OUT: HttpAnswer = failed({ tag: "timed-out" });

function failed(error: HttpError): HttpAnswer {
  return { tag: "err", val: error };
}

/** Which rule of the contract a request breaks: the ones that hold for edits, too. */
function whyInvalid({ method, path, fields, body }: OwnRequest, limits: HttpLimits): string | undefined {
  if (!isToken(method) || method === "CONNECT") return "the method is none that a filter may use";
  if (!PATH.test(path)) return "the path does not begin with / or holds a byte that paths do not have";
  if (fields.length / 2 > limits.editsMax) return `more than ${limits.editsMax} headers`;
  let bytes = path.length + body.byteLength;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (!isToken(name)) return `header ${at / 2 + 1} has no field name`;
    if (isReserved(name.toLowerCase())) return `${name} frames or routes the message`;
    if (!isFieldValue(value)) return `the value of ${name} has a control byte`;
    bytes += name.length + value.length;
  }
  if (bytes > limits.httpRequestBytesMax) return `more than ${limits.httpRequestBytesMax} bytes`;
  return undefined;
}

const PATH = /^\/[\x21-\x7e]*$/;
