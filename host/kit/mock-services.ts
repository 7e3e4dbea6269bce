import type { HttpAnswer, HttpCall, HttpError, HttpSender, OwnRequest } from "../filter/http-client.ts";
import type { FieldList } from "../message.ts";
import { type BodyInput, type FieldsInput, fieldsOf, readableText } from "./message-input.ts";

/** A service that answers the requests of filters: what it takes, and what it says. */
export interface MockService {
  readonly upstream: string;
  /** What is not named may be anything. */
  readonly request?: {
    readonly method?: string | undefined;
    readonly path?: string | undefined;
    readonly headers?: FieldsInput | undefined;
    readonly body?: BodyInput | undefined;
  };
  readonly response?: {
    readonly status?: number | undefined;
    readonly headers?: FieldsInput | undefined;
    readonly body?: BodyInput | undefined;
  };
  /** There is no answer, for this reason. */
  readonly error?: "unreachable" | "timed-out" | "too-large" | "busy" | undefined;
}

/** A request that a filter has sent. */
export interface SentRequest {
  readonly upstream: string;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** Answers filters' own requests from a list, and remembers what was asked. Every answer comes in a later turn, as one from a network does. */
export class MockServices implements HttpSender {
  readonly sent: SentRequest[] = [];
  readonly #services: readonly MockService[];

  constructor(services: readonly MockService[]) {
    this.#services = services;
  }

  send(request: OwnRequest, bytesMax: number, done: (answer: HttpAnswer) => void): HttpCall {
    this.sent.push(sentOf(request));
    const service = this.#services.find((one) => takes(one, request));
    let cancelled = false;
    queueMicrotask(() => {
      if (!cancelled) done(service === undefined ? nobody(request) : answerOf(service, bytesMax));
    });
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }
}

export function sentOf({ upstream, method, path, fields, body }: OwnRequest): SentRequest {
  return { upstream, method, path, headers: pairsOf(fields), body: Buffer.from(body).toString("utf8") };
}

/** Names and values, readable. */
export function pairsOf(fields: Readonly<FieldList>): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at < fields.length; at += 2)
    pairs.push([fields[at] as string, readableText(fields[at + 1] as string)]);
  return pairs;
}

export function failed(error: HttpError): HttpAnswer {
  return { tag: "err", val: error };
}

function takes({ upstream, request = {} }: MockService, asked: OwnRequest): boolean {
  if (upstream !== asked.upstream) return false;
  if (request.method !== undefined && request.method !== asked.method) return false;
  if (request.path !== undefined && request.path !== asked.path) return false;
  if (request.body !== undefined && !Buffer.from(request.body as string).equals(asked.body)) return false;
  const wanted = fieldsOf(request.headers);
  for (let at = 0; at < wanted.length; at += 2) {
    const name = (wanted[at] as string).toLowerCase();
    const has = asked.fields.some(
      (text, place) =>
        place % 2 === 0 && text.toLowerCase() === name && asked.fields[place + 1] === wanted[at + 1],
    );
    if (!has) return false;
  }
  return true;
}

function answerOf({ response = {}, error }: MockService, bytesMax: number): HttpAnswer {
  if (error !== undefined) return failed({ tag: error });
  const body = Buffer.from((response.body ?? "") as string);
  if (body.length > bytesMax) return failed({ tag: "too-large" });
  return { tag: "ok", val: { status: response.status ?? 200, fields: fieldsOf(response.headers), body } };
}

/** In a test a request that nobody expects is a mistake of the test, or of the filter: the sentence says what was asked. */
function nobody({ upstream, method, path }: OwnRequest): HttpAnswer {
  return failed({ tag: "other", val: `no mock service takes ${method} ${path} to ${upstream}` });
}
