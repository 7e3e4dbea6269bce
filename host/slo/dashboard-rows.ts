import { badRatio, BURN_ALERTS, type BurnAlert, RECORDS } from "./alerts.ts";

interface Query {
  readonly expr: string;
  /** Of which label of a series its name is made: `{{route}}`. */
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  /** One sentence: what it is good for. */
  readonly says: string;
  readonly kind: "timeseries" | "bargauge" | "stat";
  readonly unit: "reqps" | "percentunit" | "s" | "bytes" | "short" | "none";
  readonly queries: readonly Query[];
  /** Where it turns yellow and red, up or down. */
  readonly steps?: readonly (readonly [from: number | null, color: string])[];
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const JOB = 'job=~"$job"';
const ROUTE = `${JOB}, route=~"$route"`;
const FILTER = `${JOB}, filter=~"$filter"`;
const SERVER = `${JOB}, upstream=~"$upstream"`;

const rate = (by: string, metric: string, where: string): string =>
  `sum by (${by}) (rate(${metric}{${where}}[$__rate_interval]))`;

const quantile = (share: number, by: string, metric: string, where: string): string =>
  `histogram_quantile(${share}, ${rate(`${by}, le`, `${metric}_bucket`, where)})`;

function lines(
  title: string,
  says: string,
  unit: Panel["unit"],
  ...queries: readonly (readonly [expr: string, legend: string])[]
): Panel {
  return {
    title,
    says,
    kind: "timeseries",
    unit,
    queries: queries.map(([expr, legend]) => ({ expr, legend })),
  };
}

const burn = (time: string): readonly [string, string] => [
  `${badRatio(time)}{${ROUTE}} / ${RECORDS.allowed}{${ROUTE}}`,
  `{{route}} {{objective}} ${time}`,
];

/** Where alerts begin: a ticket, and a page. */
const BURNS: Panel["steps"] = [
  [null, "green"],
  [lowest("ticket"), "yellow"],
  [lowest("page"), "red"],
];

function lowest(wanted: BurnAlert["severity"]): number {
  return Math.min(...BURN_ALERTS.filter(({ severity }) => severity === wanted).map(({ factor }) => factor));
}

/** What is shown, from the top. */
export const ROWS: readonly Row[] = [
  {
    title: "Service levels",
    panels: [
      {
        title: "Error budget left",
        says: "Of the budget of each objective's window; below nothing the objective is missed.",
        kind: "bargauge",
        unit: "percentunit",
        queries: [{ expr: `${RECORDS.budgetLeft}{${ROUTE}}`, legend: "{{route}} {{objective}}" }],
        steps: [
          [null, "red"],
          [0, "yellow"],
          [0.5, "green"],
        ],
      },
      {
        ...lines(
          "Burn rate",
          "How many times as fast as it may each budget burns: 14.4 and 6 page, 3 and 1 are tickets.",
          "none",
          burn("5m"),
          burn("1h"),
          burn("6h"),
        ),
        steps: BURNS,
      },
      lines("Bad exchanges", "Exchanges that have missed an objective.", "reqps", [
        rate("route, objective", "sluice_slo_bad_exchanges_total", ROUTE),
        "{{route}} {{objective}}",
      ]),
    ],
  },
  {
    title: "Traffic",
    panels: [
      lines("Exchanges", "That have ended, by route.", "reqps", [
        rate("route", "sluice_exchanges_total", ROUTE),
        "{{route}}",
      ]),
      lines(
        "Errors",
        "The share of exchanges with 5xx, or with no head at all: among these are clients that went away.",
        "percentunit",
        [
          `${rate("route", "sluice_exchanges_total", `${ROUTE}, status=~"5..|none"`)} / ${rate("route", "sluice_exchanges_total", ROUTE)}`,
          "{{route}}",
        ],
      ),
      lines(
        "Duration",
        "From the first byte of a request to the end of its exchange.",
        "s",
        [quantile(0.5, "route", "sluice_exchange_duration_seconds", ROUTE), "{{route}} p50"],
        [quantile(0.99, "route", "sluice_exchange_duration_seconds", ROUTE), "{{route}} p99"],
      ),
      lines("Overhead", "The part of it that is the host's own.", "s", [
        quantile(0.99, "route", "sluice_exchange_overhead_seconds", ROUTE),
        "{{route}} p99",
      ]),
      lines("Failures by code", "docs/failures.md says what each code means.", "reqps", [
        `${rate("code", "sluice_failures_total", JOB)} > 0`,
        "{{code}}",
      ]),
      lines(
        "Open",
        "Exchanges and connections of clients.",
        "short",
        [`sum(sluice_exchanges_in_flight{${JOB}})`, "exchanges"],
        [`sum(sluice_connections_open{${JOB}})`, "connections"],
        [`sum(sluice_tunnels_open{${JOB}})`, "tunnels"],
      ),
      lines(
        "Refused at the door",
        "Connections beyond the limit, TLS handshakes that came to nothing, and requests that became no exchange.",
        "reqps",
        [`sum(rate(sluice_connections_refused_total{${JOB}}[$__rate_interval]))`, "connections"],
        [rate("reason", "sluice_tls_handshake_failures_total", JOB), "handshakes: {{reason}}"],
        [`${rate("code", "sluice_requests_refused_total", JOB)} > 0`, "requests: {{code}}"],
      ),
    ],
  },
  {
    title: "Filters",
    panels: [
      lines("Calls", "By filter, all phases.", "reqps", [
        rate("filter", "sluice_filter_calls_total", FILTER),
        "{{filter}}",
      ]),
      lines("Time of a call", "Which filter takes the time, and in which phase.", "s", [
        quantile(0.99, "filter, phase", "sluice_filter_call_duration_seconds", FILTER),
        "{{filter}} {{phase}} p99",
      ]),
      lines("Processors", "How many of them each filter keeps busy.", "none", [
        rate("filter", "sluice_filter_call_duration_seconds_sum", FILTER),
        "{{filter}}",
      ]),
      lines("Answers", "Calls that answered or broke off in the upstream's place.", "reqps", [
        rate("filter, decision", "sluice_filter_decisions_total", `${FILTER}, decision=~"reply|reset"`),
        "{{filter}} {{decision}}",
      ]),
      lines("Failures", "Traps, fuel, memory and the like; each has cost an instance.", "reqps", [
        `${rate("filter, reason", "sluice_filter_failures_total", FILTER)} > 0`,
        "{{filter}} {{reason}}",
      ]),
      lines("Quarantined", "Workers that do not call the filter.", "short", [
        `sum by (filter) (sluice_filter_quarantined{${FILTER}})`,
        "{{filter}}",
      ]),
      lines("Instances", "Alive, in all workers.", "short", [
        `sum by (filter) (sluice_filter_instances{${FILTER}})`,
        "{{filter}}",
      ]),
      lines("Memory", "Of all instances.", "bytes", [
        `sum by (filter) (sluice_filter_memory_bytes{${FILTER}})`,
        "{{filter}}",
      ]),
      lines("Waiting for an instance", "More than next to nothing: look at limits.instances.", "s", [
        quantile(0.99, "filter", "sluice_filter_wait_seconds", FILTER),
        "{{filter}} p99",
      ]),
      lines(
        "Trials",
        "The share of failed exchanges of both versions, and of a shadow the share that differs.",
        "percentunit",
        [
          `${rate("filter, side", "sluice_trial_failed_exchanges_total", FILTER)} / ${rate("filter, side", "sluice_trial_exchanges_total", FILTER)}`,
          "{{filter}} {{side}} failed",
        ],
        [
          `${rate("filter", "sluice_trial_different_total", FILTER)} / ${rate("filter", "sluice_trial_compared_total", FILTER)}`,
          "{{filter}} different",
        ],
      ),
    ],
  },
  {
    title: "Upstreams",
    panels: [
      lines(
        "Tries",
        "Requests sent to servers, those sent again among them.",
        "reqps",
        [rate("upstream, server", "sluice_server_tries_total", SERVER), "{{upstream}} {{server}}"],
        [`${rate("upstream", "sluice_server_retries_total", SERVER)} > 0`, "{{upstream}} again"],
      ),
      lines("Failed tries", "By reason.", "reqps", [
        `${rate("upstream, server, reason", "sluice_server_failures_total", SERVER)} > 0`,
        "{{upstream}} {{server}} {{reason}}",
      ]),
      lines("Time of a response", "Until its head, by server.", "s", [
        quantile(0.99, "upstream, server", "sluice_server_response_duration_seconds", SERVER),
        "{{upstream}} {{server}} p99",
      ]),
      lines("Waiting for a connection", "More than next to nothing: look at the upstream's limits.", "s", [
        quantile(0.99, "upstream", "sluice_server_wait_seconds", SERVER),
        "{{upstream}} p99",
      ]),
      lines(
        "Requests",
        "Under way, and waiting for a connection.",
        "short",
        [`sum by (upstream) (sluice_server_requests_in_flight{${SERVER}})`, "{{upstream}} in flight"],
        [`sum by (upstream) (sluice_server_requests_pending{${SERVER}})`, "{{upstream}} pending"],
      ),
      lines("Addresses", "What the workers think of them: each counts once for each worker.", "short", [
        `sum by (upstream, state) (sluice_server_addresses{${SERVER}}) > 0`,
        "{{upstream}} {{state}}",
      ]),
    ],
  },
  {
    title: "Host",
    panels: [
      lines("Generation", "A step is a change of what runs.", "none", [
        `max by (instance) (sluice_generation{${JOB}})`,
        "{{instance}}",
      ]),
      lines(
        "Changes",
        "That were asked for.",
        "short",
        [`sum by (result) (increase(sluice_swaps_total{${JOB}}[$__rate_interval]))`, "swaps: {{result}}"],
        [`sum by (result) (increase(sluice_reloads_total{${JOB}}[$__rate_interval]))`, "reloads: {{result}}"],
      ),
      {
        title: "Configuration file",
        says: "1 when it was in order when it was last read.",
        kind: "stat",
        unit: "none",
        queries: [{ expr: `min by (instance) (sluice_config_file_valid{${JOB}})`, legend: "{{instance}}" }],
        steps: [
          [null, "red"],
          [1, "green"],
        ],
      },
      {
        title: "Version",
        says: "What runs where.",
        kind: "stat",
        unit: "none",
        queries: [
          { expr: `sluice_build_info{${JOB}}`, legend: "{{instance}}: sluice {{version}}, Node {{node}}" },
        ],
      },
      lines("Workers at work", "1 is all that one processor does.", "percentunit", [
        `rate(sluice_worker_loop_active_seconds_total{${JOB}}[$__rate_interval]) / (rate(sluice_worker_loop_active_seconds_total{${JOB}}[$__rate_interval]) + rate(sluice_worker_loop_idle_seconds_total{${JOB}}[$__rate_interval]))`,
        "{{instance}} {{worker}}",
      ]),
      lines("Workers that come late", "All else that a worker does comes as late.", "s", [
        quantile(0.99, "instance, worker", "sluice_worker_loop_delay_seconds", JOB),
        "{{instance}} {{worker}} p99",
      ]),
      lines(
        "Log lines dropped",
        "More than none: the log's destination is too slow, or a filter writes too much.",
        "reqps",
        [
          `sum by (instance) (rate(sluice_log_lines_dropped_total{${JOB}}[$__rate_interval]))`,
          "{{instance}}",
        ],
      ),
    ],
  },
];
