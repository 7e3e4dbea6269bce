import { setTimeout as sleep } from "node:timers/promises";
import { formatDuration } from "../config/units.ts";
import type { AdminClient } from "../control/admin-client.ts";
import { AdminError } from "../control/admin-address.ts";
import { DIFFERENCE_KINDS, type TrialCounts, type TrialRequest, type TrialView } from "../trial/trial.ts";
import { type AskOptions, asking, printJson } from "./asking.ts";
import { printable } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";
import { LiveLine } from "./live-line.ts";
import { burnLines } from "./slo-view.ts";
import { type Cell, paint, type Style, table } from "./table.ts";
import { count, duration, share, short, time } from "./wording.ts";

/** Shows how a filter's trial stands. */
export function trial(filter: string, options: AskOptions): Promise<number> {
  return asking(options, async (client) => {
    const view = await client.trial(filter);
    if (options.json) printJson(view);
    else process.stdout.write(describeTrial(view, Date.now()));
    return DONE;
  });
}

const LOOK_AGAIN_MS = 1_000;

/** Waits for the end of a trial that has begun, and says what it has come to. */
export async function followTrial(client: AdminClient, filter: string, json: boolean): Promise<number> {
  const line = new LiveLine();
  try {
    let view = await client.trial(filter);
    const { startedAt } = view;
    while (view.state === "running") {
      line.show(progressOf(view, Date.now()));
      await sleep(LOOK_AGAIN_MS);
      view = await client.trial(filter);
      if (view.startedAt !== startedAt) {
        throw new AdminError(
          `Another trial of ${filter} has begun meanwhile: what became of this one, history tells.`,
        );
      }
    }
    line.clear();
    if (json) printJson(view);
    else process.stdout.write(printable(`${filter}: ${ended(view)}: ${view.why}\n`));
    return view.state === "promoted" ? DONE : FAILED;
  } finally {
    line.clear();
  }
}

function ended({ state }: TrialView): string {
  return state === "promoted" ? "promoted" : "rolled back";
}

function progressOf(
  { filter, request, startedAt, present, candidate, shadow }: TrialView,
  now: number,
): string {
  const { forMs } = request;
  const parts = [
    `${duration(now - startedAt)}${forMs === 0 ? "" : ` of ${duration(forMs)}`}`,
    count(candidate.exchanges, "exchange"),
    `${share(candidate.failed, candidate.exchanges)} failed, present ${share(present.failed, present.exchanges)}`,
    ...(shadow === null ? [] : [`${share(shadow.different, shadow.compared)} different`]),
  ];
  return `${filter}: ${kindOf(request)}, ${parts.join(", ")}`;
}

function describeTrial(view: TrialView, now: number): string {
  const { filter, request, component, digest, startedAt, present, candidate, shadow, burns, state, why } =
    view;
  const stands = state === "running" ? `for ${duration(now - startedAt)}` : ended(view);
  const style: Style = { running: "yellow", promoted: "green", "rolled-back": "red" }[state] as Style;
  return [
    `${printable(`${filter}: ${kindOf(request)}`)}, ${paint(style, stands)}\n`,
    printable(`${short(digest)} ${component}\n`),
    printable(`${why}\n`),
    printable(`${limitsOf(request)}\n`),
    ...burnLines(burns),
    "\n",
    table(
      ["VERSION", ...["EXCHANGES", "FAILED", "SHARE", "FAILURES", "MEAN TIME"].map(right)],
      [side("present", present), side("candidate", candidate)],
    ),
    ...(shadow === null
      ? []
      : [
          `\ncompared ${shadow.compared}, different ${shadow.different}, dropped ${shadow.dropped}\n`,
          ...(shadow.different === 0
            ? []
            : [
                "\n",
                table(
                  ["DIFFERENCE", right("COUNT")],
                  DIFFERENCE_KINDS.filter((kind) => shadow.kinds[kind] > 0).map((kind) => [
                    kind,
                    String(shadow.kinds[kind]),
                  ]),
                ),
              ]),
          ...(shadow.samples.length === 0
            ? []
            : [
                "\n",
                table(
                  ["AGO", "PHASE", "DIFFERENCE", "REQUEST", "WHAT"],
                  shadow.samples.map(({ at, phase, kind, requestId, detail }) => [
                    duration(now - at),
                    phase,
                    kind,
                    requestId,
                    detail,
                  ]),
                ),
              ]),
        ]),
  ].join("");
}

function right(name: string): { readonly name: string; readonly align: "right" } {
  return { name, align: "right" };
}

function side(name: string, { exchanges, failed, failures, meanMs }: TrialCounts): Cell[] {
  return [
    name,
    String(exchanges),
    String(failed),
    share(failed, exchanges),
    String(failures),
    exchanges === 0 ? "" : time(meanMs),
  ];
}

function kindOf(request: TrialRequest): string {
  if (request.kind === "shadow") return "shadow";
  const { key, percent } = request;
  const by = {
    client: "by client",
    none: "each exchange by itself",
    header: `by header ${"name" in key ? key.name : ""}`,
    cookie: `by cookie ${"name" in key ? key.name : ""}`,
  }[key.kind];
  return `canary of ${percent} %, ${by}`;
}

function limitsOf(request: TrialRequest): string {
  const { forMs, exchangesMin, errorPercentMax, failuresMax, addedMsMax, differencePercentMax } = request;
  const end =
    forMs === 0
      ? "never promoted by itself"
      : `promoted after ${formatDuration(forMs)} and ${count(exchangesMin, "exchange")}`;
  const bounds = [
    `${errorPercentMax} % more failed exchanges`,
    count(failuresMax, "failure"),
    `${time(addedMsMax)} more time`,
    ...(request.kind === "shadow" && differencePercentMax < 100
      ? [`${differencePercentMax} % differences`]
      : []),
  ];
  return `${end}; rolled back above ${bounds.join(", ")}`;
}
