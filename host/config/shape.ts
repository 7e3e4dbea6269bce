import * as z from "zod";
import type { Bound } from "./limits.ts";
import {
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from "./units.ts";

/**
 * The pieces that the schema is made of.
 *
 * Each one is told what it expects, as the object of "expected …", and every issue's message is exactly
 * that: what was found instead is added where the file's text is known (`issue.ts`).
 */

/** May look at the value, to say what is wrong with this one. */
export type Refusal = (input: unknown) => string;

/** The annotation that the documentation's column of types is made from. */
export const EXPECTED = "x-expected";

/** The annotation of an option that may be a scalar or a mapping, and whose mapping the documentation shows. */
export const LONG_FORM = "x-long-form";

/**
 * A value that is read by a function of its own.
 *
 * `shape` is what editors know; `read` has the last word, and gives undefined for what it refuses.
 */
export function scalar<Input, Output>(
  expected: string,
  shape: z.ZodType<Input, Input>,
  read: (input: Input) => Output | undefined,
  refusal: Refusal = () => expected,
): z.ZodType<Output, Input> {
  return shape
    .transform((input, context) => {
      const output = read(input);
      if (output !== undefined) return output;
      context.addIssue({ code: "custom", message: refusal(input) });
      return z.NEVER;
    })
    .meta({ [EXPECTED]: expected });
}

/** A string of some form. Where `read` is stricter than `pattern`, the pattern serves editors only. */
export function text<Output>(
  expected: string,
  pattern: RegExp,
  read: (input: string) => Output | undefined,
  refusal: Refusal = () => expected,
): z.ZodType<Output, string> {
  const error = (issue: { readonly input?: unknown }): string => refusal(issue.input);
  return scalar(expected, z.string({ error }).regex(pattern, { error }), read, refusal);
}

/** `true` or `false`. */
export function flag(): z.ZodType<boolean, boolean> {
  const error = "true or false";
  return z.boolean({ error }).meta({ [EXPECTED]: error });
}

/** One of a few words. */
export function word<const Word extends string>(words: readonly [Word, ...Word[]]): z.ZodType<Word, Word> {
  const error = alternatives(words);
  return z.enum(words, { error }).meta({ [EXPECTED]: error });
}

/**
 * A mapping with these keys and no others: a typo in a limit must not silently mean the default.
 *
 * Where an unknown key is found, the issue's message is the known ones with spaces between them.
 */
export function mapping<Shape extends z.ZodRawShape>(
  expected: string,
  shape: Shape,
): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape).join(" ");
  return z.strictObject(shape, { error: (issue) => (issue.code === "unrecognized_keys" ? known : expected) });
}

/** A mapping from names that the file chooses. */
export function named<Output, Input>(
  expected: string,
  name: z.ZodType<string, string>,
  value: z.ZodType<Output, Input>,
): z.ZodType<Record<string, Output>, Record<string, Input>> {
  return z.record(name, value, { error: expected }).meta({ [EXPECTED]: expected });
}

/** A name that the file gives to something. */
export function name(): z.ZodType<string, string> {
  const expected = "a name of at most 63 of a-z, 0-9, `.`, `_` and `-` that begins with a letter or a digit";
  return text(expected, /^[a-z0-9][a-z0-9_.-]{0,62}$/, (input) => input);
}

/** A list of `min` to `max` elements. */
export function list<Output, Input>(
  expected: string,
  element: z.ZodType<Output, Input>,
  max: number,
  min = 0,
): z.ZodType<Output[], Input[]> {
  const error = min === 0 ? `${expected}, at most ${max}` : `${expected}, ${min} to ${max}`;
  const shape = z.array(element, { error }).max(max, { error });
  return (min === 0 ? shape : shape.min(min, { error })).meta({ [EXPECTED]: error });
}

/** A mapping of numbers with their units, each with its default. */
export function bounds<Key extends string>(
  expected: string,
  table: { readonly [K in Key]: Bound },
): z.ZodType<{ readonly [K in Key]: number }> {
  const entries = Object.entries<Bound>(table);
  const shape = mapping(
    expected,
    Object.fromEntries(entries.map(([, bound]) => [bound.option, optional(bound)])),
  );
  return shape.prefault({}).transform((input) => {
    const numbers = entries.map(([key, bound]) => [key, input[bound.option]]);
    return Object.fromEntries(numbers) as { readonly [K in Key]: number };
  });
}

/** The same, with its default and its documentation. */
export function optional(bound: Bound): z.ZodPrefault<z.ZodType<number, number | string>> {
  return bounded(bound).prefault(writtenDefault(bound)).describe(`${bound.meaning} ${bound.reason}`);
}

/** `20%`, as 20. */
export function percent(): z.ZodType<number, string> {
  return text("a share from 0% to 100%, like 20%", /^\d{1,3}%$/, (input) => {
    const share = Number(input.slice(0, -1));
    return share <= 100 ? share : undefined;
  });
}

/** A number in the unit that its bound names. */
export function bounded({ unit, min, max }: Bound): z.ZodType<number, number | string> {
  switch (unit) {
    case "ms": {
      const error = `a duration from ${formatDuration(min)} to ${formatDuration(max)} with its unit, like 250ms, 5s or 1m`;
      const read = (input: string | number) => within(parseDuration(String(input)), min, max);
      return scalar<string | number, number>(
        error,
        z.string({ error }).regex(DURATION_PATTERN, { error }),
        read,
      );
    }
    case "bytes": {
      const error = `a size from ${formatSize(min)} to ${formatSize(max)}, like 512, 64KiB or 1MiB`;
      const number = z.int({ error }).min(min, { error }).max(max, { error });
      const shape = z.union([number, z.string({ error }).regex(SIZE_PATTERN, { error })], { error });
      return scalar<string | number, number>(error, shape, (input) =>
        within(parseSize(String(input)), min, max),
      );
    }
    case "count": {
      const error = `a whole number from ${min} to ${max}`;
      return z
        .int({ error })
        .min(min, { error })
        .max(max, { error })
        .meta({ [EXPECTED]: error });
    }
  }
}

/** `a, b or c`. */
export function alternatives(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** A bound's default as it is written in the file. */
function writtenDefault(bound: Bound): number | string {
  switch (bound.unit) {
    case "ms":
      // Nothing has no largest unit, but is written with one.
      return bound.default === 0 ? "0s" : formatDuration(bound.default);
    case "bytes":
      return formatSize(bound.default);
    case "count":
      return bound.default;
  }
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}
