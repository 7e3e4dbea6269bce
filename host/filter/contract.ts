import type { ClientAddress, TellsClient } from "../client-address.ts";
import type { HeldBody } from "../held-body.ts";
import type { Reply, RequestHead, ResponseHead, Trailers } from "../message.ts";
import type { MetricScope } from "../ops/custom-metrics.ts";
import type { TimeSource } from "./call-time.ts";
import type { Exhausted } from "./fuel.ts";
import type { HttpClient, HttpSender } from "./http-client.ts";
import type { RandomSource } from "./imports/random.ts";
import type { Secrets } from "./secrets.ts";
import type { StoreGrant } from "./store-access.ts";

/** How a filter takes a body (WIT `filter.body-mode`). */
export type BodyMode =
  | { readonly kind: "none" }
  | { readonly kind: "stream" }
  | { readonly kind: "buffered"; readonly bytesMax: number };

/** What `configure` asks for (WIT `filter.plan`). */
export interface Plan {
  readonly request: boolean;
  readonly requestTrailers: boolean;
  readonly response: boolean;
  readonly responseTrailers: boolean;
  readonly end: boolean;
  readonly requestBody: BodyMode;
  readonly responseBody: BodyMode;
}

/** WIT `types.chunk-decision`: undefined is `pass`, bytes are `replace`. */
export type ChunkDecision = Buffer | Reply | typeof HOLD | typeof RESET | undefined;

/** WIT `types.body-decision`: undefined is `pass`, bytes are `replace`. */
export type BodyDecision = Buffer | Reply | undefined;

export const HOLD: unique symbol = Symbol("hold");
export const RESET: unique symbol = Symbol("reset");

/** WIT `filter.ending`, in the order of its cases. */
export const ENDINGS = [
  "complete",
  "client-gone",
  "upstream-failed",
  "filter-failed",
  "timed-out",
  "refused",
] as const;
export type Ending = (typeof ENDINGS)[number];

