import type { JSX } from "preact";
import type { LiveView } from "../host/control/live-view.ts";
import { type Column, DataTable } from "./data-table.tsx";
import { Condition } from "./header.tsx";
import { useRows } from "./rows.ts";
import { useLive } from "./store-context.ts";
import { number, percent } from "./wording.ts";

type Worker = LiveView["workers"][string];

export function WorkersView(): JSX.Element {
  const { view } = useLive();
  return (
    <>
      <DataTable
        caption="Workers and what each does now"
        noun="worker"
        rows={useRows(view?.workers)}
        columns={COLUMNS}
        empty="There is no worker."
      />
      <section aria-labelledby="loops">
        <h2 id="loops">Event loops at work</h2>
        <ul class="codes">
          {Object.entries(view?.loops ?? {}).map(([place, share]) => (
            <li key={place}>
              {place}: {percent(share)}{" "}
              <meter max={1} high={0.8} optimum={0} value={share} aria-label={`event loop ${place}`} />
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

const COLUMNS: readonly Column<Worker>[] = [
  { title: "Worker", cell: (_, id) => id, by: (_, id) => Number(id) },
  { title: "State", cell: ({ state }) => <Condition isGood={state === "serving"} text={state} /> },
  {
    title: "Generation",
    isNumber: true,
    cell: ({ generation }) => generation,
    by: ({ generation }) => generation,
  },
  {
    title: "Connections",
    isNumber: true,
    cell: ({ connections }) => number(connections),
    by: ({ connections }) => connections,
  },
  {
    title: "Exchanges in flight",
    isNumber: true,
    cell: ({ exchanges }) => number(exchanges),
    by: ({ exchanges }) => exchanges,
  },
  {
    title: "Instances",
    isNumber: true,
    cell: ({ instances }) => number(instances),
    by: ({ instances }) => instances,
  },
];
