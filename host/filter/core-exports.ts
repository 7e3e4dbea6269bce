import type { Awaitable } from "./contract.ts";
import { CALL } from "./fuel.ts";

/** Lets the guest free what a call gave. */
export type AfterCall = (out: number) => void;

/** The core exports of the contract, as wit-bindgen names them. */
export interface Core {
  configure(at: number, length: number): number;
  readonly afterConfigure: AfterCall;
  open(): number;
  close(exchange: number): void;
  onRequest(exchange: number, head: number): Awaitable<number>;
  readonly afterRequest: AfterCall;
  onRequestChunk(exchange: number, at: number, length: number, position: number): Awaitable<number>;
  readonly afterRequestChunk: AfterCall;
  onRequestBody(exchange: number, head: number, at: number, length: number): Awaitable<number>;
  readonly afterRequestBody: AfterCall;
  onRequestTrailers(exchange: number, trailers: number): Awaitable<number>;
  readonly afterRequestTrailers: AfterCall;
  onResponse(exchange: number, head: number): Awaitable<number>;
  readonly afterResponse: AfterCall;
  onResponseChunk(exchange: number, at: number, length: number, position: number): Awaitable<number>;
  readonly afterResponseChunk: AfterCall;
  onResponseBody(exchange: number, head: number, at: number, length: number): Awaitable<number>;
  readonly afterResponseBody: AfterCall;
  onResponseTrailers(exchange: number, trailers: number): Awaitable<number>;
  readonly afterResponseTrailers: AfterCall;
  onEnd(
    exchange: number,
    ending: number,
    hasStatus: number,
    status: number,
    us: bigint,
    requestBytes: bigint,
    responseBytes: bigint,
  ): Promise<void> | undefined;
}

/** Those of its optional part, where a component has it. */
export interface CoreState {
  save(): number;
  readonly afterSave: AfterCall;
  restore(digest: number, digestLength: number, at: number, length: number): number;
  readonly afterRestore: AfterCall;
}

/** `waits`: the phases may wait for something outside, and give promises. */
export function coreOf(exports: WebAssembly.Exports, waits: boolean): Core {
  const { of, after } = functionsOf(exports, FILTER);
  const phase = (name: string): never => (waits ? (WebAssembly.promising(of(name)) as never) : of(name));
  return {
    configure: of("configure"),
    afterConfigure: after("configure"),
    open: of("[constructor]exchange"),
    close: of("[dtor]exchange"),
    onRequest: phase("[method]exchange.on-request"),
    afterRequest: after("[method]exchange.on-request"),
    onRequestChunk: phase("[method]exchange.on-request-chunk"),
    afterRequestChunk: after("[method]exchange.on-request-chunk"),
    onRequestBody: phase("[method]exchange.on-request-body"),
    afterRequestBody: after("[method]exchange.on-request-body"),
    onRequestTrailers: phase("[method]exchange.on-request-trailers"),
    afterRequestTrailers: after("[method]exchange.on-request-trailers"),
    onResponse: phase("[method]exchange.on-response"),
    afterResponse: after("[method]exchange.on-response"),
    onResponseChunk: phase("[method]exchange.on-response-chunk"),
    afterResponseChunk: after("[method]exchange.on-response-chunk"),
    onResponseBody: phase("[method]exchange.on-response-body"),
    afterResponseBody: after("[method]exchange.on-response-body"),
    onResponseTrailers: phase("[method]exchange.on-response-trailers"),
    afterResponseTrailers: after("[method]exchange.on-response-trailers"),
    onEnd: phase("[method]exchange.on-end"),
  };
}

export function coreStateOf(exports: WebAssembly.Exports): CoreState {
  const { of, after } = functionsOf(exports, STATE);
  return {
    save: of("save"),
    afterSave: after("save"),
    restore: of("restore"),
    afterRestore: after("restore"),
  };
}

/** The functions of one interface: each, and what is called after it. */
function functionsOf(
  exports: WebAssembly.Exports,
  prefix: string,
): { of: (name: string) => never; after: (name: string) => never } {
  return {
    // Each call begins with full fuel; what is done for it afterwards has what it has left.
    of: (name) => exports[`${CALL}${prefix}${name}`] as never,
    // A post-return is exported only where a result owns memory.
    after: (name) => (exports[`cabi_post_${prefix}${name}`] ?? (() => {})) as never,
  };
}

const FILTER = "sluice:filter/filter@0.1.0#";
const STATE = "sluice:filter/state@0.1.0#";
/** The phases, by the names of their methods. */
export const METHODS: readonly string[] = [
  ...["request", "response"].flatMap((way) =>
    ["", "-chunk", "-body", "-trailers"].map((part) => `on-${way}${part}`),
  ),
  "on-end",
];
/** Without the memory and its allocator. */
export const REQUIRED: readonly string[] = [
  "configure",
  "[constructor]exchange",
  "[dtor]exchange",
  ...METHODS.map((method) => `[method]exchange.${method}`),
].map((name) => FILTER + name);
/** Of a component that exports its state, besides. */
export const REQUIRED_OF_STATE: readonly string[] = ["save", "restore"].map((name) => STATE + name);
