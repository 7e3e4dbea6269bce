import * as z from "zod";
import type { GrantConfig, SecretSource } from "./config.ts";
import { flag, list, mapping, named, text } from "./shape.ts";

/** A grant before the filter's name has been put in. */
export type GrantDraft = GrantConfig;

/** What a filter may call and see. What it imports without a grant is refused when it is loaded. */
export function grant(): z.ZodType<GrantDraft> {
  const variable = text("the name of a variable, like REGION", /^[A-Za-z_][A-Za-z0-9_]*$/, (input) => input);
  const value = text("text", /^[^\0]*$/, (input) => input);
  return mapping("a mapping from names of imports to what of them is granted", {
    log: flag().default(true).describe("The import `log`."),
    "exchange-facts": flag().default(true).describe("The import `exchange-facts`."),
    "client-address": flag().default(false).describe("The client's address, within `exchange-facts`."),
    clock: flag().default(false).describe("The import `clock`."),
    random: flag().default(false).describe("The import `random`."),
    secrets: list("a list of secrets' names", reference("the name of a secret"), 64)
      .prefault([])
      .describe("The import `secrets`, and what can be read through it."),
    env: named("a mapping from names to texts", variable, value)
      .prefault({})
      .describe("The whole environment that the filter sees."),
  })
    .transform((input) => ({
      log: input.log,
      exchangeFacts: input["exchange-facts"],
      clientAddress: input["client-address"],
      clock: input.clock,
      random: input.random,
      secrets: [...new Set(input.secrets)],
      env: Object.entries(input.env),
    }))
    .prefault({});
}

/** Where a secret is read: never what it is. */
export function secret(): z.ZodType<SecretSource> {
  const expected = "a mapping with file or env";
  const file = text("the path of a file", /^[^\0]+$/, (input) => input);
  const variable = text(
    "the name of a variable, like API_TOKEN",
    /^[A-Za-z_][A-Za-z0-9_]*$/,
    (input) => input,
  );
  return mapping(expected, {
    file: file
      .optional()
      .describe("The file that holds it. A line end at the end of a text is no part of it."),
    env: variable.optional().describe("The variable of the host's own environment that holds it."),
  }).transform((input, context): SecretSource => {
    if (input.file !== undefined && input.env === undefined) return { kind: "file", path: input.file };
    if (input.env !== undefined && input.file === undefined) return { kind: "env", variable: input.env };
    context.addIssue({ code: "custom", message: `${expected}, and not both` });
    return z.NEVER;
  });
}

/** Whether anything has the name is found with the whole file in view (`conflict.ts`). */
function reference(expected: string): z.ZodType<string, string> {
  return text(expected, /./, (input) => input);
}
