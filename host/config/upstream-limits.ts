import type { Bound } from "./limits.ts";

/** The limits of upstreams and of what is thought of their servers, as `limits.ts` has those of the host. */

export type UpstreamLimit = "upstreamConnectionsMax" | "upstreamPendingMax" | "upstreamInFlightMax";

export type StandingBound =
  | "consecutive"
  | "rateRequests"
  | "windowMs"
  | "baseMs"
  | "longestMs"
  | "slowStartMs"
  | "intervalMs"
  | "checkMs"
  | "healthy"
  | "unhealthy"
  | "refreshMs";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Limits that an upstream may set for itself. Requests beyond them get 503. */
export const UPSTREAM_LIMITS: Readonly<Record<UpstreamLimit, Bound>> = {
  upstreamConnectionsMax: {
    option: "upstream-connections",
    unit: "count",
    min: 1,
    max: 16_384,
    default: 256,
    meaning: "The number of connections to one server from one worker.",
    reason: "Four workers then stay within the 1 024 connections that servers commonly take.",
  },
  upstreamPendingMax: {
    option: "upstream-pending",
    unit: "count",
    min: 0,
    max: 65_536,
    default: 256,
    meaning: "The number of requests that wait in one worker for a connection to one server.",
    reason: "One waiting request for each connection: a longer queue adds delay and no throughput.",
  },
  upstreamInFlightMax: {
    option: "upstream-in-flight",
    unit: "count",
    min: 1,
    max: 1_048_576,
    default: 2_048,
    meaning:
      "The number of requests to one upstream from one worker, on connections and waiting, upgraded ones among them.",
    reason: "Half of what a worker takes: an upstream that hangs leaves room for the others.",
  },
};

/** What is thought of servers, and when. The options stand in an upstream, each in its own mapping. */
export const STANDING_BOUNDS: Readonly<Record<StandingBound, Bound>> = {
  consecutive: {
    option: "consecutive",
    unit: "count",
    min: 1,
    max: 1_000,
    default: 5,
    meaning: "So many failures in a row eject a server.",
    reason: "Two or three happen to a server that restarts or is unlucky.",
  },
  rateRequests: {
    option: "rate-requests",
    unit: "count",
    min: 1,
    max: 1_000_000,
    default: 20,
    meaning: "`rate` counts when a window has at least so many requests.",
    reason: "A share of fewer says little.",
  },
  windowMs: {
    option: "window",
    unit: "ms",
    min: 100,
    max: 1 * HOUR,
    default: 10 * SECOND,
    meaning: "How long requests are counted for `rate`, before it begins anew.",
    reason: "Long enough for a share, short enough to forget.",
  },
  baseMs: {
    option: "base",
    unit: "ms",
    min: 50,
    max: 1 * HOUR,
    default: 10 * SECOND,
    meaning: "How long a server gets nothing the first time; the second time twice as long, and so on.",
    reason: "A process restarts within that; every `base` without a failure takes one time back.",
  },
  longestMs: {
    option: "max",
    unit: "ms",
    min: 50,
    max: 24 * HOUR,
    default: 5 * MINUTE,
    meaning: "The longest that a server gets nothing.",
    reason: "Somebody who repairs a server does not want to wait longer for it.",
  },
  slowStartMs: {
    option: "slow-start",
    unit: "ms",
    min: 0,
    max: 1 * HOUR,
    default: 0,
    meaning:
      "How long the share of a server that has come, or come back, grows from a tenth to the whole; 0 gives it the whole at once.",
    reason: "Most servers need none; those with cold caches or a just-in-time compiler want half a minute.",
  },
  intervalMs: {
    option: "interval",
    unit: "ms",
    min: 50,
    max: 1 * HOUR,
    default: 5 * SECOND,
    meaning: "The time from one check to the next, by each worker.",
    reason: "With three failures to be believed, a dead server is found out in 15 s even without traffic.",
  },
  checkMs: {
    option: "timeout",
    unit: "ms",
    min: 1,
    max: 5 * MINUTE,
    default: 2 * SECOND,
    meaning: "How long a check may take, with its connection.",
    reason: "A server that needs longer for this is not well.",
  },
  healthy: {
    option: "healthy",
    unit: "count",
    min: 1,
    max: 100,
    default: 2,
    meaning: "So many good checks in a row bring a server back.",
    reason: "One may be luck.",
  },
  unhealthy: {
    option: "unhealthy",
    unit: "count",
    min: 1,
    max: 100,
    default: 3,
    meaning: "So many bad checks in a row take a server out; the very first check counts alone.",
    reason: "One or two may be bad luck.",
  },
  refreshMs: {
    option: "refresh",
    unit: "ms",
    min: 100,
    max: 24 * HOUR,
    default: 10 * SECOND,
    meaning: "How often a server's name is looked up, by each worker.",
    reason: "The system's resolver has a cache of its own; servers that move are found within that.",
  },
};

/** A name gives at most so many servers. */
export const ADDRESSES_MAX = 256;
