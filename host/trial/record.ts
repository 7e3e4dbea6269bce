import type { MetadataValue, Outcome, Plan } from "../filter/contract.ts";
import type { HttpAnswer, OwnRequest } from "../filter/http-client.ts";
import type { FieldList } from "../message.ts";
import type { FilterFailureReason } from "../ops/meter.ts";

/**
 * All that one filter was given in one exchange, and what it made of it: enough to call another version of it in the same
 * way, without the exchange. Plain data, which survives a structured clone.
 *
 * It holds what clients and servers have sent. It is not for logs, and nobody keeps it who was not asked to.
 */
export interface ExchangeRecord {
  /** The filter's name in the configuration, the digest of its artifact, and that of its config (SHA-256 of the JSON text, hex). */
  readonly filter: string;
  readonly digest: string;
  readonly configDigest: string;
  /** The phases in which the filter was called; in others nothing was decided. */
  readonly plan: Plan;
  /** Unix milliseconds, when the filter was reached. */
  readonly at: number;
  readonly facts: RecordedFacts;
  /** In the order in which it came by the filter: a response may begin before its request has ended. */
  readonly steps: readonly RecordedStep[];
  /** The filter's own requests, in the order in which they were sent. */
  readonly requests: readonly RecordedRequest[];
  /** What clocks and randomness have given it; only where that was noted. */
  readonly inputs?: RecordedInputs | undefined;
  /** Null when the exchange has not told its end: it was copied before. */
  readonly outcome: Outcome | null;
  /** How the filter failed when it was told the end, or its exchange was dropped. */
  readonly endFailed: FilterFailureReason | null;
  /** Whether something was too much to be copied; a message of which a part is missing has no step that is `last`. */
  readonly cut: boolean;
}

/** What `exchange-facts` tells. */
export interface RecordedFacts {
  readonly requestId: string;
  readonly route: string;
  readonly protocol: string;
  readonly tlsVersion: string | undefined;
  /** Empty unless the filter is granted it. */
  readonly clientAddress: string;
}

/** Each in the order in which the filter has asked for it. */
export interface RecordedInputs {
  readonly wallMs: readonly number[];
  readonly monotonicNs: readonly bigint[];
  readonly bytes: readonly Uint8Array[];
  readonly numbers: readonly bigint[];
}

/** Something that came by the filter. */
export type RecordedStep = RecordedMessage | RecordedChunk | RecordedBody | RecordedTrailers;

interface Step {
  /** 0 is the request. A response that takes another one's place is a message of its own. */
  readonly message: number;
  /** What the filter made of it; null when its plan has no such phase, or it was not called. */
  made: RecordedDecision | null;
}

/** A head. */
export interface RecordedMessage extends Step {
  readonly kind: "head";
  readonly head: RecordedHead;
  /** Of the body, as it came to the chain: 0 without one, -1 when only its end will tell. */
  readonly length: number;
  /** What filters have left for those after them so far. */
  readonly metadata: readonly (readonly [string, MetadataValue])[];
}

/** A piece of a body that is streamed. */
export interface RecordedChunk extends Step {
  readonly kind: "chunk";
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/** A whole body. */
export interface RecordedBody extends Step {
  readonly kind: "body";
  readonly bytes: Uint8Array;
}

export interface RecordedTrailers extends Step {
  readonly kind: "trailers";
  readonly fields: FieldList;
}

export type RecordedHead = RecordedRequestHead | RecordedResponseHead;

export interface RecordedRequestHead {
  readonly method: string;
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly path: string;
  readonly fields: FieldList;
}

export interface RecordedResponseHead {
  readonly status: number;
  readonly fields: FieldList;
}

export type RecordedDecision =
  /** It goes on. `head` or `fields` when the filter has edited the head or the trailers. */
  | { readonly kind: "proceed"; readonly edited: RecordedHead | FieldList | null }
  | { readonly kind: "replace"; readonly bytes: Uint8Array; readonly edited: RecordedHead | null }
  | { readonly kind: "hold" }
  | RecordedReply
  | { readonly kind: "reset" }
  | { readonly kind: "failed"; readonly reason: FilterFailureReason };

export interface RecordedReply {
  readonly kind: "reply";
  readonly status: number;
  readonly fields: FieldList;
  readonly body: Uint8Array;
}

/** A request of the filter's own; the answer is null when the exchange ended first, or it was too long to be copied. */
export interface RecordedRequest {
  readonly request: OwnRequest;
  answer: HttpAnswer | null;
}
