import type { Bound } from "./limits.ts";

/** Every timeout of the host, as `limits.ts` has its limits. */

export type HostTimeout =
  | "clientHeadMs"
  | "clientRequestMs"
  | "clientBodyMs"
  | "clientIdleMs"
  | "clientWriteMs"
  | "clientHalfClosedMs"
  | "tunnelIdleMs"
  | "upstreamBodyMs"
  | "upstreamKeepAliveMs"
  | "drainMs"
  | "eventLoopDelayMs"
  | "instanceWaitMs"
  | "instanceIdleMs"
  | "httpMs"
  | "storeMs"
  | "registryMs";

export type UpstreamTimeout = "connectMs" | "headMs" | "pendingMs" | "totalMs";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Timeouts of the host as a whole. */
export const HOST_TIMEOUTS: Readonly<Record<HostTimeout, Bound>> = {
  clientHeadMs: {
    option: "client-head",
    unit: "ms",
    min: 1,
    max: 10 * MINUTE,
    default: 10 * SECOND,
    meaning: "From the first byte of a request to the end of its head.",
    reason: "A head is one packet or two; who needs longer holds a connection open on purpose.",
  },
  clientRequestMs: {
    option: "client-request",
    unit: "ms",
    min: 1,
    max: 24 * HOUR,
    default: 5 * MINUTE,
    meaning: "From the first byte of a request to the last byte of its body.",
    reason: "Node's own default; a 1 GiB upload at 30 Mbit/s fits.",
  },
  clientBodyMs: {
    option: "client-body",
    unit: "ms",
    min: 1,
    max: 24 * HOUR,
    default: 60 * SECOND,
    meaning: "The longest silence of a client within a request's body, while the body is wanted.",
    reason:
      "What nginx waits; who sends nothing for a minute has gone or holds a connection to a server on purpose.",
  },
  clientIdleMs: {
    option: "client-idle",
    unit: "ms",
    min: 1,
    max: 24 * HOUR,
    default: 75 * SECOND,
    meaning: "How long a client's connection is kept open between two requests.",
    reason:
      "Longer than the 60 s of common load balancers, so that they close first and never send into a closing connection.",
  },
  clientWriteMs: {
    option: "client-write",
    unit: "ms",
    min: 1,
    max: 24 * HOUR,
    default: 60 * SECOND,
    meaning:
      "How long the part of a response that waits for a client may wait until the client has taken all of it.",
    reason: "What nginx waits; who takes less than 16 KiB in a minute has gone or holds memory on purpose.",
  },
  clientHalfClosedMs: {
    option: "client-half-closed",
    unit: "ms",
    min: 0,
    max: 1 * HOUR,
    default: 1 * SECOND,
    meaning: "How long an exchange goes on after its client has closed its side of the connection.",
    reason:
      "A client that has gone and one that has only finished sending look the same; a second answers the one and spares the upstream the other.",
  },
  tunnelIdleMs: {
    option: "tunnel-idle",
    unit: "ms",
    min: 1,
    max: 24 * HOUR,
    default: 5 * MINUTE,
    meaning: "The longest silence of both sides of an upgraded connection.",
    reason: "WebSocket libraries ping at least once a minute.",
  },
  upstreamBodyMs: {
    option: "upstream-body",
    unit: "ms",
    min: 1,
    max: 24 * HOUR,
    default: 60 * SECOND,
    meaning: "The longest silence of a server within a response's body.",
    reason: "A stream that is alive says something at least once a minute.",
  },
  upstreamKeepAliveMs: {
    option: "upstream-keep-alive",
    unit: "ms",
    min: 1,
    max: 1 * HOUR,
    default: 4 * SECOND,
    meaning: "How long an idle connection to a server is kept for the next request.",
    reason:
      "Many servers, Node's among them, close after 5 s; sending into a closing connection fails the request.",
  },
  drainMs: {
    option: "drain",
    unit: "ms",
    min: 1,
    max: 24 * HOUR,
    default: 25 * SECOND,
    meaning: "How long exchanges in flight may go on after the host has been told to stop.",
    reason: "Kubernetes kills 30 s after it asks; what is left over is still closed in an orderly way.",
  },
  eventLoopDelayMs: {
    option: "event-loop-delay",
    unit: "ms",
    min: 10,
    max: 1 * MINUTE,
    default: 500,
    meaning:
      "How late a worker's event loop may come, again and again, before a growing part of the new requests is refused.",
    reason:
      "Every exchange waits for each of its events so long: with half a second each, answers come too late for most clients.",
  },
  instanceWaitMs: {
    option: "instance-wait",
    unit: "ms",
    min: 1,
    max: 1 * MINUTE,
    default: 1 * SECOND,
    meaning: "How long an exchange waits for a free instance of a filter.",
    reason:
      "Instances come free within milliseconds; after a second the host is overloaded and should say so.",
  },
  instanceIdleMs: {
    option: "instance-idle",
    unit: "ms",
    min: 1,
    max: 24 * HOUR,
    default: 1 * MINUTE,
    meaning: "How long an instance is kept that no exchange needs; one is kept always.",
    reason: "Longer than the pauses of ordinary traffic, so that instances are not made again and again.",
  },
  httpMs: {
    option: "http-client",
    unit: "ms",
    min: 1,
    max: 5 * MINUTE,
    default: 10 * SECOND,
    meaning: "How long a request of a filter's own may take, to the last byte of its answer.",
    reason: "A client is waiting meanwhile; filters ask for less, mostly.",
  },
  storeMs: {
    option: "store",
    unit: "ms",
    min: 1,
    max: 1 * MINUTE,
    default: 250,
    meaning:
      "How long a call of a store on a server may take, and the attempt to reach it; then it is `unavailable`.",
    reason: "A server nearby answers within a millisecond; a client is waiting meanwhile.",
  },
  registryMs: {
    option: "registry",
    unit: "ms",
    min: 1,
    max: 10 * MINUTE,
    default: 60 * SECOND,
    meaning: "How long a registry may take for one answer, to the last byte of it.",
    reason: "The largest component over 10 Mbit/s; no exchange waits for it.",
  },
};

/** Timeouts that an upstream may set for itself. */
export const UPSTREAM_TIMEOUTS: Readonly<Record<UpstreamTimeout, Bound>> = {
  connectMs: {
    option: "upstream-connect",
    unit: "ms",
    min: 1,
    max: 5 * MINUTE,
    default: 5 * SECOND,
    meaning: "From the attempt to connect to a server to the open connection.",
    reason: "Time for three attempts of TCP: at once, after 1 s and after 3 s.",
  },
  headMs: {
    option: "upstream-head",
    unit: "ms",
    min: 1,
    max: 24 * HOUR,
    default: 60 * SECOND,
    meaning: "From the end of the request to the end of the response's head.",
    reason: "What nginx waits; slower answers are jobs, not requests.",
  },
  pendingMs: {
    option: "upstream-pending",
    unit: "ms",
    min: 1,
    max: 5 * MINUTE,
    default: 5 * SECOND,
    meaning: "How long a request waits for a connection to a server when all are in use.",
    reason: "As long as for a new connection: whoever waits longer is better told to come again.",
  },
  totalMs: {
    option: "upstream-total",
    unit: "ms",
    min: 0,
    max: 24 * HOUR,
    default: 0,
    meaning:
      "From the choice of a server to the end of its response, with all tries and what the client takes to read it; 0 for no bound.",
    reason: "Streams may last as long as both sides like, and silence has a bound of its own.",
  },
};
