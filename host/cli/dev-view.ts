import { sep } from "node:path";
import type { Observation, ObservedCall, ObservedStep } from "../kit/dev-observer.ts";
import { printable } from "./complaint.ts";
import { paint, type Style } from "./table.ts";
import { count, significant, size, time } from "./wording.ts";

/** A line of the log about a filter, or of the host itself. */
export interface LogLine {
  /** pino's number. */
  readonly level: number;
  readonly msg: string;
  readonly filter?: string;
  readonly request_id?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly stack?: readonly string[];
}

/** One exchange, for a terminal: a line, and below it what every filter made of it; `failures` are the lines of the log about those. */
export function exchangeLines(seen: Observation, failures: readonly LogLine[]): string[] {
  const { method, target, status, ms, failure, steps, more } = seen;
  const answer = status === 0 ? "no answer" : String(status);
  const bytes = `request ${size(seen.requestBytes)}, response ${size(seen.responseBytes)}`;
  const head = `${method} ${safe(target)} → ${paint(styleOf(status), answer)} in ${time(ms)}, ${bytes}`;
  const calls = steps.filter((step) => step.kind === "call");
  const widths = {
    filter: Math.max(0, ...calls.map(({ filter }) => filter.length)),
    call: Math.max(0, ...calls.map((step) => callOf(step).length)),
    decision: Math.max(0, ...calls.map(({ decision }) => decision.length)),
  };
  const lines = steps.flatMap((step) => stepLines(step, widths));
  if (more > 0) lines.push(`and ${count(more, "more step")}`);
  lines.push(...failures.flatMap(failureLines));
  if (failure !== null) {
    // What a filter has died of stands above.
    const detail = failures.length === 0 ? `: ${failure.detail}` : "";
    lines.push(paint("red", safe(`${failure.code}${detail}`)));
  }
  return [head, ...lines.map((line) => `  ${line}`)];
}

/** What a filter, or the host about it, has logged. */
export function logLines(line: LogLine): string[] {
  const { level, filter, msg, attributes = {} } = line;
  if (line.stack !== undefined || msg === FAILED_LINE) return failureLines(line);
  const name = LEVELS[level] ?? "";
  const said = Object.entries(attributes).map(([key, value]) => ` ${key}=${value}`);
  const from = filter === undefined ? "" : `${filter}: `;
  return [`${paint(level >= 40 ? "yellow" : "dim", name)} ${safe(`${from}${msg}${said.join("")}`)}`];
}

/** The message of such a line that says how a filter has failed. */
export const FAILED_LINE = "filter failed";

function failureLines({ filter = "", attributes = {}, stack = [] }: LogLine): string[] {
  const { reason = "", detail = "" } = attributes;
  const [first = "", ...rest] = detail.split("\n");
  return [
    paint("red", safe(`${filter} failed (${reason}): ${first}`)),
    ...[...rest, ...framesOf(stack)].map((text) => `    ${safe(text)}`),
  ];
}

/**
 * The frames of a stack that its author wants to see: those of libraries up to where the project has called them, and then the project's own,
 * by their paths within it.
 */
function framesOf(stack: readonly string[]): string[] {
  const here = ` at ${process.cwd()}${sep}`;
  const first = stack.findIndex((place) => place.includes(here));
  const shown = stack.filter((place, at) => at <= first || first < 0 || place.includes(here));
  return shown.map((place) => `at ${place.replace(here, " at ")}`);
}

interface Widths {
  readonly filter: number;
  readonly call: number;
  readonly decision: number;
}

function stepLines(step: ObservedStep, widths: Widths): string[] {
  if (step.kind === "upstream") {
    const body = step.length < 0 ? "" : `, ${size(step.length)}`;
    return [paint("dim", `upstream answers ${step.status}${body}`)];
  }
  if (step.kind === "asked")
    return [paint("dim", safe(`${step.filter} has asked ${step.request} → ${step.answer}`))];
  const cells = [
    step.filter.padEnd(widths.filter),
    callOf(step).padEnd(widths.call),
    paint(styleOfDecision(step.decision), step.decision.padEnd(widths.decision)),
    `${significant(step.ms)} ms`,
    `${step.fuel} fuel`,
  ];
  return [
    cells.join("  "),
    ...joined(step.edits).map((edit) => `    ${paint(styleOfEdit(edit), safe(edit))}`),
  ];
}

/** The phase, and what it was lent. */
function callOf({ call, calls, bytes }: ObservedCall): string {
  if (!call.endsWith("-body")) return call;
  return `${call} ${size(bytes)}${calls > 1 ? ` in ${calls} pieces` : ""}`;
}

/** Edits with `~` for what has another value: `- a: 1` and `+ a: 2` are one change. */
export function joined(edits: readonly string[]): string[] {
  const lines: string[] = [];
  const added = edits.filter((edit) => edit.startsWith("+ "));
  for (const edit of edits) {
    if (edit.startsWith("+ ")) continue;
    if (!edit.startsWith("- ")) {
      lines.push(`~ ${edit}`);
      continue;
    }
    const name = nameOf(edit);
    const at = added.findIndex((other) => nameOf(other) === name);
    if (at < 0) lines.push(edit);
    else lines.push(`~ ${edit.slice(2)} -> ${valueOf(added.splice(at, 1)[0] ?? "")}`);
  }
  return [...lines, ...added];
}

function nameOf(edit: string): string {
  return edit.slice(2, edit.indexOf(": ")).toLowerCase();
}

function valueOf(edit: string): string {
  return edit.slice(edit.indexOf(": ") + 2);
}

/** Text of others, on one line. */
function safe(text: string): string {
  return printable(text.replaceAll("\n", "\u{FFFD}"));
}

function styleOf(status: number): Style {
  if (status === 0 || status >= 500) return "red";
  return status >= 400 ? "yellow" : "green";
}

function styleOfDecision(decision: string): Style | undefined {
  if (decision === "failed") return "red";
  return decision === "proceed" || decision === "pass" || decision === "done" ? undefined : "yellow";
}

function styleOfEdit(edit: string): Style {
  if (edit.startsWith("+")) return "green";
  return edit.startsWith("-") ? "red" : "cyan";
}

const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};
