import type { JSX } from "preact";
import type { CallStep, Step, TryStep } from "../host/timeline.ts";
import type { TimelineView } from "../host/ops/timeline-view.ts";
import { duration, short } from "./wording.ts";

/** What happened in one exchange, as bars on its own time. */
export function TimelineSteps({ steps, durationMs, more }: TimelineView): JSX.Element {
  if (steps === null)
    return <p class="quiet">Of this exchange no steps were kept: it was not sampled (timelines.sample).</p>;
  return (
    <table class="timeline">
      <caption class="unseen">The steps of the exchange, in the order in which they began</caption>
      <thead>
        <tr>
          <th scope="col">Step</th>
          <th scope="col">What became of it</th>
          <th scope="col" class="number">
            Began
          </th>
          <th scope="col" class="number">
            Took
          </th>
          <th scope="col" class="wide">
            <span class="unseen">When</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {steps.map((step, at) => (
          <StepRow key={at} step={step} wholeMs={durationMs} />
        ))}
        {more > 0 && (
          <tr>
            <td colSpan={5}>and {more} steps that there was no room for</td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

function StepRow({ step, wholeMs }: { readonly step: Step; readonly wholeMs: number }): JSX.Element {
  const left = share(step.startMs, wholeMs);
  const width = Math.max(0.5, Math.min(100 - left, share(step.ms ?? wholeMs - step.startMs, wholeMs)));
  const isBad = step.kind === "call" ? step.reason !== null : step.failure !== null;
  return (
    <tr>
      <th scope="row">
        {step.kind === "call" ? (
          <>
            {step.filter} <code>{short(step.digest)}</code> {step.phase}
          </>
        ) : (
          <>
            {step.upstream}: {step.server}
          </>
        )}
      </th>
      <td class={isBad ? "bad" : undefined}>{step.kind === "call" ? callWords(step) : tryWords(step)}</td>
      <td class="number">{duration(step.startMs)}</td>
      <td class="number">{duration(step.ms)}</td>
      <td class="wide" aria-hidden="true">
        <div
          class={`span ${step.kind} ${isBad ? "failed" : ""}`}
          style={{ marginLeft: `${left}%`, width: `${width}%` }}
        />
      </td>
    </tr>
  );
}

function callWords({ decision, reason, changed, calls }: CallStep): string {
  const what = reason === null ? decision : `failed: ${reason}`;
  return [what, ...(calls > 1 ? [`${calls} calls`] : []), ...changed].join(", ");
}

function tryWords({ status, failure }: TryStep): string {
  return failure ?? (status === 0 ? "no head came" : `status ${status}`);
}

function share(ms: number, wholeMs: number): number {
  return wholeMs <= 0 ? 0 : Math.max(0, Math.min(100, (ms / wholeMs) * 100));
}
