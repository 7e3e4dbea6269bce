import type { FailureCode } from "./failure.ts";
import { HOLD, RESET } from "./filter/contract.ts";
import { isName } from "./fields.ts";
import { type FieldList, Reply, type RequestHead, ResponseHead, Trailers } from "./message.ts";
import { DECISION, type DecisionNumber } from "./ops/filter-work.ts";
import { type FilterFailureReason, type FilterPhase, PHASE } from "./ops/meter.ts";
import type { Trace } from "./trace/tracer.ts";

/** What a call of a filter came to. */
export type Decision = keyof typeof DECISION;

export const DECISIONS: readonly Decision[] = Object.keys(DECISION) as Decision[];

export function decisionOf(answer: unknown): DecisionNumber {
  if (answer === undefined) return DECISION.pass;
  if (answer instanceof Reply) return DECISION.reply;
  if (answer === HOLD) return DECISION.hold;
  return answer === RESET ? DECISION.reset : DECISION.replace;
}

/** What happened in an exchange, in the order in which it began. Plain data: it crosses threads, and is shown as JSON. */
export type Step = CallStep | TryStep;

/** One call of a filter; of a streamed body all chunks that were decided alike, one after the other. */
export interface CallStep {
  readonly kind: "call";
  readonly filter: string;
  /** Of its artifact; lower-case hex. */
  readonly digest: string;
  readonly phase: keyof typeof PHASE;
  /** Since the exchange began. */
  readonly startMs: number;
  /** Of all its calls together. */
  ms: number;
  fuel: number;
  calls: number;
  readonly decision: Decision;
  /** Why it failed; null when it has not. */
  readonly reason: FilterFailureReason | null;
  /** What it has edited: `+name` was not there before, `-name` is gone, `~name` has other values; `~:path` and the like are no fields. No values. */
  readonly changed: readonly string[];
}

/** One try at a server. */
export interface TryStep {
  readonly kind: "try";
  readonly upstream: string;
  /** As the configuration names it. */
  readonly server: string;
  /** Since the exchange began, like `headMs`. */
  readonly startMs: number;
  /** When the response's head came; null when none did. */
  headMs: number | null;
  /** How long it took, the response's body included; null while it is not over. */
  ms: number | null;
  /** 0 when no head came. */
  status: number;
  failure: FailureCode | null;
}

/** The head or trailers that a call was lent, as they were before. */
export interface Sight {
  readonly fields: FieldList;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly status: number;
}

/** What a timeline is for: who reads it while its exchange is there, or to be kept when it ends, or to be told to the client, too. */
export type Wish = "passing" | "kept" | "told";

/** Keeps the steps of one exchange. Not every exchange has one: it is made where somebody wants to know. */
export class Timeline {
  readonly steps: Step[] = [];
  /** Steps that there was no room for. */
  more = 0;
  readonly wish: Wish;
  /** Where spans are made of the exchange. */
  readonly trace: Trace | undefined;
  readonly #beganMs: number;

  /** `beganMs`: when the exchange began, by `performance.now()`. */
  constructor(beganMs: number, wish: Wish = "passing", trace?: Trace) {
    this.#beganMs = beganMs;
    this.wish = wish;
    this.trace = trace;
  }

