import * as z from "zod";
import { parseServer, SERVER_PATTERN } from "./address.ts";
import type { BalanceConfig, RetryConfig, RetryReason, ServerConfig } from "./config.ts";
import { bounded, EXPECTED, list, mapping, percent, text, word } from "./shape.ts";

/** The options of an upstream that say which server gets a request, and when it is sent again. */
export interface UpstreamDispatch {
  readonly balance: BalanceConfig;
  readonly retries: RetryConfig;
}

export function dispatch(): { readonly [K in keyof UpstreamDispatch]: z.ZodType<UpstreamDispatch[K]> } {
  return {
    balance: balance().prefault("least-request").describe("Which server gets a request (docs/upstreams.md)."),
    retries: retries(),
  };
}

/** A URL, or a mapping of one with its weight. */
export function server(): z.ZodType<ServerConfig> {
  const expected = "a URL of scheme, host and port, like http://127.0.0.1:9000";
  const url = text(expected, SERVER_PATTERN, parseServer);
  const whole = mapping("a mapping with url or weight", {
    url: url.describe("Scheme, host and port."),
    weight: count(1, 100).default(1).describe("How many requests it gets, compared with the others."),
  }).transform(({ url, weight }) => ({ ...url, weight }));
  return z
    .union([url, whole], { error: expected })
    .meta({ [EXPECTED]: `${expected}, or a mapping with \`url\` and \`weight\`` });
}

function balance(): z.ZodType<BalanceConfig> {
  const expected = "least-request, round-robin, { hash: { header: NAME } } or { hash: { cookie: NAME } }";
  const header = text("the name of a header", TOKEN, (name) => name.toLowerCase()).describe(
    "By the value of this header.",
  );
  const cookie = text("the name of a cookie", TOKEN, (name) => name).describe("By the value of this cookie.");
  const by = z
    .union(
      [
        mapping(expected, { header }).transform((input) => ({ kind: "header" as const, name: input.header })),
        mapping(expected, { cookie }).transform((input) => ({ kind: "cookie" as const, name: input.cookie })),
      ],
      { error: expected },
    )
    .describe("The same server for the same value.");
  return z
    .union(
      [
        word(["least-request", "round-robin"]).transform((kind) => ({ kind })),
        mapping(expected, { hash: by }).transform(({ hash }) => hash),
      ],
      { error: expected },
    )
    .meta({ [EXPECTED]: expected });
}

function retries(): z.ZodType<RetryConfig, Record<string, unknown> | undefined> {
  const reasons = "connect, reset, 502, 503 or 504";
  const reason = z
    .literal<RetryReason[]>(["connect", "reset", 502, 503, 504], { error: reasons })
    .meta({ [EXPECTED]: reasons });
  return mapping("a mapping with attempts, budget, budget-min or on", {
    attempts: count(0, 10).default(2).describe("How often a request is sent again at the most."),
    budget: percent()
      .prefault("20%")
      .describe("How many of all requests may be sent again: more would make an outage worse."),
    "budget-min": count(0, 10_000)
      .default(10)
      .describe("How many may be sent again in a second whatever the share, by each worker."),
    on: list("a list of reasons", reason, 5)
      .prefault(["connect", "reset"])
      .describe(
        "No connection; a kept connection that broke before a byte came; a status. All but `connect` for idempotent methods only.",
      ),
  })
    .transform((input) => ({
      attempts: input.attempts,
      share: input.budget,
      perSecond: input["budget-min"],
      on: input.on,
    }))
    .prefault({});
}

function count(min: number, max: number): z.ZodType<number, number> {
  return bounded({ option: "", unit: "count", min, max, default: min, meaning: "", reason: "" }) as z.ZodType<
    number,
    number
  >;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
