import type { JSX } from "preact";
import type { GenerationView } from "../host/control/control.ts";
import { type Proposal, useChanger } from "./change-dialog.tsx";
import { Condition } from "./header.tsx";
import { useLive, useMay } from "./store-context.ts";
import { moment, shortened } from "./wording.ts";

export function GenerationsView(): JSX.Element {
  const { generations } = useLive();
  const may = useMay("swap");
  const { propose } = useChanger();
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Generations">
      <table>
        <caption class="unseen">The generations that are kept, newest first</caption>
        <thead>
          <tr>
            <th scope="col" class="number">
              Generation
            </th>
            <th scope="col">Live since</th>
            <th scope="col">By</th>
            <th scope="col">State</th>
            <th scope="col">What was different</th>
            {may && <th scope="col">Change</th>}
          </tr>
        </thead>
        <tbody>
          {generations.map((generation) => (
            <GenerationRow key={generation.number} {...generation} propose={may ? propose : undefined} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

type RowProperties = GenerationView & { readonly propose: ((proposal: Proposal) => void) | undefined };

function GenerationRow({ number, at, by, state, changes, propose }: RowProperties): JSX.Element {
  return (
    <tr aria-current={state === "live" ? "true" : undefined}>
      <th scope="row" class="number">
        {number}
      </th>
      <td class="still">{moment(at)}</td>
      <td>{by}</td>
      <td>{state === "live" ? <Condition isGood text="live" /> : <span class="quiet">{state}</span>}</td>
      <td>
        <ul class="plain">
          {changes.map((change) => (
            <li key={change}>{shortened(change)}</li>
          ))}
        </ul>
      </td>
      {propose !== undefined && (
        <td>
          {state !== "live" && (
            <button type="button" onClick={() => propose(rollbackTo(number))}>
              Roll back…<span class="unseen"> to generation {number}</span>
            </button>
          )}
        </td>
      )}
    </tr>
  );
}

function rollbackTo(generation: number): Proposal {
  return {
    title: `Roll back to generation ${generation}?`,
    explanation:
      "Its configuration and its artifacts become live again, as a new generation. Exchanges in flight end where they began. Trials that run end.",
    act: `Roll back to ${generation}`,
    path: "/v1/rollback",
    body: { generation },
    done: `What generation ${generation} was is live again.`,
  };
}
