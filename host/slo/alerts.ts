import { stringify } from "yaml";
import { formatDays } from "../config/slo-schema.ts";
import { FAST_BURN, type Slo } from "./slo.ts";

/**
 * When somebody is told: the budget burns so many times as fast as it may, over a long time, and still does over a short one. The four of
 * "The Site Reliability Workbook", chapter 5.
 */
export const BURN_ALERTS: readonly BurnAlert[] = [
  { factor: FAST_BURN, long: "1h", short: "5m", severity: "page", lasts: "50 hours" },
  { factor: 6, long: "6h", short: "30m", severity: "page", lasts: "5 days" },
  { factor: 3, long: "1d", short: "2h", severity: "ticket", lasts: "10 days" },
  { factor: 1, long: "3d", short: "6h", severity: "ticket", lasts: "30 days" },
];

export interface BurnAlert {
  readonly factor: number;
  readonly long: string;
  readonly short: string;
  readonly severity: "page" | "ticket";
  /** So long a budget for 30 days lasts then. */
  readonly lasts: string;
}

export const ALERT = "SluiceErrorBudgetBurn";

/** Names of groups, in the order in which one needs the other. */
export const GROUPS = ["sluice-slo-rates", "sluice-slo-days", "sluice-slo-alerts"] as const;

/** What the rules record; the dashboard shows it. */
export const RECORDS = {
  exchanges: "sluice:slo_exchanges:rate5m",
  bad: "sluice:slo_bad_exchanges:rate5m",
  allowed: "sluice:slo_allowed:ratio",
  budgetLeft: "sluice:slo_budget_left:ratio",
} as const;

/** The share of bad exchanges over such a time. */
export function badRatio(time: string): string {
  return `sluice:slo_bad:ratio_rate${time}`;
}

/** Recording and alert rules, as a file for Prometheus. They hold for every route: only the windows are written into them. */
export function ruleFile(slos: readonly Slo[]): string {
  const [rates, days, alerts] = GROUPS;
  return document({
    groups: [
      { name: rates, interval: "30s", rules: rateRules() },
      { name: days, interval: "5m", rules: dayRules([...new Set(slos.map(({ windowMs }) => windowMs))]) },
      { name: alerts, interval: "30s", rules: BURN_ALERTS.map(alertRule) },
    ],
  });
}

export function labelsOf({ factor, long, short, severity }: BurnAlert): Readonly<Record<string, string>> {
  return { severity, burn: String(factor), long, short };
}

/** `route` and `objective`: what stands for them. */
export function annotationsOf(
  { factor, long, short, lasts }: BurnAlert,
  route: string,
  objective: string,
): Readonly<Record<string, string>> {
  const howFast = factor === 1 ? "faster than it may" : `more than ${factor} times as fast as it may`;
  return {
    summary: `Route ${route} burns its ${objective} budget ${howFast}.`,
    description: `So it was over the last ${long}, and still over the last ${short}. A budget for 30 days lasts less than ${lasts} so.`,
  };
}

interface RecordRule {
  readonly record: string;
  readonly expr: string;
}

/** Each is summed over the hosts of a job: they serve the same routes. */
const BY = "sum by (job, route, objective)";

function rateRules(): RecordRule[] {
  const ratio = (time: string): RecordRule => ({
    record: badRatio(time),
    // Without exchanges there is no share, and not one that is no number.
    expr: `${BY} (rate(sluice_slo_bad_exchanges_total[${time}]))\n  / (${BY} (rate(sluice_slo_exchanges_total[${time}])) > 0)`,
  });
  return [
    { record: RECORDS.exchanges, expr: `${BY} (rate(sluice_slo_exchanges_total[5m]))` },
    { record: RECORDS.bad, expr: `${BY} (rate(sluice_slo_bad_exchanges_total[5m]))` },
    {
      record: RECORDS.allowed,
      expr: "1 - max by (job, route, objective) (sluice_slo_target_ratio)",
    },
    ...["5m", "30m", "1h", "2h", "6h"].map(ratio),
  ];
}

/** Made of what the others have recorded: counters over weeks would be more samples than a query may have. */
function dayRules(windows: readonly number[]): RecordRule[] {
  const ratio = (time: string): string =>
    `sum_over_time(${RECORDS.bad}[${time}:5m])\n  / (sum_over_time(${RECORDS.exchanges}[${time}:5m]) > 0)`;
  const left = windows.map((windowMs) => {
    const used = `(\n  ${ratio(formatDays(windowMs))}\n)`;
    const having = `max by (job, route, objective) (sluice_slo_window_seconds) == ${windowMs / 1_000}`;
    return `(1 - ${used} / ${RECORDS.allowed})\n  and (${having})`;
  });
  return [
    ...["1d", "3d"].map((time) => ({ record: badRatio(time), expr: ratio(time) })),
    { record: RECORDS.budgetLeft, expr: left.join("\nor\n") },
  ];
}

function alertRule(alert: BurnAlert): object {
  const burns = (time: string): string => `${badRatio(time)} > ${alert.factor} * ${RECORDS.allowed}`;
  return {
    alert: ALERT,
    expr: `${burns(alert.long)}\nand\n${burns(alert.short)}`,
    labels: labelsOf(alert),
    annotations: annotationsOf(alert, "{{ $labels.route }}", "{{ $labels.objective }}"),
  };
}

/** A YAML document that says where it comes from. */
export function document(content: object): string {
  return `# Made by \`sluice slo init\`: docs/slo.md.\n${stringify(content, { lineWidth: 0 })}`;
}
