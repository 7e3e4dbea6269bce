import * as z from "zod";
import type { Json } from "../config/config.ts";
import { alternatives, flag, list, mapping, named, word } from "../config/shape.ts";
import { FAILURES } from "../failure.ts";
import { LEVELS } from "../filter/contract.ts";
import { FILTER_FAILURE_REASONS } from "../ops/meter.ts";
import type {
  BodyExpectation,
  Expectation,
  FailureExpectation,
  FieldsExpectation,
  LineExpectation,
  MessageExpectation,
  TextExpectation,
} from "./case.ts";
import { line, plainText } from "./case-pieces.ts";

/** What has to come of a case: any part of it. */
export function expectation(): z.ZodType<Expectation> {
  return mapping("a mapping with reply, upstream, response, edits, log, …", {
    reply: message("reply")
      .nullable()
      .optional()
      .describe("What the filter answers itself; `null`: nothing."),
    upstream: message("request")
      .nullable()
      .optional()
      .describe("The request as the upstream gets it; `null`: it gets none."),
    response: message("response").optional().describe("The response as the client gets it."),
    edits: edits()
      .optional()
      .describe("By phase, each change: `+ name: value`, `- name: value`, `path: /a -> /b`."),
    log: list(
      "a list of lines",
      z.union([textual(), logLine()], { error: "text, or a mapping with level, message or attributes" }),
      1_000,
    )
      .optional()
      .describe("These lines in this order; there may be others between them."),
    metrics: named(
      'a mapping from series, like hits{kind="a"}, to numbers',
      line("a series"),
      z.number({ error: "a number" }),
    )
      .optional()
      .describe("What the filter's own metrics come to."),
    metadata: named("a mapping from keys to values", line("a key"), scalarOrNull())
      .optional()
      .describe("What the filter leaves for those after it; `null`: nothing."),
    store: named("a mapping from keys to values", line("a key"), textual().nullable())
      .optional()
      .describe("What is in the filter's part of the store then; `null`: nothing."),
    failure: failure().nullable().optional().describe("How the filter fails; `null`: it does not."),
    http: list("a list of requests", message("own request"), 256)
      .optional()
      .describe("The filter's own requests: so many, in this order."),
  }) as z.ZodType<Expectation>;
}

/** A text, or something that is true of it. */
function textual(): z.ZodType<TextExpectation> {
  const error = "text, or a mapping with matches or contains";
  const pattern = z.string({ error: PATTERN }).refine(isPattern, { error: PATTERN });
  return z.union(
    [
      plainText(),
      mapping(error, { matches: pattern }),
      mapping(error, { contains: z.string({ error: "text" }) }),
    ],
    { error },
  );
}

function message(of: "request" | "response" | "reply" | "own request"): z.ZodType<MessageExpectation> {
  const asked = of === "request" || of === "own request";
  const expected = asked
    ? "a mapping with method, path, headers or body"
    : "a mapping with status, headers or body";
  const status = "a status from 200 to 599";
  return mapping(expected, {
    ...(asked
      ? { method: line("a method").optional(), path: textual().optional() }
      : {
          status: z.int({ error: status }).min(200, { error: status }).max(599, { error: status }).optional(),
        }),
    ...(of === "request" ? { authority: line("a host").optional() } : {}),
    ...(of === "own request" ? { upstream: line("an upstream's name").optional() } : {}),
    headers: fields().optional(),
    body: body().optional(),
    ...(of === "request" || of === "response"
      ? { trailers: fields().optional(), whole: flag().optional() }
      : {}),
  }) as z.ZodType<MessageExpectation>;
}

function fields(): z.ZodType<FieldsExpectation> {
  const error = "text, a list of texts, a mapping with matches or contains, or null";
  const value = z.union([textual(), z.array(plainText(), { error }), z.null({ error })], { error });
  return named("a mapping from names to values", line("a field's name"), value);
}

function body(): z.ZodType<BodyExpectation> {
  const error = "text, or a mapping with matches, contains, json or base64";
  const json = mapping(error, { json: z.unknown().transform((input) => input as Json) });
  const bytes = mapping(error, { base64: z.base64({ error: "base64" }) }).transform(({ base64 }) => ({
    bytes: Buffer.from(base64, "base64"),
  }));
  return z.union([textual(), json, bytes], { error }) as z.ZodType<BodyExpectation>;
}

function edits(): z.ZodType<Expectation["edits"]> {
  const phases = [
    "request",
    "request-body",
    "request-trailers",
    "response",
    "response-body",
    "response-trailers",
  ] as const;
  const lines = list("a list of changes", line("a change"), 1_000).optional();
  return mapping(
    `a mapping with ${alternatives(phases)}`,
    Object.fromEntries(phases.map((phase) => [phase, lines])),
  ) as z.ZodType<Expectation["edits"]>;
}

function logLine(): z.ZodType<LineExpectation> {
  return mapping("a mapping with level, message or attributes", {
    level: word(LEVELS).optional(),
    message: textual().optional(),
    attributes: named("a mapping from names to values", line("a name"), textual()).optional(),
  });
}

function failure(): z.ZodType<FailureExpectation> {
  const reasons = FILTER_FAILURE_REASONS;
  const expected = "a reason, or a mapping with reason, code, detail or stack";
  const codes = Object.keys(FAILURES) as [string, ...string[]];
  const whole = mapping(expected, {
    reason: word(reasons).optional(),
    code: z.enum(codes, { error: "a failure's code, like FILTER_TRAPPED" }).optional(),
    detail: textual().optional(),
    stack: textual().optional(),
  });
  const reason = word(reasons).transform((input): FailureExpectation => ({ reason: input }));
  return z.union([reason, whole], { error: expected });
}

function scalarOrNull(): z.ZodType<string | number | boolean | null> {
  const error = "text, a number, true, false or null";
  return z.union([z.string({ error }), z.number({ error }), z.boolean({ error }), z.null({ error })], {
    error,
  });
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}

const PATTERN = "a regular expression";
