import * as z from "zod";
import type { TimelinesConfig } from "./config.ts";
import type { Bound } from "./limits.ts";
import { mapping, optional, text } from "./shape.ts";

/** What `timelines` has to be. */
export function timelines(): z.ZodType<TimelinesConfig> {
  return mapping("a mapping with keep, sample or debug", {
    keep: optional(KEEP),
    sample: fineShare()
      .prefault("1%")
      .describe(
        "How many of all exchanges are kept with every step, chosen at random. A hundredth shows what is usual, and costs next to nothing.",
      ),
    debug: text("the name of a secret", /./, (input) => input)
      .optional()
      .describe(
        "The secret that debug headers are signed with, of 16 bytes or more. Without it `X-Sluice-Debug` is taken off, and means nothing.",
      ),
  })
    .transform(({ keep, sample, debug }) => ({ keep, samplePercent: sample, debug: debug ?? null }))
    .prefault({});
}

/** `0.1%`, as 0.1. */
function fineShare(): z.ZodType<number, string> {
  return text("a share from 0% to 100%, like 1% or 0.01%", /^\d{1,3}(?:\.\d{1,4})?%$/, (input) => {
    const share = Number(input.slice(0, -1));
    return share <= 100 ? share : undefined;
  });
}

const KEEP: Bound = {
  option: "keep",
  unit: "count",
  min: 0,
  max: 10_000,
  default: 256,
  meaning:
    "How many exchanges each worker keeps in memory of those that were sampled, of those that failed, and of those that clients got wrong; 0 keeps none.",
  reason: "Some hundred KiB in all; who looks a minute later still finds what has failed.",
};
