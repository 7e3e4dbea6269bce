import type { Awaitable, Plan } from "./contract.ts";
import type { JcoField, LentTrailers, Request, Response } from "./reference-imports.ts";

/** A component's JavaScript as jco writes it with `instantiation: 'sync'`. */
export interface LinkedScript {
  instantiate(
    coreModule: (name: string) => WebAssembly.Module,
    imports: Record<string, Record<string, unknown>>,
    instantiateCore: (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance,
  ): { readonly filter: JcoFilter; readonly state?: JcoState };
}

/** Of a component that exports its state. */
export interface JcoState {
  save(): Uint8Array;
  /** Throws the sentence of a refusal. */
  restore(digest: string, state: Uint8Array): void;
}

export interface JcoFilter {
  configure(config: string): JcoPlan;
  Exchange: new () => JcoExchange;
}

export interface JcoPlan {
  readonly phases: {
    readonly request?: boolean;
    readonly requestTrailers?: boolean;
    readonly response?: boolean;
    readonly responseTrailers?: boolean;
    readonly end?: boolean;
  };
  readonly requestBody: JcoBodyMode;
  readonly responseBody: JcoBodyMode;
}

type JcoBodyMode =
  | { readonly tag: "none" }
  | { readonly tag: "stream" }
  | { readonly tag: "buffered"; readonly val: number };

export interface JcoExchange extends Disposable {
  onRequest(head: Request): Awaitable<JcoDecision>;
  onRequestChunk(chunk: Uint8Array, position: JcoPosition): Awaitable<JcoChunkDecision>;
  onRequestBody(head: Request, body: Uint8Array): Awaitable<JcoBodyDecision>;
  onRequestTrailers(trailers: LentTrailers): Awaitable<JcoDecision>;
  onResponse(head: Response): Awaitable<JcoDecision>;
  onResponseChunk(chunk: Uint8Array, position: JcoPosition): Awaitable<JcoChunkDecision>;
  onResponseBody(head: Response, body: Uint8Array): Awaitable<JcoBodyDecision>;
  onResponseTrailers(trailers: LentTrailers): Awaitable<JcoDecision>;
  onEnd(outcome: object): Awaitable<void>;
}

type JcoPosition = "more" | "last";

export type JcoDecision = { readonly tag: "proceed" } | { readonly tag: "reply"; readonly val: JcoReply };

export type JcoChunkDecision =
  | { readonly tag: "pass" }
  | { readonly tag: "hold" }
  | { readonly tag: "reset" }
  | { readonly tag: "replace"; readonly val: Uint8Array }
  | { readonly tag: "reply"; readonly val: JcoReply };

export type JcoBodyDecision =
  | { readonly tag: "pass" }
  | { readonly tag: "replace"; readonly val: Uint8Array }
  | { readonly tag: "reply"; readonly val: JcoReply };

export interface JcoReply {
  readonly status: number;
  readonly headers: JcoField[];
  readonly body: Uint8Array;
}

/** The plan, as the host has it. */
export function liftedPlan({ phases, requestBody, responseBody }: JcoPlan): Plan {
  return {
    request: phases.request === true,
    requestTrailers: phases.requestTrailers === true,
    response: phases.response === true,
    responseTrailers: phases.responseTrailers === true,
    end: phases.end === true,
    requestBody: bodyMode(requestBody),
    responseBody: bodyMode(responseBody),
  };
}

/** jco gives promises for the phases of components that may wait. */
export function settled<From, To>(result: Awaitable<From>, lift: (result: From) => To): Awaitable<To> {
  return result instanceof Promise ? result.then(lift) : lift(result);
}

/** The same bytes. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function bodyMode(mode: JcoBodyMode): Plan["requestBody"] {
  return mode.tag === "buffered" ? { kind: "buffered", bytesMax: mode.val } : { kind: mode.tag };
}
