import * as z from "zod";
import type { Json, SloConfig } from "./config.ts";
import { bounded, EXPECTED, LONG_FORM, mapping, text, word } from "./shape.ts";
import type { Bound } from "./limits.ts";
import { formatDuration } from "./units.ts";

/** What `slo` has to be. Null is `none`. */
export function slo(): z.ZodType<SloConfig | null> {
  const expected = "a mapping with availability or latency, or none";
  return z
    .union([word(["none"]).transform(() => null), objectives(expected)], { error: expected })
    .meta({ [EXPECTED]: expected, [LONG_FORM]: true });
}

/** The one for routes that say nothing themselves. */
export function sloOfAll(): z.ZodType<SloConfig | null> {
  return slo()
    .optional()
    .transform((input) => input ?? null)
    .describe("How well routes have to serve that say nothing themselves.");
}

function objectives(expected: string): z.ZodType<SloConfig> {
  return mapping(expected, {
    availability: share()
      .optional()
      .describe("The share of exchanges that have to end without a 5xx and without breaking off."),
    latency: latency().optional(),
    window: days().prefault("30d").describe("The time over which the shares have to be reached."),
  }).transform((input, context): SloConfig => {
    if (input.availability === undefined && input.latency === undefined) {
      // What was misspelled has been told already.
      if (context.issues.length === 0) context.addIssue({ code: "custom", message: expected });
      return z.NEVER;
    }
    return {
      availability: input.availability ?? null,
      latency: input.latency ?? null,
      windowMs: input.window,
    };
  });
}

function latency(): z.ZodType<NonNullable<SloConfig["latency"]>> {
  return mapping("a mapping with under and share", {
    under: bounded(UNDER).describe(`${UNDER.meaning} ${UNDER.reason}`),
    share: share().describe("The share of exchanges that have to be so fast, of those that are available."),
  }).transform(({ under, share: wanted }) => ({ underMs: under, share: wanted }));
}

/** `99.9%`, as 0.999. */
function share(): z.ZodType<number, string> {
  const expected = "a share from 90% to 99.999%, like 99.9%";
  return text(expected, /^\d{2}(\.\d{1,3})?%$/, (input) => {
    const percent = Number(input.slice(0, -1));
    // As close to what is written as a number can be.
    return percent < 90 ? undefined : Number((percent / 100).toFixed(5));
  });
}

/** `30d`. Longer than any other duration of the file, and not to be mixed up with them. */
function days(): z.ZodType<number, string> {
  return text("a number of days from 1d to 90d, like 30d", /^\d{1,2}d$/, (input) => {
    const count = Number(input.slice(0, -1));
    return count >= 1 && count <= 90 ? count * DAY_MS : undefined;
  });
}

/** An SLO as it is written. */
export function sloView({ availability, latency: fast, windowMs }: SloConfig): Json {
  return {
    availability: availability === null ? null : formatShare(availability),
    latency: fast && { under: formatDuration(fast.underMs), share: formatShare(fast.share) },
    window: formatDays(windowMs),
  };
}

/** `99.9%`. */
export function formatShare(value: number): string {
  return `${Number((value * 100).toFixed(3))}%`;
}

export function formatDays(ms: number): string {
  return `${ms / DAY_MS}d`;
}

const DAY_MS = 86_400_000;

const UNDER: Bound = {
  option: "under",
  unit: "ms",
  min: 1,
  max: 60_000,
  default: 300,
  meaning: "How long an exchange may take, from the first byte of its request to its end.",
  reason: "It is compared with each exchange itself, so it need not be a bound of the histogram.",
};
