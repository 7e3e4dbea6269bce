import type { FieldList } from "../message.ts";

/** A file that is no recording, or a broken one; the sentence says what is wrong. */
export class RecordRefused extends Error {
  override readonly name = "RecordRefused";
}

/** Members of an object, of which nothing is known. */
export type Members = Readonly<Record<string, unknown>>;

export function objectIn(value: unknown, what: string): Members {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new RecordRefused(`${what} is no object`);
  return value as Members;
}

export function listIn(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new RecordRefused(`${what} is no list`);
  return value;
}

export function textIn(value: unknown, what: string): string {
  if (typeof value !== "string") throw new RecordRefused(`${what} is no text`);
  return value;
}

export function textsIn(value: unknown, what: string): string[] {
  return listIn(value, what).map((text) => textIn(text, what));
}

export function numberIn(value: unknown, what: string): number {
  if (typeof value !== "number") throw new RecordRefused(`${what} is no number`);
  return value;
}

export function integerIn(value: unknown): bigint {
  if (typeof value !== "string" || !/^-?\d{1,20}$/.test(value))
    throw new RecordRefused("a whole number is none");
  return BigInt(value);
}

export function fieldsIn(value: unknown): FieldList {
  const fields = listIn(value, "fields");
  if (fields.length % 2 !== 0) throw new RecordRefused("a field has no value");
  for (const text of fields) textIn(text, "a field");
  return fields as FieldList;
}

/** What was left out is as long as it was, and full of full stops. */
export function bytesIn(value: unknown, bodies: boolean): Uint8Array {
  if (typeof value === "string" && bodies) return new Uint8Array(Buffer.from(value, "base64"));
  if (typeof value === "number" && value >= 0 && value <= BYTES_MAX)
    return new Uint8Array(value).fill(FILLER);
  throw new RecordRefused("bytes are neither there nor counted");
}

const FILLER = 0x2e;
/** More than any exchange has in a record. */
const BYTES_MAX = 1_048_576;
