import * as z from "zod";
import type { VerifyPolicy } from "./config.ts";
import { EXPECTED, list, mapping, text, word } from "./shape.ts";

/** Policies as they are written: paths begin at the file's folder. Null is `none`. */
export type VerifyDraft = readonly VerifyPolicy[] | null;

/** Whose signature a component needs. Whether the files are what they should be is found with the file's folder in view (`trust-files.ts`). */
export function verify(): z.ZodType<VerifyDraft> {
  const expected = "a mapping with keys or sigstore, a list of such mappings, or none";
  return z
    .union(
      [
        word(["none"]).transform(() => null),
        policy().transform((one) => [one]),
        list("a list of mappings with keys or sigstore", policy(), 8, 1),
      ],
      { error: expected },
    )
    .meta({ [EXPECTED]: expected });
}

function policy(): z.ZodType<VerifyPolicy> {
  const expected = "a mapping with keys or sigstore";
  return mapping(expected, {
    keys: list("a list of paths", path("the path of a public key's file"), 16, 1)
      .optional()
      .describe(
        "Public keys in PEM, Ed25519 or ECDSA on P-256 or P-384: a signature by any of them is enough.",
      ),
    sigstore: sigstore().optional(),
  }).transform(({ keys, sigstore: identity }, context): VerifyPolicy => {
    if (keys !== undefined && identity === undefined) return { kind: "keys", keys };
    if (keys === undefined && identity !== undefined) return { kind: "sigstore", ...identity };
    if (keys === undefined) context.addIssue({ code: "custom", message: expected });
    else {
      const message = "no sigstore beside keys, or a list of both where either is enough";
      context.addIssue({ code: "custom", message, path: ["sigstore"] });
    }
    return z.NEVER;
  });
}

type SigstoreDraft = Omit<Extract<VerifyPolicy, { readonly kind: "sigstore" }>, "kind">;

function sigstore(): z.ZodType<SigstoreDraft> {
  const name = "a workflow's URI or an e-mail address";
  return mapping("a mapping with issuer, and identity or identity-regexp", {
    issuer: text(
      "a URL like https://token.actions.githubusercontent.com",
      /^https?:\/\/[!-~]+$/,
      (input) => input,
    ).describe("Who has told the certificate's authority whom it is for: the OIDC issuer, exactly."),
    identity: text(name, /^[!-~]{1,1024}$/, (input) => input)
      .optional()
      .describe("Whom the certificate has to be for, exactly: the URI of a workflow, or an e-mail address."),
    "identity-regexp": text("a regular expression", /^[^\0]{1,1024}$/, compiled)
      .optional()
      .describe("The same as a regular expression of JavaScript, which has to match all of it."),
    "trusted-root": path("the path of a trusted_root.json")
      .optional()
      .describe(
        "The authorities and logs that count, for machines without internet and for a sigstore of one's own; otherwise those of the public one, which are fetched.",
      ),
    tlog: threshold()
      .optional()
      .describe(
        "In how many transparency logs the signature has to be; 1 when left out. With 0 a timestamp authority has to vouch for the time.",
      ),
  }).transform((input, context): SigstoreDraft => {
    const { identity: exact, "identity-regexp": pattern } = input;
    if (exact === undefined && pattern === undefined) {
      const message = `${name}, or identity-regexp in its place`;
      context.addIssue({ code: "custom", message, path: ["identity"] });
      return z.NEVER;
    }
    if (exact !== undefined && pattern !== undefined) {
      context.addIssue({ code: "custom", message: "nothing beside identity", path: ["identity-regexp"] });
      return z.NEVER;
    }
    return {
      issuer: input.issuer,
      identity:
        exact !== undefined ? { kind: "exact", text: exact } : { kind: "pattern", text: pattern ?? "" },
      trustedRoot: input["trusted-root"] ?? null,
      tlog: input.tlog ?? 1,
    };
  });
}

/** An expression that is none by itself could become one within the brackets that make it match all. */
function compiled(input: string): string | undefined {
  try {
    void new RegExp(input, "u");
    return input;
  } catch {
    return undefined;
  }
}

function threshold(): z.ZodType<number, number> {
  const error = "a whole number from 0 to 8";
  return z
    .int({ error })
    .min(0, { error })
    .max(8, { error })
    .meta({ [EXPECTED]: error });
}

function path(expected: string): z.ZodType<string, string> {
  return text(expected, /^[^\0]+$/, (input) => input);
}
