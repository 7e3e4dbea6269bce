import type { JSX } from "preact";
import type { LiveRoute } from "../host/control/live-view.ts";
import type { SloView } from "../host/slo/slo.ts";
import { type Column, DataTable } from "./data-table.tsx";
import { Condition } from "./header.tsx";
import { useLive } from "./store-context.ts";
import { duration, NOTHING, number, percent } from "./wording.ts";
import { useRows } from "./rows.ts";

export function RoutesView(): JSX.Element {
  const { view } = useLive();
  return (
    <DataTable
      caption="Routes, with what they do now and how their objectives stand"
      noun="route"
      rows={useRows(view?.routes)}
      columns={COLUMNS}
      order={orderOf}
      empty="There is no route."
    />
  );
}

const orderOf = ({ order }: LiveRoute): number => order;

const COLUMNS: readonly Column<LiveRoute>[] = [
  { title: "Route", cell: (_, name) => name, by: (_, name) => name },
  { title: "Filters", cell: ({ filters }) => filters.join(" → ") || NOTHING },
  { title: "Upstream", cell: ({ upstream }) => upstream, by: ({ upstream }) => upstream },
  {
    title: "Exchanges/s",
    isNumber: true,
    cell: ({ perSecond }) => number(perSecond),
    by: ({ perSecond }) => perSecond,
  },
  {
    title: "Errors/s",
    isNumber: true,
    cell: ({ errorsPerSecond }) => (
      <span class={errorsPerSecond > 0 ? "bad" : ""}>{number(errorsPerSecond)}</span>
    ),
    by: ({ errorsPerSecond }) => errorsPerSecond,
  },
  { title: "p50", isNumber: true, cell: ({ p50Ms }) => duration(p50Ms), by: ({ p50Ms = 0 }) => p50Ms },
  { title: "p99", isNumber: true, cell: ({ p99Ms }) => duration(p99Ms), by: ({ p99Ms = 0 }) => p99Ms },
  {
    title: "Objectives: budget left, burn over 5 m, 1 h, 6 h",
    cell: ({ slo }) =>
      slo === undefined ? NOTHING : slo.map((one) => <Objective key={one.objective} {...one} />),
    by: ({ slo = [] }) => Math.min(...slo.map(({ budgetLeft }) => budgetLeft ?? 1), 2),
  },
];

function Objective({ objective, target, underMs, burn, budgetLeft }: SloView): JSX.Element {
  const left = budgetLeft ?? 1;
  const rates = [burn["5m"], burn["1h"], burn["6h"]].map((rate) =>
    rate === null ? NOTHING : `${number(rate)}×`,
  );
  const name = objective === "latency" ? `under ${duration(underMs)}` : "available";
  return (
    <div class="objective">
      <span>
        {Number((target * 100).toFixed(4))} % {name}
      </span>
      <meter
        min={0}
        max={1}
        low={0.25}
        optimum={1}
        value={Math.max(0, left)}
        aria-label={`budget left of ${name}`}
      >
        {percent(budgetLeft)}
      </meter>
      <Condition
        isGood={left > 0.25 && (burn["1h"] ?? 0) <= 1}
        isSevere={left <= 0}
        text={budgetLeft === null ? "nothing to tell by" : `${percent(budgetLeft)} left`}
      />
      <span class="quiet">{rates.join(", ")}</span>
    </div>
  );
}
