import { formatShare } from "../config/slo-schema.ts";
import { formatDuration } from "../config/units.ts";
import type { Status } from "../control/control.ts";
import { FAST_BURN, type RouteBurn, type SloView } from "../slo/slo.ts";
import { printable } from "./complaint.ts";
import { type Cell, type Column, paint, table } from "./table.ts";
import { duration, significant } from "./wording.ts";

/** How routes stand to what is asked of them; nothing when nothing is. */
export function sloTable(routes: Status["routes"], now: number): string[] {
  const rows = routes.flatMap(({ name, slo }) => (slo ?? []).map((view) => [name, ...cells(view, now)]));
  if (rows.length === 0) return [];
  const numbers = ["BUDGET LEFT", "5 MIN", "1 H", "6 H", "SINCE"].map(
    (name): Column => ({ name, align: "right" }),
  );
  return [table(["ROUTE", "OBJECTIVE", ...numbers], rows)];
}

/** How fast the budgets burn of the routes that a tried filter is on. */
export function burnLines(burns: readonly RouteBurn[]): string[] {
  return burns.map(({ route, objective, burn }) => {
    const how =
      burn === null
        ? "has had no exchange for 5 min"
        : `has burned its budget ${significant(burn)}× as fast as it may for 5 min`;
    return `${paint(isFast(burn) ? "red" : undefined, printable(`${objective} of route ${route} ${how}`))}\n`;
  });
}

function cells({ objective, target, underMs, burn, budgetLeft, since }: SloView, now: number): Cell[] {
  const wanted = underMs === null ? "available" : `under ${formatDuration(underMs)}`;
  const left = budgetLeft === null ? "" : `${significant(budgetLeft * 100)} %`;
  return [
    `${objective}: ${formatShare(target)} ${wanted}`,
    budgetLeft !== null && budgetLeft <= 0 ? { text: left, style: "red" } : left,
    burnCell(burn["5m"]),
    burnCell(burn["1h"]),
    burnCell(burn["6h"]),
    `${duration(now - since)} ago`,
  ];
}

/** Above 1 the budget does not last, and above 14.4 somebody is paged. */
function burnCell(burn: number | null): Cell {
  if (burn === null) return "";
  const text = `${significant(burn)}×`;
  if (isFast(burn)) return { text, style: "red" };
  return burn > 1 ? { text, style: "yellow" } : text;
}

function isFast(burn: number | null): boolean {
  return burn !== null && burn > FAST_BURN;
}
