import type { Readable } from "node:stream";
import { Client as Origin, type Dispatcher, errors } from "undici";
import type { ServerConfig } from "./config/config.ts";
import { Failure, type FailureCode } from "./failure.ts";
import type { RequestHead } from "./message.ts";

/** Bounds on one upstream. Units are in the names. */
export interface UpstreamLimits {
  readonly connectionsMax: number;
  readonly pendingMax: number;
  readonly connectMs: number;
  readonly headMs: number;
  readonly bodyMs: number;
  readonly keepAliveMs: number;
  readonly headBytesMax: number;
}

/** What an exchange is told by its upstream. After `upstreamEnded` or `upstreamFailed` nothing more comes. */
export interface UpstreamOwner {
  /** `raw` is flat and as received: names and values in turn. */
  upstreamResponded(status: number, raw: string[]): void;
  upstreamSent(chunk: Buffer): void;
  upstreamEnded(): void;
  upstreamFailed(failure: Failure): void;
}

/** A named group of servers. undici stays behind it. */
export class Upstream {
  readonly name: string;
  readonly #servers: readonly Server[];
  #next = 0;

  constructor(name: string, servers: readonly ServerConfig[], limits: UpstreamLimits) {
    this.name = name;
    this.#servers = servers.map((server) => new Server(server, limits));
  }

  /**
   * Sends a request. `fields` are flat and final, Host among them; `body` is undefined without one.
   * The owner hears of everything that follows; of a request that cannot be sent at all, before this returns.
   */
  send(head: RequestHead, fields: string[], body: Readable | undefined, owner: UpstreamOwner): UpstreamCall {
    const server = this.#choose();
    const call = new UpstreamCall(server, head, fields, body, owner);
    server.submit(call);
    return call;
  }

  /** Ends idle connections now, and the others when they have finished. */
  close(): void {
    for (const server of this.#servers) server.close();
  }

  /** The server with the fewest requests in flight; the turn decides among equals. */
  #choose(): Server {
    const servers = this.#servers;
    const first = this.#next;
    this.#next = (first + 1) % servers.length;
    let best = servers[first] as Server;
    for (let step = 1; step < servers.length; step++) {
      const server = servers[(first + step) % servers.length] as Server;
      if (server.load < best.load) best = server;
    }
    return best;
  }
}

/**
 * One address of an upstream, and this worker's connections to it: a list of free ones, used last in, first out, so that
 * those beyond the need run into their idle time. undici's own pool looks at each of its connections for every request.
 */
class Server {
  readonly #config: ServerConfig;
  readonly #limits: UpstreamLimits;
  readonly #free: Origin[] = [];
  readonly #all = new Set<Origin>();
  readonly #pending: UpstreamCall[] = [];
  #closed = false;

  constructor(config: ServerConfig, limits: UpstreamLimits) {
    this.#config = config;
    this.#limits = limits;
  }

  get headMs(): number {
    return this.#limits.headMs;
  }

  get bodyMs(): number {
    return this.#limits.bodyMs;
  }

  /** Requests in flight and waiting. */
  get load(): number {
    return this.#all.size - this.#free.length + this.#pending.length;
  }

  submit(call: UpstreamCall): void {
    const origin =
      this.#free.pop() ?? (this.#all.size < this.#limits.connectionsMax ? this.#open() : undefined);
    if (origin !== undefined) return call.dispatch(origin);
    if (this.#pending.length < this.#limits.pendingMax) {
      this.#pending.push(call);
      return;
    }
    queueMicrotask(() =>
      call.fail(
        new Failure("UPSTREAM_BUSY", `${this.#config.origin}: ${this.#pending.length} requests wait already`),
      ),
    );
  }

  /** Takes a connection back, and gives it to the request that has waited longest. */
  release(origin: Origin): void {
    const next = this.#pending.shift();
    if (next !== undefined) return next.dispatch(origin);
    if (this.#closed) {
      this.#all.delete(origin);
      void origin.close();
    } else this.#free.push(origin);
  }

  /** Forgets a request that has not got a connection. */
  forget(call: UpstreamCall): void {
    const at = this.#pending.indexOf(call);
    if (at >= 0) this.#pending.splice(at, 1);
  }

  close(): void {
    this.#closed = true;
    for (const origin of this.#free) {
      this.#all.delete(origin);
      void origin.close();
    }
    this.#free.length = 0;
  }

  #open(): Origin {
    const { connectMs, headMs, bodyMs, keepAliveMs, headBytesMax } = this.#limits;
    const origin = new Origin(this.#config.origin, {
      pipelining: 1,
      allowH2: false,
      connect: { timeout: connectMs },
      headersTimeout: headMs,
      bodyTimeout: bodyMs,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      maxHeaderSize: headBytesMax,
    });
    this.#all.add(origin);
    return origin;
  }
}

