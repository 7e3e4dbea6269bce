import type { Json } from "./config.ts";
import { excerpt } from "./problem.ts";

/** The variables that a file may name: the environment, or what a test puts in its place. */
export type Variables = Readonly<Record<string, string | undefined>>;

export type Substitution =
  /** `variables` says how many were put in: with none, only escapes were undone. */
  | { readonly kind: "text"; readonly text: string; readonly variables: number }
  | { readonly kind: "refused"; readonly sentence: string };

const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

/**
 * Puts variables into a text: `${NAME}`, and `${NAME:-default}` where NAME is missing or empty. `$${` stands
 * for `${` itself.
 *
 * What is put in is not looked at again, and the text is a scalar already: a variable can neither name
 * another one nor add structure to the file.
 */
export function substitute(written: string, variables: Variables): Substitution {
  let count = 0;
  let refused: string | undefined;
  const text = written.replace(
    REFERENCE,
    (reference, name: string | undefined, fallback: string | undefined) => {
      if (reference === "$${") return "${";
      if (name === undefined) {
        refused ??= `expected \${NAME}, \${NAME:-default} or $\${ for the characters themselves, got ${excerpt(written)}`;
        return "";
      }
      count += 1;
      const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
      if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
      if (value === undefined)
        refused ??= `expected the environment variable ${name}, got nothing (\${${name}:-default} gives it a default)`;
      return value ?? "";
    },
  );
  return refused === undefined
    ? { kind: "text", text, variables: count }
    : { kind: "refused", sentence: refused };
}

/** The values that variables have which a text names; short ones are in any text. */
export function valuesIn(text: string, variables: Variables): ReadonlySet<string> {
  const names = [...text.matchAll(REFERENCE)].map(([, name]) => name).filter((name) => name !== undefined);
  const values = names.map((name) => (Object.hasOwn(variables, name) ? variables[name] : undefined));
  return new Set(values.filter((value): value is string => (value?.length ?? 0) >= HIDDEN_LENGTH));
}

const HIDDEN_LENGTH = 4;

/** What a text means to YAML 1.2 (its core schema) when it stands without quotes. */
export function coreMeaning(text: string): Json {
  if (/^(?:~|null|Null|NULL)?$/.test(text)) return null;
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  if (
    !/^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/.test(text) &&
    !/^(?:0o[0-7]+|0x[0-9a-fA-F]+)$/.test(text)
  )
    return text;
  const number = Number(text);
  // A number that would lose digits, or that JSON cannot hold, stays the text that it is.
  return Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number))
    ? number
    : text;
}
