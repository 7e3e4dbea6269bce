import { Problem } from "./admin-problem.ts";

/** The generation that a change is meant for; undefined: whichever is live. */
export type Condition = number | undefined;

/**
 * Reads `If-Match` (RFC 9110 §13.1.1). The entity tag of everything here is the number of the live generation. Throws a
 * `Problem` where the field is malformed, or where none of its tags can be that number.
 */
export function readIfMatch(field: string | undefined, live: number): Condition {
  if (field === undefined || field.trim() === "*") return undefined;
  const tags = readTags(field);
  // A weak tag matches nothing, and neither does one that is no number of a generation.
  const numbers = tags.flatMap((tag) => (NUMBER.test(tag) ? [Number(tag.slice(1, -1))] : []));
  const wanted = numbers.includes(live) ? live : numbers[0];
  if (wanted !== undefined) return wanted;
  throw generationChanged(`Generation ${live} is live, and If-Match names none.`, live);
}

export function entityTag(generation: number): string {
  return `"${generation}"`;
}

/** The live generation is told, so that who is late need not ask for it. */
export function generationChanged(detail: string, live: number): Problem {
  return new Problem("GENERATION_CHANGED", detail, { members: { generation: live } });
}

function readTags(field: string): string[] {
  if (field.length > FIELD_LENGTH_MAX || !LIST.test(field)) {
    throw new Problem("REQUEST_REFUSED", 'If-Match is "*" or entity tags in quotes, like "7".');
  }
  return field.match(TAG) ?? [];
}

/** Room for many generations. The pattern for lists looks at a run of commas more than once. */
const FIELD_LENGTH_MAX = 1_024;

const NUMBER = /^"(?:0|[1-9]\d{0,14})"$/;

/** RFC 9110 §8.8.3: quotes around anything but quotes, controls and spaces. */
const TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

/** RFC 9110 §5.6.1: a recipient takes some empty elements, too. */
const LIST = new RegExp(`^[\\t ,]*${TAG.source}(?:[\\t ]*,(?:[\\t ,]*${TAG.source})?)*[\\t ,]*$`);
