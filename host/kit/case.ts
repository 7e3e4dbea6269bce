import type { Json } from "../config/config.ts";
import type { KitGrant } from "./kit-host.ts";
import type { RequestInput, ResponseInput } from "./message-input.ts";
import type { MockService } from "./mock-services.ts";
import type { StagedFacts } from "./staged-exchange.ts";
import type { CallName } from "./watched-instance.ts";

/** One case: what a filter is given, and what has to come of it. */
export interface Case {
  readonly name: string;
  /** Where it is written. */
  readonly file: string;
  readonly line: number;
  /** Absolute; null where the project's own component is meant. */
  readonly component: string | null;
  readonly config: Json;
  readonly grant: KitGrant;
  readonly onFailure: "closed" | "open";
  readonly fuel: number;
  readonly memoryBytesMax: number;
  readonly clock: string | number;
  readonly random: number;
  readonly filterName: string;
  readonly facts: Partial<StagedFacts>;
  /** What is in the filter's part of the store before. */
  readonly store: Readonly<Record<string, string>>;
  readonly request: RequestInput;
  readonly response: ResponseInput;
  readonly http: readonly MockService[];
  readonly expect: Expectation;
  readonly snapshot: boolean;
  /** What has to make no difference to it; all, when it names none. */
  readonly invariance: readonly InvarianceKind[];
}

/** What must make no difference to what a filter does. */
export const INVARIANCES = [
  /** How a body is cut into chunks. */
  "chunks",
  /** The order of fields with different names, and the case of names. */
  "headers",
  /** That an exchange has been served before. */
  "state",
  /** That the client or the upstream breaks off: it costs this exchange and leaves nothing behind. */
  "abort",
  /** That another version takes over meanwhile. */
  "swap",
  /** That a call runs out of fuel: the exchange goes by the policy, and the next one as ever. */
  "fuel",
] as const;
export type InvarianceKind = (typeof INVARIANCES)[number];

/** A text, or what is true of it. */
export type TextExpectation = string | { readonly matches: string } | { readonly contains: string };

/** By name: the values of all fields of that name; null where there must be none. */
export type FieldsExpectation = Readonly<Record<string, TextExpectation | readonly string[] | null>>;

export type BodyExpectation = TextExpectation | { readonly json: Json } | { readonly bytes: Uint8Array };

export interface MessageExpectation {
  readonly status?: number | undefined;
  readonly method?: string | undefined;
  readonly authority?: string | undefined;
  readonly path?: TextExpectation | undefined;
  readonly headers?: FieldsExpectation | undefined;
  readonly body?: BodyExpectation | undefined;
  readonly trailers?: FieldsExpectation | undefined;
  readonly whole?: boolean | undefined;
  /** Of a filter's own request. */
  readonly upstream?: string | undefined;
}

export interface LineExpectation {
  readonly level?: string | undefined;
  readonly message?: TextExpectation | undefined;
  readonly attributes?: Readonly<Record<string, TextExpectation>> | undefined;
}

export interface FailureExpectation {
  readonly reason?: string | undefined;
  readonly code?: string | undefined;
  readonly detail?: TextExpectation | undefined;
  /** A place of the stack. */
  readonly stack?: TextExpectation | undefined;
}

/** What is named has to be so; what is not named may be anything. */
export interface Expectation {
  /** What the filter, or the host, answers in the place of the upstream; null: the upstream's own answer comes through. */
  readonly reply?: MessageExpectation | null | undefined;
  /** The request as the upstream gets it; null: it gets none. */
  readonly upstream?: MessageExpectation | null | undefined;
  /** The response as the client gets it. */
  readonly response?: MessageExpectation | undefined;
  /** By phase: each change, as `+ name: value`, `- name: value` or `path: /a -> /b`. */
  readonly edits?: { readonly [Call in CallName]?: readonly string[] } | undefined;
  /** These lines, in this order; there may be others between them. */
  readonly log?: readonly (TextExpectation | LineExpectation)[] | undefined;
  readonly metrics?: Readonly<Record<string, number>> | undefined;
  readonly metadata?: Readonly<Record<string, string | number | boolean | null>> | undefined;
  readonly store?: Readonly<Record<string, TextExpectation | null>> | undefined;
  /** Null: the filter does not fail. */
  readonly failure?: FailureExpectation | null | undefined;
  /** The filter's own requests: so many, in this order. */
  readonly http?: readonly MessageExpectation[] | undefined;
}
