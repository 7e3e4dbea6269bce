import * as z from "zod";
import type { Json } from "../config/config.ts";
import { FUELED } from "../config/fuel-limits.ts";
import { bounded, flag, list, mapping, word } from "../config/shape.ts";
import { FAILURES, type FailureCode } from "../failure.ts";
import { type Expectation, INVARIANCES, type InvarianceKind } from "./case.ts";
import { type BodyDraft, bodied, body, fields, instant, line, texts } from "./case-pieces.ts";
import { expectation } from "./expectation-schema.ts";
import type { FieldsInput } from "./message-input.ts";
import { STANDARD_TIME } from "./still-clock.ts";

/** A document of a case file, as it is written. */
export interface CaseDraft {
  readonly name: string;
  readonly component?: string | undefined;
  readonly config: Json;
  readonly grant: GrantDraft;
  readonly "on-failure": "closed" | "open";
  readonly limits: { readonly fuel: number; readonly memory: number };
  readonly clock: string | number;
  readonly random: number;
  readonly facts: FactsDraft;
  readonly store: Readonly<Record<string, string>>;
  readonly request: MessageDraft & {
    readonly method?: string | undefined;
    readonly url?: string | undefined;
    readonly path?: string | undefined;
  };
  readonly response: MessageDraft & {
    readonly status?: number | undefined;
    readonly failure?: FailureCode | undefined;
  };
  readonly http: readonly ServiceDraft[];
  readonly expect: Expectation;
  readonly snapshot: boolean;
  readonly invariance: "all" | "none" | readonly InvarianceKind[];
}

export interface MessageDraft {
  readonly headers?: FieldsInput | undefined;
  readonly body?: BodyDraft | undefined;
  readonly chunks?: readonly BodyDraft[] | undefined;
  readonly trailers?: FieldsInput | undefined;
}

export interface ServiceDraft {
  readonly upstream: string;
  readonly request: {
    readonly method?: string | undefined;
    readonly path?: string | undefined;
    readonly headers?: FieldsInput | undefined;
    readonly body?: BodyDraft | undefined;
  };
  readonly response: {
    readonly status?: number | undefined;
    readonly headers?: FieldsInput | undefined;
    readonly body?: BodyDraft | undefined;
  };
  readonly error?: "unreachable" | "timed-out" | "too-large" | "busy" | undefined;
}

interface GrantDraft {
  readonly log: boolean;
  readonly "exchange-facts": boolean;
  readonly "client-address": boolean;
  readonly clock: boolean;
  readonly random: boolean;
  readonly metrics: boolean;
  readonly store: boolean;
  readonly "rate-limit": boolean;
  readonly secrets?: Readonly<Record<string, string>> | undefined;
  readonly http?: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string>>;
}

interface FactsDraft {
  readonly "request-id"?: string | undefined;
  readonly route?: string | undefined;
  readonly "filter-name"?: string | undefined;
  readonly protocol?: "HTTP/1.1" | "HTTP/1.0" | undefined;
  readonly "tls-version"?: string | undefined;
  readonly "client-address"?: string | undefined;
}

