import { FAILURE_MEANING } from "../ops/failure-meaning.ts";
import type { TimelineView } from "../ops/timeline-view.ts";
import type { CallStep, Step, TryStep } from "../timeline.ts";
import { printable } from "./complaint.ts";
import { type Cell, type Column, paint, type Style, table } from "./table.ts";
import { count, duration, short, size, time } from "./wording.ts";

/** Many exchanges, a line each. */
export function describeExchanges(found: readonly TimelineView[], now: number): string {
  return table(
    ["AGO", "ID", number("STATUS"), number("TOOK"), "ROUTE", "REQUEST", "WHY"],
    found.map((view): Cell[] => [
      duration(now - view.at),
      view.requestId,
      { text: statusOf(view), style: styleOf(view) },
      time(view.durationMs),
      view.route ?? "",
      `${view.method} ${view.path}`,
      view.failure === null ? whoReplied(view) : `${view.failure.code}: ${view.failure.detail}`,
    ]),
  );
}

/** One exchange: what it was, then its steps in the order in which they began. */
export function describeTimeline(view: TimelineView): string {
  return [...headLines(view), "\n", ...stepLines(view)].join("");
}

function headLines(view: TimelineView): string[] {
  const { failure, versions } = view;
  const lines: [name: string, value: string][] = [
    ["exchange", view.requestId],
    ["began", `${new Date(view.at).toISOString()}, in worker ${view.worker}, generation ${view.generation}`],
    ["request", `${view.method} ${view.path}, ${size(view.requestBytes)}`],
    ["route", view.route ?? "none matched"],
    [
      "answer",
      `${statusOf(view)} from ${answererOf(view)}, ${size(view.responseBytes)}, ${time(view.durationMs)}`,
    ],
  ];
  if (versions !== null) {
    const told = Object.entries(versions).map(([filter, version]) => `${filter} ${version}`);
    lines.push(["versions", told.join(", ")]);
  }
  if (failure !== null) {
    lines.push(["failure", failure.code], ["", FAILURE_MEANING[failure.code]], ["", failure.detail]);
  }
  return lines.map(([name, value]) => {
    const text = printable(value.replaceAll("\n", "\u{FFFD}"));
    return `${name.padEnd(NAME_LENGTH)}${name === "failure" ? paint("red", text) : text}\n`;
  });
}

const NAME_LENGTH = 10;

function stepLines({ steps, more }: TimelineView): string[] {
  if (steps === null) return [`${NO_STEPS}\n`];
  if (steps.length === 0) return ["No filter was called, and no server tried.\n"];
  const rows = steps.map((step) => (step.kind === "call" ? callRow(step) : tryRow(step)));
  return [
    table([number("AT"), number("TOOK"), "WHAT", "DIGEST", "CAME TO", "CHANGED", number("FUEL")], rows),
    ...(more > 0 ? [`… and ${count(more, "step")} more\n`] : []),
  ];
}

const NO_STEPS =
  "Its steps were not kept: it was neither sampled (timelines.sample) nor asked for by a debug header.";

function callRow({ startMs, ms, filter, phase, digest, ...step }: CallStep): Cell[] {
  const { decision, reason, calls } = step;
  const came = reason === null ? decision : `${decision}: ${reason}`;
  return [
    time(startMs),
    time(ms),
    `${filter} ${phase}${calls > 1 ? ` ×${calls}` : ""}`,
    short(digest),
    { text: came, style: CALL_STYLES[decision] },
    step.changed.join(" "),
    String(step.fuel),
  ];
}

const CALL_STYLES: Readonly<Record<CallStep["decision"], Style>> = {
  pass: "dim",
  replace: "cyan",
  hold: "dim",
  reply: "yellow",
  reset: "red",
  fail: "red",
};

function tryRow({ startMs, ms, headMs, upstream, server, status, failure }: TryStep): Cell[] {
  const head = headMs === null ? "no head" : `${status}, head after ${time(headMs - startMs)}`;
  return [
    time(startMs),
    ms === null ? "" : time(ms),
    `→ ${upstream} ${server}`,
    "",
    { text: failure === null ? head : `${failure}, ${head}`, style: failure === null ? "green" : "red" },
    "",
    "",
  ];
}

function answererOf(view: TimelineView): string {
  const { failure, repliedBy, steps, status } = view;
  if (repliedBy !== null) return `the filter ${repliedBy}`;
  const server = steps?.findLast((step: Step): step is TryStep => step.kind === "try" && step.status > 0);
  // A failure before the head is out is answered by the host; one after it breaks the server's message off.
  if (failure !== null && server?.status !== status) return status === 0 ? "nobody" : "the host itself";
  return server === undefined ? "the upstream" : `${server.upstream} ${server.server}`;
}

function whoReplied({ repliedBy }: TimelineView): string {
  return repliedBy === null ? "" : `the filter ${repliedBy} replied`;
}

function statusOf({ status }: TimelineView): string {
  return status === 0 ? "no head" : String(status);
}

function styleOf({ failure, status }: TimelineView): Style {
  return failure !== null || status >= 500 ? "red" : "green";
}

function number(name: string): Column {
  return { name, align: "right" };
}
