import { ALERT, annotationsOf, BURN_ALERTS, document, GROUPS, labelsOf, RECORDS } from "./alerts.ts";
import type { Slo } from "./slo.ts";

/** So many minutes in which the budget burns so many times as fast as it may. */
type Course = readonly (readonly [minutes: number, burn: number])[];

interface Case {
  readonly name: string;
  readonly course: Course;
  /** Factors of the alerts that fire at its end. */
  readonly firing: readonly number[];
  /** Of the budget of the window, at its end. */
  readonly left?: number;
}

const CASES: readonly Case[] = [
  { name: "burns 20 times as fast as it may", course: [[420, 20]], firing: [14.4, 6, 3, 1] },
  { name: "burns 10 times as fast as it may", course: [[420, 10]], firing: [6, 3, 1] },
  { name: "burns 4 times as fast as it may", course: [[420, 4]], firing: [3, 1] },
  { name: "burns twice as fast as it may", course: [[420, 2]], firing: [1] },
  { name: "burns half as fast as it may", course: [[420, 0.5]], firing: [], left: 0.5 },
  {
    name: "has burned for two minutes, after six quiet hours",
    course: [
      [360, 0],
      [2, 20],
      [3, 0],
    ],
    firing: [],
  },
  {
    name: "burned for an hour and has been quiet for 40 minutes: nobody is paged any more",
    course: [
      [60, 20],
      [40, 0],
    ],
    firing: [3, 1],
    // 12 times as many as may be.
    left: -11,
  },
  {
    name: "burned for an hour and has been quiet for two: the slowest alert is left",
    course: [
      [60, 20],
      [130, 0],
    ],
    firing: [1],
  },
  {
    name: "burned for an hour and has been quiet for six: nobody is told any more",
    course: [
      [60, 20],
      [370, 0],
    ],
    firing: [],
  },
];

/** Unit tests of the rules, as a file for promtool: for one route of each kind of objective. */
export function testFile(slos: readonly Slo[], ruleFileName: string): string {
  const kinds = Map.groupBy(slos, ({ objective, target, windowMs }) => `${objective} ${target} ${windowMs}`);
  return document({
    rule_files: [ruleFileName],
    evaluation_interval: "5m",
    group_eval_order: GROUPS,
    tests: [...kinds.values()].flatMap(([slo]) =>
      slo === undefined ? [] : CASES.filter((one) => canHappen(one, slo)).map((one) => testOf(one, slo)),
    ),
  });
}

/** No more than all exchanges can be bad; numbers are a little more than they should be. */
function canHappen({ course }: Case, { target }: Slo): boolean {
  return course.every(([, burn]) => burn * (1 - target) < 1.000_001);
}

function testOf({ name, course, firing, left }: Case, slo: Slo): object {
  const { route, objective, target, windowMs } = slo;
  const minutes = course.reduce((sum, [length]) => sum + length, 0);
  const always = (value: number): string => `${value}x${minutes}`;
  return {
    name: `${objective} of route ${route} ${name}`,
    interval: "1m",
    input_series: [
      // Two hosts, of which one has all the trouble: they are one job.
      { series: series("sluice_slo_exchanges_total", "one", slo), values: grown(course, () => HALF) },
      { series: series("sluice_slo_exchanges_total", "two", slo), values: grown(course, () => HALF) },
      {
        series: series("sluice_slo_bad_exchanges_total", "one", slo),
        values: grown(course, (burn) => Number((burn * (1 - target) * 2 * HALF).toFixed(6))),
      },
      { series: series("sluice_slo_bad_exchanges_total", "two", slo), values: grown(course, () => 0) },
      { series: series("sluice_slo_target_ratio", "one", slo), values: always(target) },
      { series: series("sluice_slo_window_seconds", "one", slo), values: always(windowMs / 1_000) },
    ],
    alert_rule_test: [
      {
        eval_time: `${minutes}m`,
        alertname: ALERT,
        exp_alerts: BURN_ALERTS.filter(({ factor }) => firing.includes(factor)).map((alert) => ({
          exp_labels: { ...labelsOf(alert), job: JOB, route, objective },
          exp_annotations: annotationsOf(alert, route, objective),
        })),
      },
    ],
    ...(left !== undefined && {
      promql_expr_test: [
        {
          expr: `round(${RECORDS.budgetLeft}, 0.01)`,
          eval_time: `${minutes}m`,
          exp_samples: [
            {
              labels: `{job="${JOB}", objective="${objective}", route=${JSON.stringify(route)}}`,
              value: left,
            },
          ],
        },
      ],
    }),
  };
}

const JOB = "sluice";

/** Exchanges of each host in a minute: many, so that the budget of any target is more than one. */
const HALF = 500_000;

function series(name: string, instance: string, { route, objective }: Slo): string {
  return `${name}{job="${JOB}", instance="${instance}", route=${JSON.stringify(route)}, objective="${objective}"}`;
}

/** A counter that grows by so much a minute, in promtool's notation. */
function grown(course: Course, perMinute: (burn: number) => number): string {
  let value = 0;
  const parts = course.map(([minutes, burn]) => {
    const from = value;
    value += perMinute(burn) * minutes;
    return `${from}+${perMinute(burn)}x${minutes - 1}`;
  });
  return [...parts, String(value)].join(" ");
}
