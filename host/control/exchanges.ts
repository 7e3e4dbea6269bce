import type { TimelineView } from "../ops/timeline-view.ts";
import { candidateOf } from "../trial/trial.ts";
import type { ExchangeQuestion } from "./control.ts";
import type { Members } from "./members.ts";

/** The exchanges that workers keep. They are read here: no thread that carries traffic looks through them. */

/** Newest first, of all workers that answer. */
export async function exchangesOf(
  members: Members,
  { failed, route, filter, limit }: ExchangeQuestion,
): Promise<readonly TimelineView[]> {
  const kept = await ask(members, null);
  return kept
    .filter((view) => !failed || isFailed(view))
    .filter((view) => route === undefined || view.route === route)
    .filter((view) => filter === undefined || concerns(view, filter))
    .toSorted((one, other) => other.at - one.at)
    .slice(0, limit);
}

export async function exchangeOf(members: Members, requestId: string): Promise<TimelineView | undefined> {
  const [found] = await ask(members, requestId);
  return found;
}

/** Each once: a worker keeps one that was sampled and has failed in two places. */
async function ask(members: Members, requestId: string | null): Promise<TimelineView[]> {
  const answers = await members.ask<"timelines">({ kind: "timelines", requestId });
  const texts = new Set(answers.flatMap(([, list]) => list));
  return [...texts].map((text) => JSON.parse(text) as TimelineView);
}

function isFailed({ failure, status }: TimelineView): boolean {
  return failure !== null || status >= 500;
}

/** Whether it, or the version that is tried beside it, was called, has replied, or is what failed: the detail of a filter's failure begins with its name. */
function concerns({ steps, repliedBy, failure }: TimelineView, filter: string): boolean {
  return [filter, candidateOf(filter)].some(
    (name) =>
      repliedBy === name ||
      failure?.detail.startsWith(`${name}: `) ||
      steps?.some((step) => step.kind === "call" && step.filter === name),
  );
}
