import { isAbsolute } from "node:path";
import { z } from "@hono/zod-openapi";
import { TEXT_BYTES_MAX } from "../config/limits.ts";
import { TRIAL_DEFAULTS, type TrialRequest } from "../trial/trial.ts";
import type { LogLevel } from "../config/config.ts";
import { isNeverKept } from "../record/redaction.ts";
import {
  RECORD_DEFAULTS,
  RECORD_EXCHANGES_MAX,
  RECORD_HEADERS_MAX,
  RECORD_MS_MAX,
  type RecordRequest,
} from "../record/record-request.ts";
import type { SwapRequest } from "./control.ts";

/** What may be sent. Members that are not known are refused: a typo must not silently mean a default. */

export const digest: z.ZodType<string, string> = z
  .string()
  .regex(/^[0-9a-f]{64}$/, "is 64 lower-case hex digits");

export const level: z.ZodType<LogLevel, LogLevel> = z
  .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
  .openapi("LogLevel");

const fieldName = z
  .string()
  .max(256)
  .regex(/^[\w!#$%&'*+.^`|~-]+$/, "is the name of a header or a cookie");

const TrialKeySchema = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("client") }),
    z.strictObject({ kind: z.literal("header"), name: fieldName }),
    z.strictObject({ kind: z.literal("cookie"), name: fieldName }),
    z.strictObject({ kind: z.literal("none") }),
  ])
  .openapi("TrialKey", {
    description: "What keeps an exchange's like on one side: the same value goes to the same version.",
  });

const percent = z.number().min(0).max(100);
const limits = {
  forMs: z.int().min(0).max(604_800_000).default(TRIAL_DEFAULTS.forMs).openapi({
    description: "After so long, within the limits, the candidate is promoted; 0: never by itself.",
  }),
  exchangesMin: z.int().min(0).max(1_000_000_000).default(TRIAL_DEFAULTS.exchangesMin).openapi({
    description: "Before so many exchanges of the candidate nothing is promoted.",
  }),
  errorPercentMax: percent.default(TRIAL_DEFAULTS.errorPercentMax).openapi({
    description: "How much larger the candidate's share of failed exchanges may be, in percent of exchanges.",
  }),
  failuresMax: z.int().min(0).max(1_000_000_000).default(TRIAL_DEFAULTS.failuresMax).openapi({
    description: "How often the candidate itself may fail.",
  }),
  addedMsMax: z.number().min(0).max(600_000).default(TRIAL_DEFAULTS.addedMsMax).openapi({
    description: "How much longer the candidate's calls may take in one exchange, in the mean.",
  }),
  differencePercentMax: percent.default(TRIAL_DEFAULTS.differencePercentMax).openapi({
    description: "Of a shadow: the share of exchanges with differences at which it is rolled back.",
  }),
};

const canary = z.strictObject({
  kind: z.literal("canary"),
  percent: z
    .number()
    .gt(0)
    .lt(100)
    .openapi({ description: "The share of exchanges that the candidate serves." }),
  key: TrialKeySchema.default({ kind: "client" }),
  ...limits,
});
const shadow = z.strictObject({ kind: z.literal("shadow"), ...limits });

export const TrialRequestSchema: z.ZodType<TrialRequest> = z
  .discriminatedUnion("kind", [canary, shadow])
  .openapi("TrialRequest");

const component = z
  .string()
  .max(4_096)
  .refine(
    (input) => (isAbsolute(input) || /^oci:\/\/./.test(input)) && !input.includes("\0"),
    "is an absolute path on the host's machine, or oci://…",
  );

export const SwapRequestSchema: z.ZodType<SwapRequest> = z
  .strictObject({
    component: component.optional().openapi({
      description:
        "The present one when it is left out; without a config, too, it is read again from where it is: a tag may have been moved.",
    }),
    sha256: digest.optional().openapi({ description: "The component must have this digest." }),
    config: z
      .unknown()
      .optional()
      .openapi({ description: "Replaces the filter's config. Without it the config stays." }),
    trial: TrialRequestSchema.optional().openapi({
      description: "Tries the new version beside the present one.",
    }),
  })
  .openapi("SwapRequest");

