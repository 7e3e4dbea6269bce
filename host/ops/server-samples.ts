import type { ServerState } from "../upstream/standing.ts";
import { WAIT_BOUNDS } from "./buckets.ts";
import type { MeterSnapshot } from "./meter.ts";
import { always, histogramSeries, type Metric } from "./metric.ts";
import { byLabel, histogram, type Sample, type Samples } from "./sample.ts";
import { addViews, type ServerCount, type ServerView, TRY_FAILURES } from "./server-meter.ts";

export type ServerMetric =
  | "sluice_server_tries_total"
  | "sluice_server_failures_total"
  | "sluice_server_retries_total"
  | "sluice_server_response_duration_seconds"
  | "sluice_server_wait_seconds"
  | "sluice_server_ejections_total"
  | "sluice_server_health_checks_total"
  | "sluice_server_lookups_total"
  | "sluice_server_addresses"
  | "sluice_server_requests_in_flight"
  | "sluice_server_requests_pending"
  | "sluice_server_connections_open";

/** In which an address of a server can be. */
export const SERVER_STATES: readonly ServerState[] = [
  "healthy",
  "slow-start",
  "ejected",
  "unhealthy",
  "drained",
  "leaving",
];

const LABELS = ["upstream", "server"] as const;

export const SERVER_METRICS: Readonly<Record<ServerMetric, Metric>> = {
  sluice_server_tries_total: {
    type: "counter",
    unit: "tries",
    labels: LABELS,
    help: "Requests that were sent to a server, or would have been had there been a connection; each try again counts anew.",
    meaning:
      "Tries at a server that have come to an end: each time that a request was sent to it, or could not be for want of a connection. Those whose client went away first are not counted. Filters' own requests are among them.",
    series: always(1, "server"),
  },
  sluice_server_failures_total: {
    type: "counter",
    unit: "tries",
    labels: [...LABELS, "reason"],
    help: "Tries at a server that failed, by reason.",
    meaning: "Tries that failed, whether or not they count for an ejection.",
    series: always(TRY_FAILURES.length, "server"),
  },
  sluice_server_retries_total: {
    type: "counter",
    unit: "tries",
    labels: LABELS,
    help: "Requests that were sent again, by the server that had failed them.",
    series: always(1, "server"),
  },
  sluice_server_response_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: LABELS,
    help: "Time from when a request was put on a connection to a server until the head of its response.",
    meaning:
      "From when a request was put on a connection to the server until the head of its response. A new connection's time to be made is in it, and so is the client's time to send a body.",
    series: always(histogramSeries(WAIT_BOUNDS), "server"),
  },
  sluice_server_wait_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: LABELS,
    help: "Time that requests have waited for a connection to a server to come free; those that got one at once are not counted.",
    meaning:
      "Time that requests have waited for a connection to come free, in vain or not: the server had `connections` of them. Those that got one at once are not counted.",
    series: always(histogramSeries(WAIT_BOUNDS), "server"),
  },
  sluice_server_ejections_total: {
    type: "counter",
    unit: "ejections",
    labels: LABELS,
    help: "How often an address of a server was ejected.",
    meaning: "How often an address of the server was ejected, by each worker for itself.",
    series: always(1, "server"),
  },
  sluice_server_health_checks_total: {
    type: "counter",
    unit: "checks",
    labels: [...LABELS, "result"],
    help: "Health checks of a server, by result.",
    meaning: "Health checks that have ended.",
    series: always(2, "server"),
  },
  sluice_server_lookups_total: {
    type: "counter",
    unit: "lookups",
    labels: [...LABELS, "result"],
    help: "Lookups of a server's name, by result.",
    meaning: "Lookups of the server's name.",
    series: always(2, "server"),
  },
  sluice_server_addresses: {
    type: "gauge",
    unit: "addresses",
    labels: [...LABELS, "state"],
    help: "Addresses of a server in a state, as each worker sees them, all workers added up.",
    meaning:
      "Addresses of the server in a state, as each worker sees them: one that all of four workers have ejected counts 4.",
    series: always(SERVER_STATES.length, "server"),
  },
  sluice_server_requests_in_flight: {
    type: "gauge",
    unit: "requests",
    labels: LABELS,
    help: "Requests on connections to a server, upgraded ones among them.",
    meaning: "Requests on connections to the server, upgraded ones among them.",
    series: always(1, "server"),
  },
  sluice_server_requests_pending: {
    type: "gauge",
    unit: "requests",
    labels: LABELS,
    help: "Requests that wait for a connection to a server.",
    meaning: "Requests that wait for a connection to the server.",
    series: always(1, "server"),
  },
  sluice_server_connections_open: {
    type: "gauge",
    unit: "connections",
    labels: LABELS,
    help: "Connections to a server, those of health checks not counted.",
    meaning: "Connections to the server, idle ones among them, those of health checks not.",
    series: always(1, "server"),
  },
};

/** The samples of servers: by their names in the configuration, whatever addresses those stand for. */
export function serverSamples(all: MeterSnapshot): Samples<ServerMetric> {
  const { servers } = all;
  const views = byServer(all.views);
  const counter = (count: ServerCount): Sample[] =>
    servers.map(({ upstream, server, counts }) => ({ value: counts[count], labels: { upstream, server } }));
  const results = (results: Readonly<Record<string, ServerCount>>): Sample[] =>
    servers.flatMap(({ upstream, server, counts }) =>
      Object.entries(results).map(([result, count]) => ({
        value: counts[count],
        labels: { upstream, server, result },
      })),
    );
  const gauge = (of: (view: ServerView) => number): Sample[] =>
    views.map((view) => ({ value: of(view), labels: { upstream: view.upstream, server: view.server } }));
  return {
    sluice_server_tries_total: counter("tries"),
    sluice_server_retries_total: counter("retries"),
    sluice_server_ejections_total: counter("ejections"),
    sluice_server_health_checks_total: results({ passed: "checksPassed", failed: "checksFailed" }),
    sluice_server_lookups_total: results({ found: "lookupsFound", failed: "lookupsFailed" }),
    sluice_server_failures_total: servers.flatMap(({ upstream, server, failures }) =>
      byLabel("reason", TRY_FAILURES, failures, { upstream, server }),
    ),
    sluice_server_response_duration_seconds: servers.flatMap(({ upstream, server, responses }) =>
      histogram("sluice_server_response_duration_seconds", { upstream, server }, WAIT_BOUNDS, responses),
    ),
    sluice_server_wait_seconds: servers.flatMap(({ upstream, server, waits }) =>
      histogram("sluice_server_wait_seconds", { upstream, server }, WAIT_BOUNDS, waits),
    ),
    sluice_server_addresses: views.flatMap(({ upstream, server, states }) =>
      SERVER_STATES.map((state) => ({ value: states[state] ?? 0, labels: { upstream, server, state } })),
    ),
    sluice_server_requests_in_flight: gauge(({ inFlight }) => inFlight),
    sluice_server_requests_pending: gauge(({ pending }) => pending),
    sluice_server_connections_open: gauge(({ connections }) => connections),
  };
}

/** Addresses come and go: a label with them would be a series for each. */
function byServer(views: readonly ServerView[]): ServerView[] {
  const found = new Map<string, ServerView>();
  for (const view of views) {
    const key = `${view.upstream} ${view.server}`;
    const other = found.get(key);
    found.set(key, other === undefined ? view : addViews(other, view));
  }
  return [...found.values()];
}
