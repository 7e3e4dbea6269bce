import { FAILURES } from "../failure.ts";
import { EXCHANGE_BOUNDS, OVERHEAD_BOUNDS } from "./buckets.ts";
import { HANDSHAKE_FAILURES, type MeterSnapshot } from "./meter.ts";
import { always, histogramSeries, type Metric, onceSeen } from "./metric.ts";
import { MEASURED_OF, STATUSES } from "./route-meter.ts";
import { histogram, type Sample, type Samples, single } from "./sample.ts";

export type ExchangeMetric =
  | "sluice_exchanges_total"
  | "sluice_exchange_duration_seconds"
  | "sluice_exchange_overhead_seconds"
  | "sluice_exchanges_in_flight"
  | "sluice_connections_open"
  | "sluice_connections_accepted_total"
  | "sluice_tunnels_open"
  | "sluice_tls_handshake_failures_total"
  | "sluice_failures_total"
  | "sluice_requests_refused_total";

const CODES = Object.keys(FAILURES).length;

export const EXCHANGE_METRICS: Readonly<Record<ExchangeMetric, Metric>> = {
  sluice_exchanges_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["route", "status"],
    help: "Exchanges that have ended, by route and by the status that the client was sent.",
    meaning:
      "Exchanges that have ended. `status` is the code that the client was sent, `none` when no head went out.",
    series: onceSeen(STATUSES, "route"),
  },
  sluice_exchange_duration_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["route"],
    help: "Time from the first byte of a request to the end of its exchange.",
    meaning:
      "From the first byte of a request to the end of its exchange. Its buckets have [exemplars](#exemplars).",
    series: always(histogramSeries(EXCHANGE_BOUNDS), "route"),
  },
  sluice_exchange_overhead_seconds: {
    type: "histogram",
    unit: "seconds",
    labels: ["route"],
    help: "Time until the head of the response went out that was spent neither in filters' calls nor in waiting for a server.",
    meaning: `What the host itself has taken: the time until the head of the response went out, without the calls of filters and without the waiting for a server or for a connection to one. The wait for an instance is in it, and so is the client's time to send a body that a filter takes as a whole. It is measured in one of ${MEASURED_OF} exchanges of each worker and route, beginning with the first; upgraded ones, and those without a route or a head, are left out.`,
    series: always(histogramSeries(OVERHEAD_BOUNDS), "route"),
  },
  sluice_exchanges_in_flight: {
    type: "gauge",
    unit: "exchanges",
    labels: [],
    help: "Exchanges that have begun and not ended.",
    series: always(1),
  },
  sluice_connections_open: {
    type: "gauge",
    unit: "connections",
    labels: [],
    help: "Open connections of clients.",
    series: always(1),
  },
  sluice_connections_accepted_total: {
    type: "counter",
    unit: "connections",
    labels: [],
    help: "Connections of clients that a worker has taken.",
    series: always(1),
  },
  sluice_tunnels_open: {
    type: "gauge",
    unit: "tunnels",
    labels: [],
    help: "Exchanges that were upgraded to another protocol and have not ended.",
    meaning:
      "Exchanges that were upgraded to another protocol and have not ended. They are among the exchanges in flight and the connections, too.",
    series: always(1),
  },
  sluice_tls_handshake_failures_total: {
    type: "counter",
    unit: "handshakes",
    labels: ["reason"],
    help: "TLS handshakes of clients that came to nothing, by reason.",
    meaning: "TLS handshakes of clients that came to nothing: no exchange has begun on these connections.",
    series: always(HANDSHAKE_FAILURES.length),
  },
  sluice_failures_total: {
    type: "counter",
    unit: "exchanges",
    labels: ["code"],
    help: "Exchanges that ended in a failure, and requests that were refused before they became one, by code.",
    meaning:
      "Exchanges that ended in a failure, and requests that were refused before they became one, by the code in [failures.md](failures.md).",
    series: always(CODES),
  },
  sluice_requests_refused_total: {
    type: "counter",
    unit: "requests",
    labels: ["code"],
    help: "Requests that were refused before they became exchanges, by code.",
    meaning:
      "Of the failures: requests that were refused at the door, because they were malformed or the host had too much to do. They are no exchanges.",
    series: always(CODES),
  },
};

export function exchangeSamples(all: MeterSnapshot): Samples<ExchangeMetric> {
  const counts = (label: string, counted: readonly (readonly [string, number])[]): Sample[] =>
    counted.map(([key, value]) => ({ value, labels: { [label]: key } }));
  return {
    sluice_exchanges_total: all.routes.flatMap(({ name: route, statuses }) =>
      statuses.map(([status, value]) => ({
        value,
        labels: { route, status: status === 0 ? "none" : status },
      })),
    ),
    sluice_exchange_duration_seconds: all.routes.flatMap(({ name: route, durations, exemplars }) =>
      histogram("sluice_exchange_duration_seconds", { route }, EXCHANGE_BOUNDS, durations, exemplars),
    ),
    sluice_exchange_overhead_seconds: all.routes.flatMap(({ name: route, overheads }) =>
      histogram("sluice_exchange_overhead_seconds", { route }, OVERHEAD_BOUNDS, overheads),
    ),
    sluice_exchanges_in_flight: [single(all.exchangesInFlight)],
    sluice_connections_open: [single(all.connectionsOpen)],
    sluice_connections_accepted_total: [single(all.connectionsAccepted)],
    sluice_tunnels_open: [single(all.tunnelsOpen)],
    sluice_tls_handshake_failures_total: counts("reason", all.handshakeFailures),
    sluice_failures_total: counts("code", all.failures),
    sluice_requests_refused_total: counts("code", all.refused),
  };
}