/** What a document has to be. */
export const CASE: z.ZodType<CaseDraft> = mapping("a mapping with name, request and expect", {
  name: line("the name of the case").describe("What the case shows, as a sentence."),
  component: line("the path of a component")
    .optional()
    .describe("The component, from the file's folder; the project's own one when left out."),
  config: z
    .unknown()
    .transform((input) => (input ?? null) as Json)
    .prefault(null)
    .describe("Handed to the filter's `configure` as JSON."),
  grant: grant().prefault({}).describe("What the filter may call and see."),
  "on-failure": word(["closed", "open"]).default("closed").describe("As in a configuration."),
  limits: mapping("a mapping with fuel or memory", {
    fuel: bounded(FUELED.fuel).prefault(FUELED.fuel.default).describe(FUELED.fuel.meaning),
    memory: bounded(FUELED.memoryBytesMax).prefault("16MiB").describe(FUELED.memoryBytesMax.meaning),
  }).prefault({}),
  clock: instant().prefault(STANDARD_TIME).describe("What time it is; it stands still."),
  random: z.int({ error: "a whole number" }).default(1).describe("The seed of all randomness."),
  facts: facts().prefault({}).describe("What the exchange is told about itself."),
  store: texts("a mapping from keys to values", "a key")
    .prefault({})
    .describe("What is in the filter's part of the store before."),
  request: mapping("a mapping with method, path, headers, body, …", {
    method: line("a method, like GET")
      .optional()
      .describe("GET without a body, POST with one, when left out."),
    url: line("a URL").optional().describe("Scheme, host, path and query at once."),
    path: line("a path").optional().describe("Path and query."),
    ...bodied(),
  })
    .prefault({})
    .describe("What the client sends."),
  response: mapping("a mapping with status, headers, body, …", {
    status: status().optional(),
    failure: z
      .enum(Object.keys(FAILURES) as [FailureCode, ...FailureCode[]], {
        error: "a failure's code, like UPSTREAM_UNREACHABLE",
      })
      .optional()
      .describe("The upstream fails so, and answers nothing."),
    ...bodied(),
  })
    .prefault({})
    .describe("What the upstream answers."),
  http: list("a list of mock services", service(), 256)
    .prefault([])
    .describe("Who answers the filter's own requests: the first one that takes a request."),
  expect: expectation().prefault({}).describe("What has to come of it. What is not named may be anything."),
  snapshot: flag()
    .default(false)
    .describe(
      "Whether all that comes of it is compared with a file beside this one, which `--update` writes.",
    ),
  invariance: invariance()
    .default("all")
    .describe("What has to make no difference: `all`, `none`, or a list."),
});

function grant(): z.ZodType<GrantDraft> {
  return mapping("a mapping from names of imports to what of them is granted", {
    log: flag().default(true),
    "exchange-facts": flag().default(true),
    "client-address": flag().default(false),
    clock: flag().default(false),
    random: flag().default(false),
    metrics: flag().default(false),
    store: flag().default(false),
    "rate-limit": flag().default(false),
    secrets: texts("a mapping from names of secrets to what they are", "a name")
      .optional()
      .describe("The secrets themselves: what a configuration reads elsewhere is made up in a test."),
    http: list("a list of upstreams' names", line("the name of an upstream"), 64).optional(),
    env: texts("a mapping from names to texts", "a name").prefault({}),
  });
}

function facts(): z.ZodType<FactsDraft> {
  return mapping("a mapping with request-id, route, …", {
    "request-id": line("an id").optional(),
    route: line("a name").optional(),
    "filter-name": line("a name").optional(),
    protocol: word(["HTTP/1.1", "HTTP/1.0"]).optional(),
    "tls-version": line("a version, like TLSv1.3").optional(),
    "client-address": line("an address")
      .optional()
      .describe("The filter sees it where `grant.client-address` is true."),
  });
}

function service(): z.ZodType<ServiceDraft> {
  return mapping("a mapping with upstream, request and response", {
    upstream: line("the name of an upstream"),
    request: mapping("a mapping with method, path, headers or body", {
      method: line("a method").optional(),
      path: line("a path").optional(),
      headers: fields().optional(),
      body: body().optional(),
    })
      .prefault({})
      .describe("Which requests it takes; what is not named may be anything."),
    response: mapping("a mapping with status, headers or body", {
      status: status().optional(),
      headers: fields().optional(),
      body: body().optional(),
    }).prefault({}),
    error: word(["unreachable", "timed-out", "too-large", "busy"])
      .optional()
      .describe("There is no answer, for this reason."),
  });
}

function invariance(): z.ZodType<CaseDraft["invariance"], CaseDraft["invariance"]> {
  const error = "all, none or a list of what has to make no difference";
  return z.union([z.literal(["all", "none"], { error }), z.array(word(INVARIANCES))], { error });
}

function status(): z.ZodType<number, number> {
  const error = "a status from 200 to 599";
  return z.int({ error }).min(200, { error }).max(599, { error });
}