  /** A call has returned, or failed for a reason. `began` is by `performance.now()`. */
  called(
    { name, digest }: { readonly name: string; readonly digest: string },
    phase: FilterPhase,
    began: number,
    ms: number,
    fuel: number,
    decided: DecisionNumber,
    reason: FilterFailureReason | null,
    changed: readonly string[],
  ): void {
    const decision = DECISIONS[decided] as Decision;
    const last = this.steps.at(-1);
    const phaseName = PHASE_NAMES[phase] as keyof typeof PHASE;
    if (
      this.more === 0 &&
      last?.kind === "call" &&
      last.filter === name &&
      last.phase === phaseName &&
      last.decision === decision &&
      changed.length === 0 &&
      reason === null
    ) {
      last.calls += 1;
      last.ms += ms;
      last.fuel += fuel;
      return;
    }
    this.#add({
      kind: "call",
      filter: name,
      digest,
      phase: phaseName,
      startMs: began - this.#beganMs,
      ms,
      fuel,
      calls: 1,
      decision,
      reason,
      changed,
    });
  }

  /** A try begins; what is told of it is filled in by whoever tries. */
  tries(upstream: string, server: string): TryStep {
    const step: TryStep = {
      kind: "try",
      upstream,
      server,
      startMs: this.now,
      headMs: null,
      ms: null,
      status: 0,
      failure: null,
    };
    this.#add(step);
    return step;
  }

  /** Milliseconds since the exchange began. */
  get now(): number {
    return performance.now() - this.#beganMs;
  }

  #add(step: Step): void {
    if (this.steps.length < STEPS_MAX) this.steps.push(step);
    else this.more += 1;
  }
}

export function sightOf(message: RequestHead | ResponseHead | Trailers): Sight {
  const { fields } = message;
  if (message instanceof ResponseHead)
    return { fields, method: "", authority: "", path: "", status: message.status };
  if (message instanceof Trailers) return { fields, method: "", authority: "", path: "", status: 0 };
  return { fields, method: message.method, authority: message.authority, path: message.path, status: 0 };
}

/** What has been edited since. Edits put another list in the place of the fields, so that most calls are told by a look. */
export function changedSince(
  before: Sight,
  message: RequestHead | ResponseHead | Trailers,
): readonly string[] {
  const after = sightOf(message);
  const changed: string[] = [];
  if (before.method !== after.method) changed.push("~:method");
  if (before.authority !== after.authority) changed.push("~:authority");
  if (before.path !== after.path) changed.push("~:path");
  if (before.status !== after.status) changed.push("~:status");
  if (before.fields !== after.fields) compareFields(before.fields, after.fields, changed);
  return changed.length === 0 ? NONE : changed;
}

/** Most fields are where they were: only names of those that are not are looked for. */
function compareFields(before: FieldList, after: FieldList, changed: string[]): void {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && isSamePair(before, start, after, start)) start += 2;
  let end = 0;
  while (end < most - start && isSamePair(before, before.length - end - 2, after, after.length - end - 2))
    end += 2;
  const names: string[] = [];
  gatherNames(before, start, before.length - end, after, start, after.length - end, names);
  gatherNames(after, start, after.length - end, before, start, before.length - end, names);
  for (const name of names) {
    const [old, fresh] = [valuesOf(before, name), valuesOf(after, name)];
    if (old.length === 0) changed.push(`+${name}`);
    else if (fresh.length === 0) changed.push(`-${name}`);
    else if (old.length !== fresh.length || old.some((value, at) => value !== fresh[at]))
      changed.push(`~${name}`);
  }
}

/** The names of fields in a part of one list that the part of the other has not. */
function gatherNames(
  one: FieldList,
  from: number,
  to: number,
  other: FieldList,
  otherFrom: number,
  otherTo: number,
  names: string[],
): void {
  for (let at = from; at < to; at += 2) {
    let found = otherFrom;
    while (found < otherTo && !isSamePair(one, at, other, found)) found += 2;
    if (found < otherTo) continue;
    const name = (one[at] as string).toLowerCase();
    if (!names.includes(name)) names.push(name);
  }
}

function isSamePair(one: FieldList, at: number, other: FieldList, otherAt: number): boolean {
  return one[at] === other[otherAt] && one[at + 1] === other[otherAt + 1];
}

function valuesOf(fields: FieldList, lower: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (isName(name, lower)) values.push(fields[at + 1] as string);
  }
  return values;
}

const NONE: readonly string[] = [];

const PHASE_NAMES = Object.keys(PHASE) as (keyof typeof PHASE)[];

/** A body of many chunks must not make a timeline that nobody can read. */
const STEPS_MAX = 64;
