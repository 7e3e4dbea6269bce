import type { ServerState } from "../upstream/standing.ts";
import { addCells, cellsOf, observe, WAIT_BOUNDS } from "./buckets.ts";

/** How a try at a server fails: no connection, one that broke or spoke no HTTP, one that was too slow, a status from 500 on. */
export const TRY_FAILURES = ["connect", "reset", "timeout", "status"] as const;

export type TryFailure = (typeof TRY_FAILURES)[number];

/** What one server of the configuration has done, at all its addresses together. The path increments the fields itself. */
export class ServerMeter {
  tries = 0;
  /** Requests that were sent again because the try here had failed. */
  retries = 0;
  ejections = 0;
  checksPassed = 0;
  checksFailed = 0;
  lookupsFound = 0;
  lookupsFailed = 0;
  readonly #failures = new Float64Array(TRY_FAILURES.length);
  readonly #responses = cellsOf(WAIT_BOUNDS);
  readonly #waits = cellsOf(WAIT_BOUNDS);

  failed(reason: TryFailure): void {
    this.#failures[TRY_FAILURES.indexOf(reason)]! += 1;
  }

  /** The head of a response has come, so long after its request was put on a connection. */
  responded(seconds: number): void {
    observe(this.#responses, 0, WAIT_BOUNDS, seconds);
  }

  /** A request has waited so long for a connection, in vain or not. */
  waited(seconds: number): void {
    observe(this.#waits, 0, WAIT_BOUNDS, seconds);
  }

  snapshot(upstream: string, server: string): ServerCounts {
    const { tries, retries, ejections, checksPassed, checksFailed, lookupsFound, lookupsFailed } = this;
    return {
      upstream,
      server,
      counts: { tries, retries, ejections, checksPassed, checksFailed, lookupsFound, lookupsFailed },
      failures: this.#failures.slice(),
      responses: this.#responses.slice(),
      waits: this.#waits.slice(),
    };
  }
}

export interface ServerCounts {
  readonly upstream: string;
  readonly server: string;
  readonly counts: Readonly<Record<ServerCount, number>>;
  /** In the order of `TRY_FAILURES`. */
  readonly failures: Float64Array;
  /** One cell per bound of `WAIT_BOUNDS`, one for what is longer, then the sum in seconds. */
  readonly responses: Float64Array;
  /** The same. */
  readonly waits: Float64Array;
}

export type ServerCount =
  | "tries"
  | "retries"
  | "ejections"
  | "checksPassed"
  | "checksFailed"
  | "lookupsFound"
  | "lookupsFailed";

/** One address of a server, as one worker sees it now; added up, as several do. */
export interface ServerView {
  readonly upstream: string;
  /** As the configuration names it. */
  readonly server: string;
  /** What its name stands for; empty when that is not known, or when it is no name. */
  readonly address: string;
  /** How many workers think so of it. */
  readonly states: Readonly<Partial<Record<ServerState, number>>>;
  /** Requests on connections, upgraded ones among them. */
  readonly inFlight: number;
  /** Requests that wait for a connection. */
  readonly pending: number;
  readonly connections: number;
}

/** Whoever has servers. */
export interface ServerSource {
  views(): ServerView[];
}

export function addCounts(one: ServerCounts, other: ServerCounts): ServerCounts {
  const keys = Object.keys(one.counts) as ServerCount[];
  const counts = Object.fromEntries(keys.map((key) => [key, one.counts[key] + other.counts[key]]));
  return {
    ...one,
    counts: counts as Record<ServerCount, number>,
    failures: addCells(one.failures, other.failures),
    responses: addCells(one.responses, other.responses),
    waits: addCells(one.waits, other.waits),
  };
}

export function addViews(one: ServerView, other: ServerView): ServerView {
  const states: Partial<Record<ServerState, number>> = { ...one.states };
  for (const [state, count] of Object.entries(other.states) as [ServerState, number][])
    states[state] = (states[state] ?? 0) + count;
  return {
    ...one,
    states,
    inFlight: one.inFlight + other.inFlight,
    pending: one.pending + other.pending,
    connections: one.connections + other.connections,
  };
}
