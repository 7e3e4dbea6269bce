import type { JSX } from "preact";
import type { LiveTrial } from "../host/control/live-view.ts";
import { filterPath } from "./api.ts";
import { type Proposal, useChanger } from "./change-dialog.tsx";
import { Condition } from "./header.tsx";
import { useMay } from "./store-context.ts";
import { clock, duration, fileName, number, percent, short, shortened } from "./wording.ts";

interface Properties {
  readonly name: string;
  readonly trial: LiveTrial;
  readonly present: { readonly component: string; readonly digest: string };
}

/** A version that is tried, beside the one that serves. */
export function TrialSection({ name, trial, present }: Properties): JSX.Element {
  const may = useMay("swap");
  const { propose } = useChanger();
  const { request, state, why, startedAt } = trial;
  const isRunning = state === "running";
  const kind = request.kind === "canary" ? `canary of ${number(request.percent)} %` : "shadow";
  return (
    <section aria-labelledby={`trial-${name}`} class="trial">
      <h2 id={`trial-${name}`}>
        {name}: {kind}
      </h2>
      <p>
        <Condition isGood={state !== "rolled-back"} text={WORDS[state]} /> since {clock(startedAt)}:{" "}
        {shortened(why)}.
      </p>
      <table>
        <caption class="unseen">Both versions of {name}</caption>
        <thead>
          <tr>
            <th scope="col">Version</th>
            <th scope="col" class="number">
              Exchanges
            </th>
            <th scope="col" class="number">
              Failed
            </th>
            <th scope="col" class="number">
              Failures of the filter
            </th>
            <th scope="col" class="number">
              Mean in its calls
            </th>
          </tr>
        </thead>
        <tbody>
          <Side
            title={isRunning ? "present" : "was present"}
            {...trial.present}
            {...(isRunning && { version: present })}
          />
          <Side title="candidate" {...trial.candidate} version={trial} />
        </tbody>
      </table>
      {trial.shadow !== undefined && <Differences shadow={trial.shadow} />}
      {isRunning && may && (
        <div class="buttons">
          <button type="button" onClick={() => propose(promotion(name))}>
            Promote…<span class="unseen"> {name}</span>
          </button>
          <button type="button" onClick={() => propose(ending(name))}>
            End the trial…<span class="unseen"> of {name}</span>
          </button>
        </div>
      )}
    </section>
  );
}

const WORDS = { running: "running", promoted: "promoted", "rolled-back": "rolled back" } as const;

type SideProperties = LiveTrial["present"] & {
  readonly title: string;
  readonly version?: { readonly component: string; readonly digest: string };
};

function Side({ title, version, exchanges, failed, failures, meanMs }: SideProperties): JSX.Element {
  return (
    <tr>
      <th scope="row">
        {title}
        {version !== undefined && (
          <>
            : {fileName(version.component)} <code>{short(version.digest)}</code>
          </>
        )}
      </th>
      <td class="number">{number(exchanges)}</td>
      <td class="number">
        {number(failed)} {exchanges > 0 && <span class="quiet">{percent(failed / exchanges)}</span>}
      </td>
      <td class="number">
        <span class={failures > 0 ? "bad" : ""}>{number(failures)}</span>
      </td>
      <td class="number">{duration(meanMs)}</td>
    </tr>
  );
}

function Differences({ shadow }: { readonly shadow: NonNullable<LiveTrial["shadow"]> }): JSX.Element {
  const { compared, different, partly, dropped, kinds, samples } = shadow;
  const found = Object.entries(kinds).filter(([, count]) => count > 0);
  return (
    <>
      <p>
        {number(compared)} exchanges compared, of them {number(partly)} partly; {number(different)} different
        {found.length > 0 && ` (${found.map(([kind, count]) => `${kind} ${number(count)}`).join(", ")})`};{" "}
        {number(dropped)} not seen, because the shadow was behind.
      </p>
      {samples.length > 0 && (
        <table>
          <caption>The last differences</caption>
          <thead>
            <tr>
              <th scope="col">At</th>
              <th scope="col">Phase</th>
              <th scope="col">Kind</th>
              <th scope="col">What</th>
              <th scope="col">Request</th>
            </tr>
          </thead>
          <tbody>
            {samples.toReversed().map(({ at, requestId, phase, kind, detail }, index) => (
              <tr key={`${requestId} ${kind} ${index}`}>
                <td class="still">{clock(at)}</td>
                <td>{phase}</td>
                <td>{kind}</td>
                <td>{detail}</td>
                <td>
                  <code>{requestId}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function promotion(name: string): Proposal {
  return {
    title: `Promote the candidate of ${name}?`,
    explanation: "The trial ends, and the candidate serves all exchanges.",
    act: "Promote",
    path: `${filterPath(name)}/promote`,
    body: {},
    done: `The candidate of ${name} serves.`,
  };
}

function ending(name: string): Proposal {
  return {
    title: `End the trial of ${name}?`,
    explanation: "The candidate is dropped, and the present version serves all exchanges.",
    act: "End the trial",
    path: `${filterPath(name)}/rollback`,
    body: {},
    done: `The trial of ${name} has ended.`,
  };
}
