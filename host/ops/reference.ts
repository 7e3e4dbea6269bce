import { CALL_BOUNDS, EXCHANGE_BOUNDS, LOOP_BOUNDS, OVERHEAD_BOUNDS, WAIT_BOUNDS } from "./buckets.ts";
import { DECISION, HTTP_RESULTS, STORE_OPERATION } from "./filter-work.ts";
import {
  FILTER_FAILURE_REASONS,
  FILTERS_MAX,
  HANDSHAKE_FAILURES,
  INSTANCE_ENDS,
  PHASE,
  ROUTES_MAX,
  SERVERS_MAX,
  STATE_HANDOVERS,
} from "./meter.ts";
import type { Metric, Scope, Series } from "./metric.ts";
import { METRICS } from "./metrics.ts";
import { SERVER_STATES } from "./server-samples.ts";
import { TRY_FAILURES } from "./server-meter.ts";
import { OBJECTIVES } from "../slo/slo.ts";
import { DIFFERENCE_KINDS } from "../trial/trial.ts";

/** docs/metrics.md with its tables made anew from the declarations: each stands after a comment that names it. */
export function fillTables(page: string): string {
  return page.replace(
    /(<!-- metrics: ([a-z]+) -->\n)[^]*?<!-- end -->/g,
    (whole, begin: string, name: string) => {
      const table = TABLES[name];
      return table === undefined ? whole : `${begin}${table()}\n<!-- end -->`;
    },
  );
}

const TABLES: Readonly<Record<string, () => string>> = {
  all: () =>
    [
      "| name | type | unit | labels | meaning | series |",
      "|---|---|---|---|---|---|",
      ...Object.entries(METRICS).map(([name, metric]) => row(name, metric)),
    ].join("\n"),
  names: () => `- Routes: ${ROUTES_MAX}. Filters: ${FILTERS_MAX}. Servers: ${SERVERS_MAX}.`,
  values: () => list("", VALUES),
  buckets: () => list("Buckets of ", BUCKETS),
};

const VALUES: Readonly<Record<string, readonly string[]>> = {
  Phases: Object.keys(PHASE),
  Decisions: Object.keys(DECISION),
  Reasons: FILTER_FAILURE_REASONS,
  "Reasons of ended instances": INSTANCE_ENDS,
  "Results of hand-overs": STATE_HANDOVERS,
  "Results of filters' own requests": HTTP_RESULTS,
  "Operations of the store": Object.keys(STORE_OPERATION),
  "Reasons of servers": TRY_FAILURES,
  "States of addresses": SERVER_STATES,
  "Results of checks": ["passed", "failed"],
  "Results of lookups": ["found", "failed"],
  "Sides of a trial": ["present", "candidate"],
  "Kinds of differences": DIFFERENCE_KINDS,
  Objectives: OBJECTIVES,
  "Reasons of handshakes": HANDSHAKE_FAILURES,
};

const BUCKETS: Readonly<Record<string, readonly number[]>> = {
  "`sluice_exchange_duration_seconds`": EXCHANGE_BOUNDS,
  "`sluice_exchange_overhead_seconds`": OVERHEAD_BOUNDS,
  "`sluice_filter_call_duration_seconds`": CALL_BOUNDS,
  "`sluice_filter_wait_seconds`, `sluice_server_response_duration_seconds` and `sluice_server_wait_seconds`":
    WAIT_BOUNDS,
  "`sluice_worker_loop_delay_seconds`": LOOP_BOUNDS,
};

function row(name: string, { type, unit, labels, help, meaning, series }: Metric): string {
  const names = labels.length === 0 ? "–" : quoted(labels);
  return `| \`${name}\` | ${type} | ${unit} | ${names} | ${meaning ?? help} | ${seriesText(series)} |`;
}

function seriesText({ per, most, onceSeen }: Series): string {
  const each = SCOPES[per];
  if (onceSeen) return `${each} as many as occur, at most ${most}`;
  return per === "host" ? String(most) : `${most} ${each}`;
}

const SCOPES: Readonly<Record<Scope, string>> = {
  host: "",
  route: "per route",
  objective: "per route and objective",
  filter: "per filter",
  server: "per server",
  worker: "per worker",
  trial: "per filter with a trial",
  shadow: "per filter with a shadow",
};

function list(before: string, entries: Readonly<Record<string, readonly (string | number)[]>>): string {
  return Object.entries(entries)
    .map(([title, values]) => `- ${before}${title}: ${quoted(values)}.`)
    .join("\n");
}

function quoted(values: readonly (string | number)[]): string {
  return values.map((value) => `\`${value}\``).join(", ");
}
