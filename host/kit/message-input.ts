import { FAILURES, type FailureCode } from "../failure.ts";
import { indexOf } from "../fields.ts";
import type { FieldList } from "../message.ts";

/** Fields as people write them: by name, where a list is several fields of that name, or as pairs in an order of their own. */
export type FieldsInput =
  | Readonly<Record<string, string | readonly string[]>>
  | readonly (readonly [name: string, value: string])[];

/** Text goes as UTF-8. */
export type BodyInput = string | Uint8Array;

/** What a client sends. */
export interface RequestInput {
  readonly method?: string | undefined;
  /** Scheme, authority, path and query at once. */
  readonly url?: string | undefined;
  /** Path and query. */
  readonly path?: string | undefined;
  readonly headers?: FieldsInput | undefined;
  readonly body?: BodyInput | undefined;
  /** The body as it comes, piece by piece. */
  readonly chunks?: readonly BodyInput[] | undefined;
  readonly trailers?: FieldsInput | undefined;
}

/** What an upstream answers. */
export interface ResponseInput {
  readonly status?: number | undefined;
  readonly headers?: FieldsInput | undefined;
  readonly body?: BodyInput | undefined;
  readonly chunks?: readonly BodyInput[] | undefined;
  readonly trailers?: FieldsInput | undefined;
  /** The upstream fails so, and answers nothing. */
  readonly failure?: FailureCode | undefined;
}

/** Both messages of an exchange, before any filter has seen them. */
export interface Script {
  readonly request: RequestScript;
  readonly response: ResponseScript;
}

export interface RequestScript {
  readonly method: string;
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly path: string;
  readonly fields: Readonly<FieldList>;
  readonly body: BodyScript;
}

export interface ResponseScript {
  readonly status: number;
  readonly fields: Readonly<FieldList>;
  readonly body: BodyScript;
  readonly failure: FailureCode | undefined;
}

/** A body on the wire. */
export interface BodyScript {
  readonly chunks: readonly Buffer[];
  readonly trailers: Readonly<FieldList>;
  /** 0 without one, -1 when only its end will tell. */
  readonly length: number;
}

/** The messages as the host would get them. Throws a `RangeError` that says what is none. */
export function scriptOf(request: RequestInput = {}, response: ResponseInput = {}): Script {
  const asked = requestOf(request);
  return { request: asked, response: responseOf(response, asked.method) };
}

function requestOf(input: RequestInput): RequestScript {
  const fields = fieldsOf(input.headers);
  const host = indexOf(fields, "host");
  const url = new URL(input.url ?? input.path ?? "/", "http://example.com");
  const authority = input.url !== undefined || host < 0 ? url.host : (fields[host + 1] as string);
  if (host < 0) fields.unshift("host", authority);
  const body = bodyOf(input, fields);
  if (body.length > 0 && indexOf(fields, "content-length") < 0)
    fields.push("content-length", String(body.length));
  return {
    method: input.method ?? (body.length === 0 ? "GET" : "POST"),
    scheme: url.protocol === "https:" ? "https" : "http",
    authority,
    // A URL's parser would make another path of some; this one is as it was written.
    path: input.path ?? pathOf(input.url),
    fields,
    body,
  };
}

function responseOf(input: ResponseInput, method: string): ResponseScript {
  const status = input.status ?? 200;
  if (input.failure !== undefined && !(input.failure in FAILURES))
    throw new RangeError(`${input.failure} is no failure`);
  const fields = fieldsOf(input.headers);
  const bodiless = method === "HEAD" || status === 204 || status === 304;
  const body = bodiless ? NO_BODY : bodyOf(input, fields);
  if (!bodiless && body.length >= 0 && indexOf(fields, "content-length") < 0)
    fields.push("content-length", String(body.length));
  return { status, fields, body, failure: input.failure };
}

function bodyOf(input: Pick<RequestInput, "body" | "chunks" | "trailers">, fields: FieldList): BodyScript {
  const chunks = (input.chunks ?? (input.body === undefined ? [] : [input.body])).map(bytesOf);
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const trailers = fieldsOf(input.trailers);
  const coding = indexOf(fields, "transfer-encoding");
  // It frames the message between two hosts, and no filter sees it.
  if (coding >= 0) fields.splice(coding, 2);
  const unknown = coding >= 0 || trailers.length > 0;
  return { chunks, trailers, length: unknown ? -1 : bytes };
}

function pathOf(url: string | undefined): string {
  const path = /^[a-z]+:\/\/[^/?#]*([^#]*)/i.exec(url ?? "")?.[1] ?? "";
  return path.startsWith("/") ? path : `/${path}`;
}

/** Values as Latin-1 code units, as the host has them. */
export function fieldsOf(input: FieldsInput = {}): FieldList {
  const pairs: (readonly [string, string | readonly string[]])[] = Array.isArray(input)
    ? (input as [string, string][]).slice()
    : Object.entries(input as Record<string, string | string[]>);
  return pairs.flatMap(([name, value]) =>
    (typeof value === "string" ? [value] : value).flatMap((one) => [name, wireText(one)]),
  );
}

/** Text as the bytes of its UTF-8, each a code unit. */
export function wireText(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The other way round; bytes that are no UTF-8 stay code units. */
export function readableText(wire: string): string {
  const bytes = Buffer.from(wire, "latin1");
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : wire;
}

function bytesOf(body: BodyInput): Buffer {
  return typeof body === "string" ? Buffer.from(body, "utf8") : Buffer.from(body);
}

const NO_BODY: BodyScript = { chunks: [], trailers: [], length: 0 };