/** WIT `filter.outcome`. */
export interface Outcome {
  readonly ending: Ending;
  /** 0 when no head went out. */
  readonly status: number;
  readonly durationUs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

/** WIT `log.level`, in the order of its cases. */
export const LEVELS = ["trace", "debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];

/** Facts about the exchange being served (WIT `exchange-facts`). */
export interface ExchangeFacts {
  readonly requestId: string;
  readonly route: string;
  readonly protocol: string;
  readonly tlsVersion: string | undefined;
  /** For filters that are granted something of it. */
  readonly clientAddress: ClientAddress;
  /** For filters' own requests: to the upstreams of the exchange's generation. */
  readonly http: HttpSender;
  /** What filters have left for those after them; made by the first that leaves something. */
  metadata: Map<string, MetadataValue> | undefined;
  /** Of all that filters have left, also where it was replaced since. */
  metadataBytes: number;
}

/** A value that one filter leaves for those after it (WIT `exchange-facts.value`). */
export type MetadataValue =
  | { readonly tag: "text"; readonly val: string }
  | { readonly tag: "integer"; readonly val: bigint }
  | { readonly tag: "boolean"; readonly val: boolean }
  | { readonly tag: "bytes"; readonly val: Uint8Array };

/** WIT `state.save`: a state, or the length of one that is longer than `stateBytesMax` and was left where it is. */
export type Saved = Uint8Array | number;

/** What an instance asks of the host outside of the messages. */
export interface HostServices {
  readonly filterName: string;
  /** What the filter is granted of it. */
  readonly tellsClient: TellsClient;
  readonly http: HttpClient;
  readonly secrets: Secrets;
  readonly store: StoreGrant;
  readonly metrics: MetricScope;
  /** In the place of this machine's clocks: where an exchange has to come out the same each time. */
  readonly time?: TimeSource;
  /** In the place of the system's generator. */
  readonly random?: RandomSource;
  readonly logEnabled: (level: Level) => boolean;
  /** Handles that the guest has been given in an exchange were not given back by its end. */
  readonly handlesLeaked: (count: number) => void;
  /** A line over the limits was not logged. */
  readonly logDropped: () => void;
  readonly log: (
    level: Level,
    requestId: string | undefined,
    message: string,
    attributes: readonly (readonly [string, string])[],
  ) => void;
}

/** What `wasi:cli/environment` hands out. */
export type Environment = readonly (readonly [name: string, value: string])[];

/** Bounds on what one call, or one exchange, may ask for. Units are in the names. */
export interface FilterLimits {
  readonly editsMax: number;
  readonly editBytesMax: number;
  readonly replyBytesMax: number;
  readonly bodyHeldBytesMax: number;
  readonly bodyBufferedBytesMax: number;
  readonly logLinesMax: number;
  readonly logLineBytesMax: number;
  readonly metadataBytesMax: number;
  readonly metricLabelsMax: number;
  readonly storeKeyBytesMax: number;
  readonly storeValueBytesMax: number;
  readonly stateBytesMax: number;
  /** What one call may consume. */
  readonly fuel: number;
}

/**
 * One live copy of an artifact. It serves one exchange at a time: `open`, its phases, `close`.
 *
 * A method that throws has ended the instance, whatever it throws: discard it. Expected causes are a `FilterFault`
 * (the contract was broken) and what the engine throws for a trap.
 */
export interface Instance {
  /** WIT `filter.configure`. Throws a `ConfigRefused` with the filter's own sentence. */
  configure(config: string): Plan;
  /** WIT `state.save`, outside of an exchange. Only of an artifact with a state. */
  save(): Saved;
  /** WIT `state.restore`, after `configure` and before any exchange; gives the sentence of a refusal. Only of an artifact with a state. */
  restore(digest: string, state: Uint8Array): string | undefined;
  /** WIT `[constructor]exchange`. */
  open(facts: ExchangeFacts): void;
  /** Undefined: proceed. The head has the call's edits when it returns, and is untouched when it throws. */
  onRequest(head: RequestHead): Awaitable<Reply | undefined>;
  /** `last`: no more bytes follow; there may be none in this chunk either. */
  onRequestChunk(chunk: Buffer, last: boolean): Awaitable<ChunkDecision>;
  /** As `onRequest` for the head. */
  onRequestBody(head: RequestHead, body: HeldBody): Awaitable<BodyDecision>;
  /** As `onRequest`, for trailers. */
  onRequestTrailers(trailers: Trailers): Awaitable<Reply | undefined>;
  /** As `onRequest`. */
  onResponse(head: ResponseHead): Awaitable<Reply | undefined>;
  onResponseChunk(chunk: Buffer, last: boolean): Awaitable<ChunkDecision>;
  onResponseBody(head: ResponseHead, body: HeldBody): Awaitable<BodyDecision>;
  onResponseTrailers(trailers: Trailers): Awaitable<Reply | undefined>;
  onEnd(outcome: Outcome): Awaitable<void>;
  /** Ends what the present call waits for, so that it returns soon: the exchange has ended. */
  hurry(): void;
  /** WIT `[dtor]exchange`. */
  close(): void;
  /** What the guest wrote to standard error and has not ended with a line break: a panic's message, after a trap. */
  lastWords(): string;
  /** What was used up when a call of it trapped, if that was why. */
  readonly exhausted: Exhausted | undefined;
  /** Units of fuel that its present call has consumed, or its last one. */
  readonly fuelUsed: number;
  /** Bytes of linear memory. */
  readonly memoryBytes: number;
  /** How many it has served, the present one included. */
  readonly exchanges: number;
}

/** A promise comes from instances that may wait within a call, which those with the import `http-client` do, and from no others. */
export type Awaitable<Result> = Result | Promise<Result>;

/** The filter broke the contract: the call's edits or its result were refused. `detail` is for the log. */
export class FilterFault extends Error {
  override readonly name = "FilterFault";
  readonly reason: "contract" | "size" | "handle";

  /** `size`: in order, but for its size or number. */
  constructor(sentence: string, reason: "contract" | "size" | "handle" = "contract") {
    super(sentence);
    this.reason = reason;
  }
}

/** `configure` answered with an error: a sentence for the operator. */
export class ConfigRefused extends Error {
  override readonly name = "ConfigRefused";
}

/** The file is no artifact that this host can run; the sentence names the file, and the import or export that is wrong. */
export class ArtifactRefused extends Error {
  override readonly name = "ArtifactRefused";
  /** What is missing: a signature that is asked for, a grant, or an artifact that is one. */
  readonly code: "signature" | "grant" | "artifact";

  constructor(sentence: string, options?: ErrorOptions & { readonly code?: ArtifactRefused["code"] }) {
    super(sentence, options);
    this.code = options?.code ?? "artifact";
  }
}