/** One request under way to one server. */
export class UpstreamCall implements Dispatcher.DispatchHandler {
  readonly #server: Server;
  readonly #head: RequestHead;
  readonly #fields: string[];
  readonly #body: Readable | undefined;
  #owner: UpstreamOwner | undefined;
  #origin: Origin | undefined;
  #controller: Dispatcher.DispatchController | undefined;

  constructor(
    server: Server,
    head: RequestHead,
    fields: string[],
    body: Readable | undefined,
    owner: UpstreamOwner,
  ) {
    this.#server = server;
    this.#head = head;
    this.#fields = fields;
    this.#body = body;
    this.#owner = owner;
  }

  dispatch(origin: Origin): void {
    this.#origin = origin;
    const { method, path } = this.#head;
    origin.dispatch(
      {
        method,
        path,
        headers: this.#fields,
        body: this.#body ?? null,
        // A response without a body leaves the connection usable: undici doubts it after HEAD.
        reset: (method === "HEAD" ? false : null) as boolean,
      },
      this,
    );
  }

  /** Nobody waits for the answer any more: the connection is dropped with it. */
  cancel(): void {
    if (this.#owner === undefined) return;
    this.#owner = undefined;
    if (this.#origin === undefined) this.#server.forget(this);
    else this.#controller?.abort(CANCELLED);
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  /** Ends the call without an answer. */
  fail(failure: Failure): void {
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.upstreamFailed(failure);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#owner === undefined) controller.abort(CANCELLED);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    // Interim responses are not the answer.
    if (status < 200) return;
    // RFC 9110 §15: there are no such statuses, and the contract with filters knows none.
    if (status > 599) return controller.abort(new Failure("UPSTREAM_MALFORMED", `status ${status}`));
    this.#owner?.upstreamResponded(status, latin1(controller.rawHeaders as Buffer[]));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#owner?.upstreamSent(chunk);
  }

  onResponseEnd(): void {
    const owner = this.#owner;
    this.#owner = undefined;
    this.#release();
    owner?.upstreamEnded();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#release();
    this.fail(failureOf(error));
  }

  #release(): void {
    const origin = this.#origin;
    this.#origin = undefined;
    if (origin !== undefined) this.#server.release(origin);
  }
}

const CANCELLED = new errors.RequestAbortedError("cancelled");

function latin1(raw: readonly Buffer[]): string[] {
  const fields = new Array<string>(raw.length);
  for (let at = 0; at < raw.length; at++) {
    const bytes = raw[at] as Buffer;
    fields[at] = bytes.latin1Slice(0, bytes.length);
  }
  return fields;
}

/** The one place where undici's and the system's errors become our codes. */
function failureOf(error: NodeJS.ErrnoException): Failure {
  if (error instanceof Failure) return error;
  const code = error.code ?? "";
  const malformed = error instanceof errors.HTTPParserError || NO_ANSWER.test(error.message);
  return new Failure(
    ERRORS[code] ?? (malformed ? "UPSTREAM_MALFORMED" : "UPSTREAM_BROKE_OFF"),
    `${code} ${error.message}`,
    { cause: error },
  );
}

/** undici's words for an interim response that it did not ask for; the code is that of a broken socket. */
const NO_ANSWER = /^bad (upgrade|response)$/;

const ERRORS: Readonly<Record<string, FailureCode>> = {
  UND_ERR_CONNECT_TIMEOUT: "UPSTREAM_CONNECT_TIMED_OUT",
  UND_ERR_HEADERS_TIMEOUT: "UPSTREAM_TIMED_OUT",
  UND_ERR_BODY_TIMEOUT: "UPSTREAM_TIMED_OUT",
  UND_ERR_HEADERS_OVERFLOW: "UPSTREAM_MALFORMED",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "UPSTREAM_MALFORMED",
  UND_ERR_INVALID_ARG: "HOST_BROKE",
  UND_ERR_NOT_SUPPORTED: "HOST_BROKE",
  EACCES: "UPSTREAM_UNREACHABLE",
  EADDRNOTAVAIL: "UPSTREAM_UNREACHABLE",
  EAI_AGAIN: "UPSTREAM_UNREACHABLE",
  ECONNREFUSED: "UPSTREAM_UNREACHABLE",
  EHOSTUNREACH: "UPSTREAM_UNREACHABLE",
  ENETUNREACH: "UPSTREAM_UNREACHABLE",
  ENOTFOUND: "UPSTREAM_UNREACHABLE",
  ETIMEDOUT: "UPSTREAM_CONNECT_TIMED_OUT",
};
