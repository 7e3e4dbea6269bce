import * as z from "zod";
import { isNeverLogged } from "../record/redaction.ts";
import type { ExchangesConfig, LogConfig } from "./config.ts";
import type { Bound } from "./limits.ts";
import { bounded, EXPECTED, flag, list, LONG_FORM, mapping, name, text, word } from "./shape.ts";

/** What `log` has to be. */
export function log(): z.ZodType<LogConfig> {
  const level = word(["trace", "debug", "info", "warn", "error", "fatal", "silent"]);
  return mapping("a mapping with level, file or exchanges", {
    level: level.default("info").describe("The least important lines that are kept."),
    file: text("the path of a file", /^[^\0]+$/, (input) => input)
      .optional()
      .transform((input) => input ?? null)
      .describe(
        "The file that lines are added to; opened anew at SIGUSR1. Standard error when it is left out.",
      ),
    exchanges: exchanges()
      .prefault(true)
      .describe(
        "Which exchanges are logged when they end: all, none, or a choice. Of a choice those that failed, or were answered with 5xx, are always logged.",
      ),
    receipts: flag()
      .default(true)
      .describe(
        "Whether an exchange's line tells what each filter took, decided and changed: names of header fields, no values.",
      ),
    query: word(["drop", "names"])
      .default("drop")
      .describe("What is logged of a query: nothing, or the names in it. Its values never are."),
    headers: list("a list of header fields", fieldName(), HEADERS_MAX)
      .prefault([])
      .describe("Header fields of requests and responses whose values are logged."),
  }).prefault({});
}

function exchanges(): z.ZodType<ExchangesConfig | null, boolean | Record<string, unknown>> {
  const expected = "true or false";
  const whole = mapping("a mapping with sample or only", {
    sample: text("a share over 0% to 100%, like 10% or 0.5%", /^\d{1,3}(\.\d{1,3})?%$/, (input) => {
      const share = Number(input.slice(0, -1));
      return share > 0 && share <= 100 ? share : undefined;
    })
      .optional()
      .describe("How many of them, by chance; all when left out."),
    only: mapping("a mapping with status, routes or slower-than", {
      status: list("a list of statuses", status(), 64, 1)
        .optional()
        .describe("Those that were answered with one of these."),
      routes: list("a list of routes' names", name(), 256, 1)
        .optional()
        .describe("Those on one of these routes."),
      "slower-than": bounded(SLOWER)
        .optional()
        .describe("Those that took longer. Where several of `only` are given, all have to hold."),
    }).optional(),
  });
  return z
    .union(
      [
        z.boolean({ error: expected }).transform((all) => (all ? ALL : null)),
        whole.transform(({ sample, only }) => ({
          samplePercent: sample ?? 100,
          only:
            only === undefined
              ? null
              : {
                  status: only.status ?? null,
                  routes: only.routes ?? null,
                  slowerThanMs: only["slower-than"] ?? null,
                },
        })),
      ],
      { error: expected },
    )
    .meta({ [EXPECTED]: `${expected}, or a mapping with \`sample\` or \`only\``, [LONG_FORM]: true });
}

function status(): z.ZodType<string, string> {
  return text("a status or a class of them, like 404 or 4xx", /^[1-5](xx|\d\d)$/, (input) => input);
}

function fieldName(): z.ZodType<string, string> {
  const expected =
    "the name of a header field that says neither who nor where somebody is, and proves nothing";
  return text(expected, /^[\w!#$%&'*+.^`|~-]{1,256}$/, (field) =>
    isNeverLogged(field) ? undefined : field.toLowerCase(),
  );
}

const ALL: ExchangesConfig = { samplePercent: 100, only: null };

/** Each is looked for in each exchange that is logged. */
const HEADERS_MAX = 16;

const SLOWER: Bound = {
  option: "slower-than",
  unit: "ms",
  min: 1,
  max: 3_600_000,
  default: 1_000,
  meaning: "How long an exchange has to take to be logged.",
  reason: "",
};
