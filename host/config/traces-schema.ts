import * as z from "zod";
import { isReserved, isToken } from "../fields.ts";
import type { TracesConfig } from "./config.ts";
import type { Bound } from "./limits.ts";
import { bounds, mapping, named, text } from "./shape.ts";

/** What `traces` may be. Whether its secrets can be used is found with their files in view. */
export function traces(): z.ZodType<TracesConfig | null, Record<string, unknown> | undefined> {
  return whole()
    .optional()
    .transform((input) => input ?? null)
    .describe("Where spans of exchanges go; none are made when it is left out.");
}

function whole(): z.ZodType<TracesConfig, Record<string, unknown>> {
  const reference = text("the name of a secret", /./, (input) => input);
  const service = text("a name of at most 255 characters of ASCII", /^[\x20-\x7e]{1,255}$/, (input) => input);
  return mapping("a mapping with otlp", {
    otlp: collector().describe(
      "Where a collector takes spans by OTLP over HTTP, as protobuf; `/v1/traces` is added to a URL without a path.",
    ),
    sample: share()
      .prefault("1%")
      .describe(
        "How many of the traces that begin here are recorded; those that clients have begun are when the client says so.",
      ),
    headers: named("a mapping from header fields to names of secrets", field(), reference)
      .prefault({})
      .describe("Header fields for the collector. What is in the secret is the whole value."),
    "service-name": service.prefault("sluice").describe("The service that the spans are of."),
    batch: bounds("a mapping with spans, delay, queue or timeout", SPAN_BATCH),
  }).transform(({ otlp, sample, headers, "service-name": serviceName, batch }) => ({
    otlp,
    sample,
    serviceName,
    headers: Object.entries(headers),
    batch,
  }));
}

function collector(): z.ZodType<string, string> {
  const expected = "a URL like http://127.0.0.1:4318, without user, password and fragment";
  return text(expected, /^https?:\/\/[^/]/, (input) => {
    if (!URL.canParse(input)) return undefined;
    const url = new URL(input);
    if (url.username !== "" || url.password !== "" || url.hash !== "" || input.endsWith("#"))
      return undefined;
    if (url.pathname === "/" && url.search === "") url.pathname = "/v1/traces";
    return url.href;
  });
}

function share(): z.ZodType<number, string> {
  return text("a share from 0% to 100%, like 1% or 0.1%", /^\d{1,3}(?:\.\d{1,6})?%$/, (input) => {
    const percent = Number(input.slice(0, -1));
    return percent <= 100 ? percent : undefined;
  });
}

function field(): z.ZodType<string, string> {
  return text("the name of a header field that frames nothing", /^[\w!#$%&'*+.^`|~-]{1,256}$/, (input) => {
    const lower = input.toLowerCase();
    return isToken(lower) && !isReserved(lower) && !OWN.has(lower) ? lower : undefined;
  });
}

/** What the exporter says itself. */
const OWN: ReadonlySet<string> = new Set(["content-type", "content-encoding", "user-agent"]);

/** Bounds of what goes to the collector. The names are those of `SpanBatchConfig`. */
export const SPAN_BATCH: Readonly<Record<keyof TracesConfig["batch"], Bound>> = {
  spansMax: {
    option: "spans",
    unit: "count",
    min: 1,
    max: 4_096,
    default: 512,
    meaning: "The number of spans in one request to the collector.",
    reason: "OpenTelemetry's own default.",
  },
  delayMs: {
    option: "delay",
    unit: "ms",
    min: 10,
    max: 60_000,
    default: 5_000,
    meaning: "How long a span waits for others before they are sent.",
    reason: "OpenTelemetry's own default.",
  },
  queueMax: {
    option: "queue",
    unit: "count",
    min: 16,
    max: 65_536,
    default: 4_096,
    meaning: "The number of spans that wait for the collector; further ones are dropped and counted.",
    reason: "About 8 MB, and what 1 % of 10 000 exchanges a second are in 10 s.",
  },
  exportMs: {
    option: "timeout",
    unit: "ms",
    min: 100,
    max: 60_000,
    default: 10_000,
    meaning: "How long the collector may take for one request, with all its tries.",
    reason: "OpenTelemetry's own default.",
  },
};
