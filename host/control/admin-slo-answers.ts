import { z } from "@hono/zod-openapi";
import { OBJECTIVES, type RouteBurn, type SloView } from "../slo/slo.ts";

/** How objectives of routes stand, as the admin API answers it. */

const objective = z.enum(OBJECTIVES);

const burn = z
  .number()
  .nullable()
  .openapi({ description: "How many times as fast as it may the budget burns; null without an exchange" });

export const sloViews: z.ZodType<readonly SloView[], readonly SloView[]> = z
  .array(
    z
      .object({
        objective,
        target: z.number().openapi({ description: "The share that has to be good: 0.999" }),
        underMs: z.number().nullable().openapi({ description: "What is too slow; null for an availability" }),
        burn: z.object({ "5m": burn, "1h": burn, "6h": burn }),
        budgetLeft: z
          .number()
          .nullable()
          .openapi({ description: "Of the window's budget: 1 is all of it, below 0 it is overdrawn" }),
        since: z.number().openapi({ description: "When counting began, in Unix milliseconds" }),
      })
      .openapi("Slo"),
  )
  .readonly();

/** Over five minutes. */
export const burns: z.ZodType<readonly RouteBurn[], readonly RouteBurn[]> = z
  .array(z.object({ route: z.string(), objective, burn }).openapi("RouteBurn"))
  .readonly();
