/**
 * What others have written, for a sentence that goes to terminals, logs and tickets: quoted, one line, and short. Nothing but
 * printable ASCII: other letters could pass for those of another name.
 */
export function foreign(text: string): string {
  const shown = text.slice(0, LENGTH_MAX).replaceAll(/[^ !#-~]/g, "?");
  return `"${shown}${text.length > LENGTH_MAX ? "…" : ""}"`;
}

/** A file's path or a reference: the operator's own words, but for what would move a cursor. */
export function place(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{FFFD}");
}

/** Long enough for a workflow's URI. */
const LENGTH_MAX = 200;
