import * as z from "zod";
import type { GrantConfig, SecretSource } from "./config.ts";
import { EXPECTED, flag, list, mapping, named, text } from "./shape.ts";

/** A grant as it is written: `true` is a space of the filter's own, a name one that others with this name have, too. */
export type GrantDraft = Omit<GrantConfig, "store" | "rateLimit"> & {
  readonly store: boolean | string;
  readonly rateLimit: boolean | string;
};

/** What a filter may call and see. What it imports without a grant is refused when it is loaded. */
export function grant(): z.ZodType<GrantDraft> {
  const variable = text("the name of a variable, like REGION", /^[A-Za-z_][A-Za-z0-9_]*$/, (input) => input);
  const value = text("text", /^[^\0]*$/, (input) => input);
  return mapping("a mapping from names of imports to what of them is granted", {
    log: flag().default(true).describe("The import `log`."),
    "exchange-facts": flag().default(true).describe("The import `exchange-facts`."),
    "client-address": addressGrant()
      .default(false)
      .describe(
        "The client's address, within `exchange-facts`: as `client-address` of the host has it for filters, or in this form.",
      ),
    clock: flag().default(false).describe("The import `clock`."),
    random: flag().default(false).describe("The import `random`."),
    metrics: flag().default(false).describe("The import `metrics`."),
    store: space()
      .default(false)
      .describe(
        "The import `store`: with keys of its own, or with those that all filters with this name share.",
      ),
    "rate-limit": space()
      .default(false)
      .describe(
        "The import `rate-limit`: with allowances of its own, or with those that all filters with this name share.",
      ),
    secrets: list("a list of secrets' names", reference("the name of a secret"), 64)
      .optional()
      .describe("The import `secrets`, and what can be read through it: nothing with an empty list."),
    http: list("a list of upstreams' names", reference("the name of an upstream"), 64)
      .optional()
      .describe(
        "The import `http-client`, and the upstreams that can be asked through it: none with an empty list.",
      ),
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
      metrics: input.metrics,
      store: input.store,
      rateLimit: input["rate-limit"],
      secrets: input.secrets === undefined ? null : [...new Set(input.secrets)],
      http: input.http === undefined ? null : [...new Set(input.http)],
      env: Object.entries(input.env),
    }))
    .prefault({});
}

/** Puts the filter's name in. No name that a file gives is the own name of another filter's space. */
export function resolveGrant(filter: string, draft: GrantDraft): GrantConfig {
  const space = (granted: boolean | string): string | null =>
    granted === false ? null : granted === true ? `filter ${filter}` : `shared ${granted}`;
  return { ...draft, store: space(draft.store), rateLimit: space(draft.rateLimit) };
}

function addressGrant(): z.ZodType<GrantConfig["clientAddress"], GrantConfig["clientAddress"]> {
  const error = "true, false, truncate, keyed-hash or whole";
  const form = z.enum(["truncate", "keyed-hash", "whole"], { error });
  return z.union([z.boolean({ error }), form], { error }).meta({ [EXPECTED]: error });
}

function space(): z.ZodType<boolean | string, boolean | string> {
  const error = "true, false or a name to share by";
  const name = z.string({ error }).regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/, { error });
  return z.union([z.boolean({ error }), name], { error }).meta({ [EXPECTED]: error });
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
