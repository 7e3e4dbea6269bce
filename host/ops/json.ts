/** Anything but printable ASCII without the quote and the backslash. Surrogates count, because half a pair must be escaped. */
const ESCAPED = /[^ !#-[\]-~]/;

/** A string as JSON. Nearly all that a line holds needs no escapes, and the test is cheaper than JSON.stringify. */
export function quoted(text: string): string {
  return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}
