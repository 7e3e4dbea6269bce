import { diffArrays } from "diff";
import { type RequestHead, ResponseHead, Trailers } from "../message.ts";
import { readableText } from "./message-input.ts";

/** A head or trailers, as they were at one time. */
export interface HeadCopy {
  /** What is no field, by name. */
  readonly parts: readonly (readonly [name: string, value: string])[];
  readonly fields: readonly string[];
}

export function copyOf(message: RequestHead | ResponseHead | Trailers): HeadCopy {
  return { parts: partsOf(message), fields: [...message.fields] };
}

/** What has changed since, one line each: `+ name: value`, `- name: value`, `path: /a -> /b`. */
export function editsSince(before: HeadCopy, message: RequestHead | ResponseHead | Trailers): string[] {
  const after = partsOf(message);
  const edits = after.flatMap(([name, value], at) => {
    const old = before.parts[at]?.[1];
    return old === value ? [] : [`${name}: ${old ?? ""} -> ${value}`];
  });
  if (!sameFields(before.fields, message.fields))
    for (const { added, removed, value } of diffArrays(linesOf(before.fields), linesOf(message.fields)))
      if (added || removed) edits.push(...value.map((line) => `${added ? "+" : "-"} ${line}`));
  return edits;
}

function partsOf(message: RequestHead | ResponseHead | Trailers): HeadCopy["parts"] {
  if (message instanceof Trailers) return [];
  if (message instanceof ResponseHead) return [["status", String(message.status)]];
  const { method, authority, path } = message;
  return [
    ["method", method],
    ["authority", readableText(authority)],
    ["path", path],
  ];
}

function sameFields(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, at) => text === other[at]);
}

function linesOf(fields: readonly string[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at < fields.length; at += 2)
    lines.push(`${fields[at]}: ${readableText(fields[at + 1] as string)}`);
  return lines;
}
