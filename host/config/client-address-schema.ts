import * as z from "zod";
import type { ClientAddressConfig } from "./config.ts";
import { EXPECTED, LONG_FORM, mapping, word } from "./shape.ts";

/** What `client-address` has to be: one word for the log and for filters, or one for each. */
export function clientAddress(): z.ZodType<ClientAddressConfig> {
  const error = "drop, truncate or keyed-hash";
  const whole = mapping("a mapping with log or filters", {
    log: word(["drop", "truncate", "keyed-hash"])
      .optional()
      .describe("What the log has of it; `drop` when left out."),
    filters: word(["drop", "truncate", "keyed-hash", "whole"])
      .optional()
      .describe("What filters get that are granted `client-address: true`; `whole` when left out."),
  });
  return z
    .union(
      [
        z
          .enum(["drop", "truncate", "keyed-hash"], { error })
          .transform((form) => ({ log: form, filters: form })),
        whole.transform(({ log, filters }) => ({ log: log ?? "drop", filters: filters ?? "whole" })),
      ],
      { error },
    )
    .optional()
    .transform((input) => input ?? { log: "drop", filters: "whole" })
    .meta({
      [EXPECTED]: `${error}, or a mapping with \`log\` or \`filters\``,
      [LONG_FORM]: true,
    }) as z.ZodType<ClientAddressConfig>;
}
