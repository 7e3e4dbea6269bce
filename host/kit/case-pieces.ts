import * as z from "zod";
import type { Json } from "../config/config.ts";
import { list, mapping, named, text } from "../config/shape.ts";
import type { FieldsInput } from "./message-input.ts";

/** A body as it is written. */
export type BodyDraft = Uint8Array | { readonly file: string };

/** One line of text. */
export function line(expected: string): z.ZodType<string, string> {
  return text(expected, /^[^\0\r\n]+$/, (input) => input);
}

/** Any text; YAML takes `1` and `true` for something else, which no field's value is. */
export function plainText(): z.ZodType<string, string | number | boolean> {
  const error = "text";
  return z
    .union([z.string({ error }), z.number({ error }), z.boolean({ error })], { error })
    .transform(String);
}

/** Text, or what its bytes are made of. */
export function body(): z.ZodType<BodyDraft> {
  const error = "text, or a mapping with base64, json, file, or text and times";
  const made = mapping(error, {
    base64: text("base64", /^[A-Za-z0-9+/\s]*={0,2}\s*$/, (input) => Buffer.from(input, "base64")).optional(),
    json: z
      .unknown()
      .transform((input) => input as Json)
      .optional(),
    file: line("the path of a file").optional(),
    text: plainText().optional(),
    times: z.int({ error: TIMES }).min(1, { error: TIMES }).max(TIMES_MAX, { error: TIMES }).default(1),
  }).transform((input, context): BodyDraft => {
    const { base64, json, file, text: said, times } = input;
    const given = [base64, json, file, said].filter((one) => one !== undefined);
    if (given.length !== 1) {
      context.addIssue({ code: "custom", message: error });
      return z.NEVER;
    }
    if (file !== undefined) return { file };
    return base64 ?? Buffer.from((said ?? JSON.stringify(json)).repeat(times));
  });
  return z.union([plainText().transform((input): BodyDraft => Buffer.from(input)), made], { error });
}

const TIMES_MAX = 1_048_576;
const TIMES = `a whole number from 1 to ${TIMES_MAX}`;

/** A mapping from names to values, where a list is several fields; or a list of `[name, value]`. */
export function fields(): z.ZodType<FieldsInput> {
  const error = "a mapping from names to values, or a list of [name, value]";
  const name = line("a field's name");
  const value = z.union([plainText(), z.array(plainText(), { error: "text" })], {
    error: "text, or a list of texts",
  });
  const pair = z.tuple([name, plainText()], { error: "[name, value]" });
  return z.union([z.record(name, value, { error }), z.array(pair, { error })], { error });
}

/** A body, whole or in chunks, and trailers: what requests and responses have in common. */
export function bodied(): {
  body: z.ZodOptional<z.ZodType<BodyDraft>>;
  chunks: z.ZodOptional<z.ZodType<BodyDraft[]>>;
  headers: z.ZodOptional<z.ZodType<FieldsInput>>;
  trailers: z.ZodOptional<z.ZodType<FieldsInput>>;
} {
  return {
    headers: fields().optional(),
    body: body().optional(),
    chunks: list("a list of the chunks in which the body comes", body(), 65_536).optional(),
    trailers: fields().optional(),
  };
}

/** By name, any text. */
export function texts(expected: string, key: string): z.ZodType<Record<string, string>> {
  return named(expected, line(key), plainText()) as z.ZodType<Record<string, string>>;
}

/** A moment: what `Date.parse` reads, or milliseconds since 1970. */
export function instant(): z.ZodType<string | number, string | number> {
  const error = "a time like 2026-01-01T00:00:00Z, or milliseconds since 1970";
  const moment = z
    .string({ error })
    .refine((input) => /^\d{4}-/.test(input) && Number.isFinite(Date.parse(input)), { error });
  return z.union([moment, z.int({ error }).min(0, { error })], { error });
}
