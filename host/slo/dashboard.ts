import { type Panel, ROWS, type Row } from "./dashboard-rows.ts";

/** A dashboard for Grafana: what the metrics of `docs/metrics.md` and the records of `alerts.ts` tell. */
export function dashboardFile(): string {
  const dashboard = {
    uid: "sluice",
    title: "Sluice",
    description: "Made by `sluice slo init`.",
    tags: ["sluice"],
    timezone: "browser",
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    schemaVersion: 39,
    time: { from: "now-6h", to: "now" },
    templating: { list: [dataSource(), ...VARIABLES.map(variable)] },
    annotations: { list: [changes()] },
    panels: laidOut(ROWS),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

const VARIABLES = [
  { name: "job", query: "label_values(sluice_build_info, job)" },
  { name: "route", query: 'label_values(sluice_exchange_duration_seconds_count{job=~"$job"}, route)' },
  { name: "filter", query: 'label_values(sluice_filter_instances{job=~"$job"}, filter)' },
  { name: "upstream", query: 'label_values(sluice_server_tries_total{job=~"$job"}, upstream)' },
] as const;

const SOURCE = { type: "prometheus", uid: "${datasource}" };

function dataSource(): object {
  return { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", refresh: 1 };
}

/** A line through all graphs where another generation became live. */
function changes(): object {
  return {
    name: "Generations",
    datasource: SOURCE,
    enable: true,
    iconColor: "blue",
    expr: 'changes(sluice_generation{job=~"$job"}[$__interval]) > 0',
    titleFormat: "another generation",
    textFormat: "{{instance}}",
  };
}

function variable({ name, query }: (typeof VARIABLES)[number]): object {
  return {
    name,
    label: name,
    type: "query",
    datasource: SOURCE,
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    includeAll: true,
    multi: true,
    allValue: ".*",
    current: { text: "All", value: "$__all" },
    sort: 1,
  };
}

const COLUMNS = 24;
const WIDTH = 8;
const HEIGHT = 8;

/** Three panels beside each other, below the title of their row. */
function laidOut(rows: readonly Row[]): object[] {
  let y = 0;
  let id = 0;
  return rows.flatMap(({ title, panels }) => {
    const head = {
      id: ++id,
      type: "row",
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
    };
    y += 1;
    const drawn = panels.map((panel, at) => ({
      id: ++id,
      ...panelOf(panel),
      gridPos: {
        x: (at * WIDTH) % COLUMNS,
        y: y + Math.floor((at * WIDTH) / COLUMNS) * HEIGHT,
        w: WIDTH,
        h: HEIGHT,
      },
    }));
    y += Math.ceil((panels.length * WIDTH) / COLUMNS) * HEIGHT;
    return [head, ...drawn];
  });
}

function panelOf({ title, says, kind, unit, queries, steps }: Panel): object {
  const thresholds = {
    mode: "absolute",
    steps: (steps ?? [[null, "green"]]).map(([value, color]) => ({ value, color })),
  };
  const asLines = kind === "timeseries";
  return {
    type: kind,
    title,
    description: says,
    datasource: SOURCE,
    fieldConfig: {
      defaults: {
        unit,
        min: asLines ? 0 : undefined,
        thresholds,
        custom: asLines
          ? { fillOpacity: 10, thresholdsStyle: { mode: steps === undefined ? "off" : "dashed" } }
          : undefined,
      },
      overrides: [],
    },
    options: asLines
      ? { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } }
      : { reduceOptions: { calcs: ["lastNotNull"] }, orientation: "horizontal", textMode: "auto" },
    targets: queries.map(({ expr, legend }, at) => ({
      refId: String.fromCodePoint(65 + at),
      datasource: SOURCE,
      expr,
      legendFormat: legend,
      instant: !asLines,
      range: asLines,
    })),
  };
}
