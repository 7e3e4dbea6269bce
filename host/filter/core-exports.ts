import { CALL } from "./fuel.ts";

/** The core exports of the contract, as wit-bindgen names them. */
export interface Core {
  configure(at: number, length: number): number;
  afterConfigure(out: number): void;
  open(): number;
  close(exchange: number): void;
  onRequest(exchange: number, head: number): number;
  afterRequest(out: number): void;
  onRequestChunk(exchange: number, at: number, length: number, position: number): number;
  afterRequestChunk(out: number): void;
  onRequestBody(exchange: number, head: number, at: number, length: number): number;
  afterRequestBody(out: number): void;
  onRequestTrailers(exchange: number, trailers: number): number;
  afterRequestTrailers(out: number): void;
  onResponse(exchange: number, head: number): number;
  afterResponse(out: number): void;
  onResponseChunk(exchange: number, at: number, length: number, position: number): number;
  afterResponseChunk(out: number): void;
  onResponseBody(exchange: number, head: number, at: number, length: number): number;
  afterResponseBody(out: number): void;
  onResponseTrailers(exchange: number, trailers: number): number;
  afterResponseTrailers(out: number): void;
  onEnd(
    exchange: number,
    ending: number,
    hasStatus: number,
    status: number,
    us: bigint,
    requestBytes: bigint,
    responseBytes: bigint,
  ): void;
}

export function coreOf(exports: WebAssembly.Exports): Core {
  // Each call begins with full fuel; what is done for it afterwards has what it has left.
  const of = (name: string): never => exports[`${CALL}${FILTER}${name}`] as never;
  // A post-return is exported only where a result owns memory.
  const after = (name: string): never => (exports[`cabi_post_${FILTER}${name}`] ?? (() => {})) as never;
  return {
    configure: of("configure"),
    afterConfigure: after("configure"),
    open: of("[constructor]exchange"),
    close: of("[dtor]exchange"),
    onRequest: of("[method]exchange.on-request"),
    afterRequest: after("[method]exchange.on-request"),
    onRequestChunk: of("[method]exchange.on-request-chunk"),
    afterRequestChunk: after("[method]exchange.on-request-chunk"),
    onRequestBody: of("[method]exchange.on-request-body"),
    afterRequestBody: after("[method]exchange.on-request-body"),
    onRequestTrailers: of("[method]exchange.on-request-trailers"),
    afterRequestTrailers: after("[method]exchange.on-request-trailers"),
    onResponse: of("[method]exchange.on-response"),
    afterResponse: after("[method]exchange.on-response"),
    onResponseChunk: of("[method]exchange.on-response-chunk"),
    afterResponseChunk: after("[method]exchange.on-response-chunk"),
    onResponseBody: of("[method]exchange.on-response-body"),
    afterResponseBody: after("[method]exchange.on-response-body"),
    onResponseTrailers: of("[method]exchange.on-response-trailers"),
    afterResponseTrailers: after("[method]exchange.on-response-trailers"),
    onEnd: of("[method]exchange.on-end"),
  };
}

const FILTER = "sluice:filter/filter@0.1.0#";
const METHODS = ["request", "response"].flatMap((way) =>
  ["", "-chunk", "-body", "-trailers"].map((part) => way + part),
);
/** Without the memory and its allocator. */
export const REQUIRED: readonly string[] = [
  "configure",
  "[constructor]exchange",
  "[dtor]exchange",
  ...[...METHODS, "end"].map((phase) => `[method]exchange.on-${phase}`),
].map((name) => FILTER + name);
