import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { LiveFilter } from "../host/control/live-view.ts";
import { type Column, DataTable } from "./data-table.tsx";
import { Condition } from "./header.tsx";
import { useRows } from "./rows.ts";
import { useLive, useMay } from "./store-context.ts";
import { SwapDialog } from "./swap-dialog.tsx";
import { TrialSection } from "./trial-section.tsx";
import { bytes, fileName, micros, NOTHING, number, plural, short } from "./wording.ts";

export function FiltersView(): JSX.Element {
  const { view } = useLive();
  const may = useMay("swap");
  const [swapped, setSwapped] = useState<string>();
  const columns = useMemo(() => (may ? COLUMNS.toSpliced(1, 0, swapColumn(setSwapped)) : COLUMNS), [may]);
  const filters = view?.filters ?? {};
  const filter = swapped === undefined ? undefined : filters[swapped];
  return (
    <>
      <DataTable
        caption="Filters, with what runs, what it costs and how it fails"
        noun="filter"
        rows={useRows(view?.filters)}
        columns={columns}
        empty="There is no filter."
      />
      {Object.entries(filters).map(
        ([name, { trial, component, digest }]) =>
          trial !== undefined && (
            <TrialSection key={name} name={name} trial={trial} present={{ component, digest }} />
          ),
      )}
      {swapped !== undefined && filter !== undefined && (
        <SwapDialog name={swapped} filter={filter} onEnd={() => setSwapped(undefined)} />
      )}
    </>
  );
}

const COLUMNS: readonly Column<LiveFilter>[] = [
  { title: "Filter", cell: (_, name) => name, by: (_, name) => name },
  { title: "State", cell: (filter) => <FilterState {...filter} />, by: ({ quarantined }) => quarantined },
  {
    title: "Version",
    cell: ({ component, digest }) => (
      <span class="version" title={`${component}\n${digest}`}>
        {fileName(component)} <code>{short(digest)}</code>
      </span>
    ),
    by: ({ digest }) => digest,
  },
  { title: "Phases", cell: ({ phases }) => phases.join(", ") || NOTHING },
  {
    title: "Calls/s",
    isNumber: true,
    cell: ({ callsPerSecond }) => number(callsPerSecond),
    by: ({ callsPerSecond }) => callsPerSecond,
  },
  { title: "Mean", isNumber: true, cell: ({ meanUs }) => micros(meanUs), by: ({ meanUs = 0 }) => meanUs },
  { title: "p99", isNumber: true, cell: ({ p99Us }) => micros(p99Us), by: ({ p99Us = 0 }) => p99Us },
  {
    title: "Fuel",
    isNumber: true,
    cell: ({ fuel }) => number(fuel),
    by: ({ fuel = 0 }) => fuel,
  },
  {
    title: "Memory",
    isNumber: true,
    cell: ({ memoryBytes }) => bytes(memoryBytes),
    by: ({ memoryBytes }) => memoryBytes,
  },
  {
    title: "Failures",
    cell: ({ failures }) => <Failures failures={failures} />,
    by: ({ failures }) => Object.values(failures).reduce((sum, count) => sum + count, 0),
  },
  {
    title: "Instances",
    isNumber: true,
    cell: ({ instances }) => number(instances),
    by: ({ instances }) => instances,
  },
];

function FilterState({ quarantined, trial, onFailure }: LiveFilter): JSX.Element {
  if (quarantined > 0) {
    const effect = onFailure === "open" ? "exchanges go on without it" : "its exchanges fail";
    return (
      <Condition
        isGood={false}
        isSevere
        text={`quarantined on ${plural(quarantined, "worker")}: ${effect}`}
      />
    );
  }
  if (trial?.state === "running") return <Condition isGood text={`${trial.request.kind} runs`} />;
  return <Condition isGood text="called" />;
}

function Failures({ failures }: { readonly failures: LiveFilter["failures"] }): JSX.Element {
  const kinds = Object.entries(failures);
  if (kinds.length === 0) return <span class="quiet">none</span>;
  return <span class="bad">{kinds.map(([reason, count]) => `${reason} ${number(count)}`).join(", ")}</span>;
}

function swapColumn(swap: (name: string) => void): Column<LiveFilter> {
  return {
    title: "Change",
    cell: (_, name) => (
      <button type="button" onClick={() => swap(name)}>
        Swap…<span class="unseen"> {name}</span>
      </button>
    ),
  };
}