export const RecordRequestSchema: z.ZodType<RecordRequest> = z
  .strictObject({
    forMs: z.int().min(1).max(RECORD_MS_MAX).default(RECORD_DEFAULTS.forMs).openapi({
      description: "It ends after so long.",
    }),
    exchangesMax: z.int().min(1).max(RECORD_EXCHANGES_MAX).default(RECORD_DEFAULTS.exchangesMax).openapi({
      description: "It ends after so many.",
    }),
    samplePercent: z.number().gt(0).max(100).default(RECORD_DEFAULTS.samplePercent).openapi({
      description: "The share of exchanges that are recorded, chosen by chance.",
    }),
    headers: z
      .array(
        fieldName
          .transform((name) => name.toLowerCase())
          .refine((name) => !isNeverKept(name), "is never recorded: it says who or where somebody is"),
      )
      .max(RECORD_HEADERS_MAX)
      .default([])
      .openapi({ description: "Names of header fields whose values are kept. All others are redacted." }),
    bodies: z.boolean().default(RECORD_DEFAULTS.bodies).openapi({
      description: "Whether bodies are recorded as they are, and not only how long they are.",
    }),
  })
  .openapi("RecordRequest");

const text = z.string().max(TEXT_BYTES_MAX).openapi({ description: "A whole configuration, in YAML." });

export const TextSchema: z.ZodType<{ readonly text: string }> = z
  .strictObject({ text })
  .openapi("ConfigText");

export const OptionalTextSchema: z.ZodType<{ readonly text?: string | undefined }> = z
  .strictObject({
    text: text.optional().openapi({ description: "The configuration file, as it is now, when left out." }),
  })
  .openapi("OptionalConfigText");

export const RollbackRequestSchema: z.ZodType<{ readonly generation?: number | undefined }> = z
  .strictObject({
    generation: z
      .int()
      .min(1)
      .optional()
      .openapi({ description: "The one before the live one when left out." }),
  })
  .openapi("RollbackRequest");

const server = z.string().min(1).max(1_024).openapi({ description: "As the configuration names it." });

export const ServerRequestSchema: z.ZodType<{ readonly server: string }> = z
  .strictObject({ server })
  .openapi("ServerRequest");

export const WeightRequestSchema: z.ZodType<{ readonly server: string; readonly weight: number }> = z
  .strictObject({ server, weight: z.int().min(1).max(100) })
  .openapi("WeightRequest");

export const LogLevelSchema: z.ZodType<{ readonly level: LogLevel }> = z
  .strictObject({ level })
  .openapi("LogLevelSetting");

export const ExplainRequestSchema: z.ZodType<{ readonly method: string; readonly url: string }> = z
  .strictObject({
    method: z.string().regex(/^[A-Z][A-Z-]{0,31}$/, "is a method in capitals, like GET"),
    url: z
      .string()
      .max(8_192)
      .refine(isUrl, "is a URL like http://example.com/path, or a path like /path")
      .openapi({ description: "With its host, or a path alone." }),
  })
  .openapi("ExplainRequest");

function isUrl(input: string): boolean {
  return /^(?:https?:\/\/[^/]|\/)/i.test(input) && URL.canParse(input, "http://localhost");
}

/** Of what needs no more than to be asked for. */
export const NothingSchema: z.ZodType<object> = z.strictObject({}).openapi("Nothing");

export const NameParameter: z.ZodObject<{ name: z.ZodString }> = z.object({ name: z.string().max(256) });

export const GenerationParameter: z.ZodObject<{ n: z.ZodString }> = z.object({
  n: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, "is the number of a generation")
    .openapi({ description: "The number of a generation." }),
});
