import type { FieldList } from "../message.ts";
import type { Flow, FlowEnd } from "./flow.ts";
import type { RecordedHead } from "./record.ts";
import type { DifferenceKind } from "./trial.ts";

export interface Difference {
  readonly kind: DifferenceKind;
  /** One sentence, with names of headers and no values. */
  readonly detail: string;
}

/** How what the candidate made of a message differs from what the present version made of it; of each kind one at most. */
export function compared(present: Flow, candidate: Flow): Difference[] {
  const { end: before } = present;
  const { end: now } = candidate;
  if (now?.kind === "failed") {
    return before?.kind === "failed"
      ? []
      : [{ kind: "failure", detail: `the candidate failed (${now.reason})` }];
  }
  if (before?.kind !== now?.kind) {
    return [{ kind: "decision", detail: `the candidate ${told(now)}, the present version ${told(before)}` }];
  }
  if (before?.kind === "reply" && now?.kind === "reply") {
    return [
      ...statuses(before.status, now.status),
      ...fields("headers", before.fields, now.fields),
      ...bodies(before.body, now.body),
    ];
  }
  return before === undefined ? passages(present, candidate) : [];
}

/** Both let the message go on: what of it is known of both. */
function passages(present: Flow, candidate: Flow): Difference[] {
  const found: Difference[] = [];
  if (present.settled && candidate.settled) {
    found.push(...targets(present.head, candidate.head));
    found.push(...fields("headers", present.head.fields, candidate.head.fields));
  }
  if (present.complete && candidate.complete) found.push(...bodies(present.body, candidate.body));
  if (present.trailers !== undefined && candidate.trailers !== undefined)
    found.push(...fields("trailers", present.trailers, candidate.trailers));
  return found;
}

function targets(before: RecordedHead, now: RecordedHead): Difference[] {
  if ("status" in before) return "status" in now ? statuses(before.status, now.status) : [];
  if ("status" in now) return [];
  const parts = (["method", "authority", "path"] as const).filter((part) => before[part] !== now[part]);
  return parts.length === 0
    ? []
    : [{ kind: "target", detail: `the ${parts.join(" and the ")} of the request` }];
}

function statuses(before: number, now: number): Difference[] {
  if (before === now) return [];
  return [{ kind: "status", detail: `the candidate leaves ${now}, the present version ${before}` }];
}

function bodies(before: Uint8Array, now: Uint8Array): Difference[] {
  if (Buffer.compare(before, now) === 0) return [];
  const detail =
    before.length === now.length
      ? `bodies of ${now.length} bytes that are not the same`
      : `the candidate leaves ${now.length} bytes, the present version ${before.length}`;
  return [{ kind: "body", detail }];
}

/** The order of different names means nothing (RFC 9110 §5.3), that of equal ones does. */
function fields(kind: "headers" | "trailers", before: FieldList, now: FieldList): Difference[] {
  if (before.length === now.length && before.every((text, at) => text === now[at])) return [];
  const [old, fresh] = [byName(before), byName(now)];
  const added = [...fresh.keys()].filter((name) => !old.has(name));
  const removed = [...old.keys()].filter((name) => !fresh.has(name));
  const changed = [...fresh.keys()].filter((name) => old.has(name) && old.get(name) !== fresh.get(name));
  const parts = [
    list("", changed, "with other values"),
    list("only the candidate leaves ", added, ""),
    list("only the present version leaves ", removed, ""),
  ].filter((part) => part !== "");
  return parts.length === 0 ? [] : [{ kind, detail: parts.join("; ") }];
}

function byName(list: FieldList): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < list.length; at += 2) {
    const name = (list[at] as string).toLowerCase();
    const value = list[at + 1] as string;
    const other = found.get(name);
    // No value of a field holds a line break.
    found.set(name, other === undefined ? value : `${other}\n${value}`);
  }
  return found;
}

function list(before: string, names: readonly string[], after: string): string {
  if (names.length === 0) return "";
  const shown = names.slice(0, NAMES_MAX).map((name) => name.slice(0, NAME_LENGTH_MAX));
  if (names.length > NAMES_MAX) shown.push(`${names.length - NAMES_MAX} more`);
  return `${before}${shown.join(", ")}${after === "" ? "" : ` ${after}`}`;
}

function told(end: FlowEnd | undefined): string {
  if (end === undefined) return "lets it go on";
  if (end.kind === "reply") return `replies with ${end.status}`;
  if (end.kind === "too-large") return `takes bodies of up to ${end.bytesMax} bytes`;
  return end.kind === "reset" ? "resets the exchange" : `failed (${end.reason})`;
}

/** Names are the clients' and servers' to choose. */
const NAMES_MAX = 8;
const NAME_LENGTH_MAX = 64;
