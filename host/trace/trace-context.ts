import { isName } from "../fields.ts";
import type { FieldList } from "../message.ts";

/** W3C Trace Context, levels 1 and 2: which trace a request belongs to, and what is known of it. */

/** What a client has told in `traceparent` and `tracestate`, once it is known to be in order. */
export interface TraceContext {
  /** 32 lower-case hex digits, not all 0. */
  readonly traceId: string;
  /** The client's span: 16 lower-case hex digits, not all 0. */
  readonly parentId: string;
  /** Those that are known: `SAMPLED` and `RANDOM`. */
  readonly flags: number;
  /** What `tracestate` holds, as it goes on; empty without any, and where nobody records: then nobody needs it. */
  readonly state: string;
}

/** The client has recorded it, or means to. */
export const SAMPLED = 0x01;
/** The last 7 bytes of the trace's id are random (level 2, §3.2.2.5.2). */
export const RANDOM = 0x02;

/** Undefined where there is no `traceparent`, where it is not in order, or where there is more than one (§3.2.2, §4.2). */
export function readTraceContext(fields: FieldList): TraceContext | undefined {
  let parent: string | undefined;
  let states = "";
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name.length === PARENT_NAME.length && isName(name, PARENT_NAME)) {
      if (parent !== undefined) return undefined;
      parent = fields[at + 1] as string;
    } else if (name.length === STATE_NAME.length && isName(name, STATE_NAME))
      states = states === "" ? (fields[at + 1] as string) : `${states},${fields[at + 1] as string}`;
  }
  const known = parent === undefined ? undefined : readTraceParent(parent);
  if (known === undefined) return undefined;
  const { traceId, parentId, flags } = known;
  return { traceId, parentId, flags, state: (flags & SAMPLED) === 0 ? "" : readTraceState(states) };
}

/** Whether a field is one of the two. */
export function tellsOfTrace(name: string): boolean {
  return name.length === PARENT_NAME.length
    ? isName(name, PARENT_NAME)
    : name.length === STATE_NAME.length && isName(name, STATE_NAME);
}

/** §3.2.2: later versions may add to the end, and nothing of what they add is understood. */
export function readTraceParent(value: string): Omit<TraceContext, "state"> | undefined {
  const match = PARENT.exec(value);
  if (match === null) return undefined;
  const [, version, traceId = "", parentId = "", flags = "", rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (traceId === NO_TRACE || parentId === NO_SPAN) return undefined;
  return { traceId, parentId, flags: Number.parseInt(flags, 16) & (SAMPLED | RANDOM) };
}

/** The `traceparent` of what comes next. Flags that are not known are not passed on (§3.2.2.5.3). */
export function formatTraceParent(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-0${flags}`;
}

/**
 * §3.3: the members in their order, each key once; empty when any of it is out of order, or when there are too many. What is longer
 * than systems have to keep loses whole members: long ones first, then the oldest, which are at the end (§3.3.1.5).
 */
export function readTraceState(value: string): string {
  if (value === "") return "";
  const members = new Map<string, string>();
  for (const part of value.split(",")) {
    const member = part.replaceAll(EDGES, "");
    if (member === "") continue;
    const key = MEMBER.exec(member)?.[1];
    if (key === undefined) return "";
    if (!members.has(key)) members.set(key, member);
    if (members.size > MEMBERS_MAX) return "";
  }
  const kept = [...members.values()];
  let length = kept.reduce((sum, member) => sum + member.length + 1, -1);
  for (const most of [MEMBER_LENGTH, 0])
    for (let at = kept.length - 1; at >= 0 && length > STATE_LENGTH; at--) {
      const { length: own } = kept[at] as string;
      if (own <= most) continue;
      kept.splice(at, 1);
      length -= own + 1;
    }
  return kept.join(",");
}

const PARENT_NAME = "traceparent";
const STATE_NAME = "tracestate";

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);

/** Optional white space around a member. */
const EDGES = /^[ \t]+|[ \t]+$/g;
/** Level 2's keys, among which are all of level 1; a value ends in something else than a space. */
const MEMBER =
  /^([a-z0-9][a-z0-9_\-*/@]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

const MEMBERS_MAX = 32;
/** What every system keeps. */
const STATE_LENGTH = 512;
/** A longer member goes before any other one. */
const MEMBER_LENGTH = 128;
