/** JSON merge patches (RFC 7396): what has to be said to who knows a document, so that they know the next one. */

/** A document without null, which in a patch means that a member is gone. Members that are undefined are not there. */
export type Document = { readonly [member: string]: unknown };

/** Undefined when nothing is different. Lists are told as a whole. */
export function patchBetween(before: Document, after: Document): Document | undefined {
  const patch: Record<string, unknown> = {};
  let isEmpty = true;
  const say = (member: string, value: unknown): void => {
    patch[member] = value;
    isEmpty = false;
  };
  for (const [member, value] of Object.entries(after)) {
    if (value === undefined) continue;
    const known = before[member];
    if (isDocument(value) && isDocument(known)) {
      const inner = patchBetween(known, value);
      if (inner !== undefined) say(member, inner);
    } else if (!isSame(known, value)) say(member, value);
  }
  for (const [member, value] of Object.entries(before))
    if (value !== undefined && after[member] === undefined) say(member, null);
  return isEmpty ? undefined : patch;
}

function isDocument(value: unknown): value is Document {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || (Array.isArray(one) && JSON.stringify(one) === JSON.stringify(other));
}
