/**
 * The document after a JSON merge patch (RFC 7396). What a patch does not mention stays the very same object, by which a row knows that it
 * has nothing new to show.
 */
export function applyPatch(before: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const after: Record<string, unknown> = isObject(before) ? { ...before } : {};
  for (const [member, value] of Object.entries(patch)) {
    if (value === null) delete after[member];
    else after[member] = applyPatch(after[member], value);
  }
  return after;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
