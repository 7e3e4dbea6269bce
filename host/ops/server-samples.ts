import type { ServerState } from "../upstream/standing.ts";
import type { MeterSnapshot } from "./meter.ts";
import type { Sample } from "./samples.ts";
import { addViews, type ServerCount, type ServerView, TRY_FAILURES } from "./server-meter.ts";

/** The samples of servers: by their names in the configuration, whatever addresses those stand for. */
export function serverSamples(all: MeterSnapshot): Record<ServerMetric, Sample[]> {
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
      TRY_FAILURES.map((reason, at) => ({
        value: failures[at] ?? 0,
        labels: { upstream, server, reason },
      })),
    ),
    sluice_server_addresses: views.flatMap(({ upstream, server, states }) =>
      STATES.map((state) => ({ value: states[state] ?? 0, labels: { upstream, server, state } })),
    ),
    sluice_server_requests_in_flight: gauge(({ inFlight }) => inFlight),
    sluice_server_requests_pending: gauge(({ pending }) => pending),
    sluice_server_connections_open: gauge(({ connections }) => connections),
  };
}

type ServerMetric =
  | "sluice_server_tries_total"
  | "sluice_server_retries_total"
  | "sluice_server_ejections_total"
  | "sluice_server_health_checks_total"
  | "sluice_server_lookups_total"
  | "sluice_server_failures_total"
  | "sluice_server_addresses"
  | "sluice_server_requests_in_flight"
  | "sluice_server_requests_pending"
  | "sluice_server_connections_open";

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

const STATES: readonly ServerState[] = ["healthy", "slow-start", "ejected", "unhealthy", "leaving"];
