import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { Agent } from "undici";
import type { RegistryConfig } from "../config/config.ts";
import { readAuthorities } from "../tls/pem-file.ts";
import { type Answer, collect, discard } from "./answer.ts";
import { Authorization } from "./authorization.ts";
import { findCredentials } from "./credentials.ts";
import { networkFault, RegistryFault } from "./registry-fault.ts";

export interface ConnectionOptions {
  /** The docker config file of registries that name none of their own. */
  readonly credentials: string;
  /** How long one answer may take, to its last byte. */
  readonly timeoutMs: number;
}

export interface Question {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  /** From the registry's root, or an absolute URL that the registry has named. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  /** As token servers have it: `repository:name:pull`. */
  readonly scope: string;
}

/** What is sent. It can be sent again, as a registry may ask for an authorization only when it has got it. */
export interface Body {
  readonly bytes: Uint8Array;
  /** Is told how many have been sent. */
  readonly sent?: ((bytes: number) => void) | undefined;
}

/** One registry, as HTTP: authorization, redirects, trying again, time limits. Rejects with a `RegistryFault` and nothing else. */
export class RegistryConnection {
  readonly host: string;
  readonly #origin: string;
  readonly #insecure: boolean;
  readonly #timeoutMs: number;
  readonly #agent: Agent;
  readonly #authorization: Authorization;
  readonly #closing = new AbortController();

  /** Throws a `PemRefused` for a `ca` that is none. */
  constructor({ registry, insecure, ca, credentials }: RegistryConfig, options: ConnectionOptions) {
    this.host = registry;
    this.#origin = new URL(`http${insecure ? "" : "s"}://${registry}`).origin;
    this.#insecure = insecure;
    this.#timeoutMs = options.timeoutMs;
    this.#agent = new Agent({
      connections: CONNECTIONS_MAX,
      connectTimeout: options.timeoutMs,
      allowH2: false,
      ...(ca !== null && { connect: { ca: readAuthorities(ca), timeout: options.timeoutMs } }),
    });
    this.#authorization = new Authorization(
      registry,
      insecure,
      () => findCredentials(credentials ?? options.credentials, registry),
      async (url, { authorization, form }) => {
        const answer = await this.#send(url, form === undefined ? "GET" : "POST", {
          headers: {
            ...(authorization !== undefined && { authorization }),
            ...(form !== undefined && { "content-type": "application/x-www-form-urlencoded" }),
          },
          ...(form !== undefined && { body: { bytes: Buffer.from(form.toString()) } }),
          signal: this.#signal(),
        });
        return { status: answer.status, text: (await this.collect(answer, TOKEN_BYTES_MAX)).toString() };
      },
    );
  }

  /** Whatever the status is, but for those that are tried again; the body has to be read or discarded. */
  async ask(question: Question): Promise<Answer> {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#authorized(question);
      if (question.method !== "GET" || !AGAIN.has(answer.status) || tries > TRIES_MAX) return answer;
      const waitMs = waitOf(answer.headers["retry-after"], tries);
      if (waitMs > WAIT_MS_MAX) return answer;
      await discard(answer);
      try {
        await wait(waitMs, undefined, { signal: this.#closing.signal });
      } catch (error) {
        throw networkFault(answer.host, error, this.#timeoutMs);
      }
    }
  }

  /** The whole of a body; a longer one is refused. `read` is told how many bytes there are. */
  async collect(answer: Answer, bytesMax: number, read?: (bytes: number) => void): Promise<Buffer> {
    try {
      return await collect(answer, bytesMax, read);
    } catch (error) {
      throw networkFault(answer.host, error, this.#timeoutMs);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#agent.destroy();
  }

  async #authorized(question: Question): Promise<Answer> {
    const { scope } = question;
    const known = this.#authorization.headerFor(scope);
    const first = await this.#followed(question, known);
    // The hosts that it redirects to have no say in where credentials go.
    const asks = ({ status, origin }: Answer): boolean => status === 401 && origin === this.#origin;
    if (!asks(first)) return first;
    await discard(first);
    const fresh = await this.#authorization.answer(scope, first.headers["www-authenticate"]);
    const second = await this.#followed(question, fresh);
    if (!asks(second)) return second;
    await discard(second);
    throw this.#authorization.refused(scope);
  }

  async #followed(question: Question, authorization: string | undefined): Promise<Answer> {
    let url = this.#target(question.url, this.#origin);
    const signal = this.#signal();
    for (let hops = 0; ; hops += 1) {
      const own = url.origin === this.#origin;
      const answer = await this.#send(url, question.method, {
        headers: { ...question.headers, ...(own && authorization !== undefined && { authorization }) },
        body: question.body,
        signal,
      });
      const reads = question.method === "GET" || question.method === "HEAD";
      if (!reads || !REDIRECTS.has(answer.status)) return answer;
      await discard(answer);
      if (hops === HOPS_MAX) throw new RegistryFault(`${this.host} redirects again and again`);
      const { location } = answer.headers;
      if (typeof location !== "string") throw new RegistryFault(`${answer.host} redirects to nowhere`);
      url = this.#target(location, url.href);
    }
  }

  /** What a registry names is asked in the clear only where the registry is. */
  #target(location: string, base: string): URL {
    const url = URL.parse(location, base);
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "")
      throw new RegistryFault(`${this.host} redirects to what is no URL of HTTP`);
    if (url.protocol === "http:" && !this.#insecure)
      throw new RegistryFault(`${this.host} redirects to ${url.host}, which would be asked in the clear`);
    return url;
  }

  async #send(
    url: URL,
    method: Question["method"],
    rest: {
      readonly headers: Record<string, string>;
      readonly body?: Body | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<Answer> {
    const { body, signal } = rest;
    try {
      const { statusCode, ...answer } = await this.#agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
        headers: {
          ...rest.headers,
          "user-agent": "sluice",
          ...(body !== undefined && { "content-length": String(body.bytes.length) }),
        },
        body: body === undefined ? null : Readable.from(pieces(body)),
      });
      return {
        status: statusCode,
        headers: answer.headers,
        body: answer.body,
        host: url.host,
        origin: url.origin,
      };
    } catch (error) {
      throw networkFault(url.host, error, this.#timeoutMs);
    }
  }

  #signal(): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(this.#timeoutMs), this.#closing.signal]);
  }
}

/** Bytes in pieces, so that who waits can be told how far it is. */
function* pieces({ bytes, sent }: Body): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield bytes.subarray(at, at + PIECE_BYTES);
    sent?.(Math.min(at + PIECE_BYTES, bytes.length));
  }
}

/** How long to wait before it is tried again: as the server says, or longer each time. */
function waitOf(field: string | string[] | undefined, tries: number): number {
  if (typeof field !== "string") return WAIT_MS * 2 ** (tries - 1);
  if (/^\d{1,9}$/.test(field)) return Number(field) * 1_000;
  const at = Date.parse(field);
  return Number.isNaN(at) ? WAIT_MS * 2 ** (tries - 1) : Math.max(0, at - Date.now());
}

const AGAIN: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const TRIES_MAX = 2;
const WAIT_MS = 250;
/** A longer pause is the operator's to make. */
const WAIT_MS_MAX = 5_000;
const HOPS_MAX = 5;
const CONNECTIONS_MAX = 4;
const TOKEN_BYTES_MAX = 65_536;
const PIECE_BYTES = 65_536;
