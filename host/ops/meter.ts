import { FAILURES, type FailureCode } from "../failure.ts";
import { CALL_BOUNDS, observe } from "./buckets.ts";
import { CustomMetrics, type CustomSnapshot } from "./custom-metrics.ts";
import { FilterWork, type WorkSnapshot } from "./filter-work.ts";
import type { LoopMeter, LoopSnapshot } from "./loop-meter.ts";
import { RouteMeter, type RouteSnapshot } from "./route-meter.ts";
import { SloMeters } from "./slo-meter.ts";
import type { SloCounts } from "../slo/slo.ts";
import { type ServerCounts, ServerMeter, type ServerSource, type ServerView } from "./server-meter.ts";
import { trialKey, TrialMeter, type TrialSnapshot } from "./trial-meter.ts";

/** The phases of a filter as `FilterMeter.called` takes them: small integers, so that a call is an index and no lookup. */
export const PHASE = {
  configure: 0,
  request: 1,
  "request-body": 2,
  "request-trailers": 3,
  response: 4,
  "response-body": 5,
  "response-trailers": 6,
  end: 7,
} as const;

export type FilterPhase = (typeof PHASE)[keyof typeof PHASE];

/** Why a call of a filter failed: the cases of "Failures" in `wit/filter.wit`. */
export const FILTER_FAILURE_REASONS = [
  /** The code trapped: a panic, an access outside of its memory. */
  "trap",
  /** Recursion without end. */
  "stack",
  "fuel",
  "memory",
  "time",
  /** It returned what the contract refuses, or called the host with what it refuses. */
  "contract",
  /** A reply, an edit or a value is larger than the limits allow, or there are too many. */
  "size",
  /** A handle of another call, made up, or not given back. */
  "handle",
  /** The host was called while it was storing a value in the guest. */
  "reentry",
  /** The host's own code threw. */
  "host",
  /** No instance became free in time. */
  "busy",
  /** It was not called, because it had failed too often. */
  "quarantined",
] as const;

export type FilterFailureReason = (typeof FILTER_FAILURE_REASONS)[number];

/** Why an instance has ended, as `FilterMeter.ended` takes it. */
export const INSTANCE_ENDS = [
  /** A call failed. */
  "fault",
  /** It had served limits.instance-exchanges. */
  "exchanges",
  /** Its memory had grown to limits.instance-bytes. */
  "memory",
  /** Nobody had needed it for timeouts.instance-idle. */
  "idle",
  /** Its filter was changed, or is no more. */
  "swap",
] as const;

export type InstanceEnd = (typeof INSTANCE_ENDS)[number];

/** What came of handing a filter's state from one version to the next, as `FilterMeter.handedOver` takes it. */
export const STATE_HANDOVERS = [
  /** The old version has saved a state. */
  "saved",
  /** The new version has taken it over. */
  "restored",
  /** The new version would not have it. */
  "refused",
  /** Either call failed, the state was too long, or no instance was free. */
  "failed",
] as const;

export type StateHandover = (typeof STATE_HANDOVERS)[number];

/** Why the TLS handshake of a connection came to nothing. */
export const HANDSHAKE_FAILURES = [
  /** The client and this host have no version, cipher or protocol in common, or what came is no TLS. */
  "protocol",
  /** The client has shown no certificate, or one that is not trusted. */
  "certificate",
  "timeout",
  /** The client went away. */
  "gone",
] as const;

export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number];

/** Names beyond these share the name `other`: names of removed routes stay until the process ends, and memory must not grow with every reload. */
export const ROUTES_MAX = 4_096;
export const FILTERS_MAX = 1_024;
export const SERVERS_MAX = 4_096;
export const OVERFLOW = "other";

/** The name under which exchanges are counted that matched no route. */
export const NO_ROUTE = "none";

/** What a worker has counted since it started. Plain data: it crosses threads by structured clone. */
export interface MeterSnapshot {
  readonly exchangesInFlight: number;
  readonly connectionsOpen: number;
  readonly connectionsAccepted: number;
  readonly tunnelsOpen: number;
  readonly logLinesDropped: number;
  readonly routes: readonly RouteSnapshot[];
  readonly filters: readonly FilterSnapshot[];
  /** What filters have declared themselves. */
  readonly custom: readonly CustomSnapshot[];
  readonly servers: readonly ServerCounts[];
  /** Of all objectives that routes have, or had. */
  readonly slos: readonly SloCounts[];
  /** Of all generations that are alive. */
  readonly views: readonly ServerView[];
  /** The same. */
  readonly trials: readonly TrialSnapshot[];
  /** By reason, also those that have not happened. */
  readonly handshakeFailures: readonly (readonly [reason: HandshakeFailure, count: number])[];
  /** Every code of the failure table, also those that have not happened: `increase()` cannot see the first of a new series. */
  readonly failures: readonly (readonly [code: FailureCode, count: number])[];
  /** Of these: requests that were refused before they became exchanges. */
  readonly refused: readonly (readonly [code: FailureCode, count: number])[];
  /** One of a worker itself; of several, one for each place. */
  readonly loops: readonly LoopSnapshot[];
}

export interface FilterSnapshot {
  readonly name: string;
  /** For each phase, in the order of `PHASE`: one cell per bound of `CALL_BOUNDS`, one for what is longer, then the sum in seconds. */
  readonly calls: Float64Array;
  /** In the order of `FILTER_FAILURE_REASONS`. */
  readonly failures: Float64Array;
  readonly instances: number;
  /** In the order of `INSTANCE_ENDS`. */
  readonly instanceEnds: Float64Array;
  readonly handlesLeaked: number;
  /** In the order of `STATE_HANDOVERS`. */
  readonly handovers: Float64Array;
  /** Workers in which it is quarantined: 0 or 1 in a worker's own snapshot. */
  readonly quarantined: number;
  readonly work: WorkSnapshot;
}

/**
 * The counters of one worker. They belong to names, not to generations, so a swap does not reset them.
 *
 * The path increments and decrements the public fields itself.
 */
export class WorkerMeter {
  exchangesInFlight = 0;
  connectionsOpen = 0;
  connectionsAccepted = 0;
  tunnelsOpen = 0;
  logLinesDropped = 0;
  /** Of the thread that this is in, where it has one that turns. */
  loop: LoopMeter | undefined;
  /** The filters' own. */
  readonly custom: CustomMetrics = new CustomMetrics();
  readonly slos: SloMeters = new SloMeters();
  readonly #routes = new Map<string, RouteMeter>();
  readonly #filters = new Map<string, FilterMeter>();
  readonly #servers = new Map<string, { upstream: string; server: string; meter: ServerMeter }>();
  readonly #sources = new Set<ServerSource>();
  /** By filter and beginning, with how many generations have them. */
  readonly #trials = new Map<string, { readonly meter: TrialMeter; uses: number }>();
  readonly #handshakeFailures = new Map(HANDSHAKE_FAILURES.map((reason) => [reason, 0]));
  readonly #failures = new Map((Object.keys(FAILURES) as FailureCode[]).map((code) => [code, 0]));
  readonly #refused = new Map(this.#failures);

  /** Not for the path: a generation asks once and keeps what it gets. */
  route(name: string): RouteMeter {
    return named(this.#routes, name, ROUTES_MAX, () => new RouteMeter());
  }

  /** Not for the path: a generation asks once and keeps what it gets. */
  filter(name: string): FilterMeter {
    return named(this.#filters, name, FILTERS_MAX, () => new FilterMeter());
  }

  /** Not for the path: an upstream asks once and keeps what it gets. */
  server(upstream: string, server: string): ServerMeter {
    const known = this.#servers.get(`${upstream} ${server}`);
    if (known !== undefined) return known.meter;
    const names =
      this.#servers.size < SERVERS_MAX ? { upstream, server } : { upstream: OVERFLOW, server: OVERFLOW };
    const key = `${names.upstream} ${names.server}`;
    const entry = this.#servers.get(key) ?? { ...names, meter: new ServerMeter() };
    this.#servers.set(key, entry);
    return entry.meter;
  }

  /** Its servers are seen until `forget`. */
  watch(source: ServerSource): void {
    this.#sources.add(source);
  }

  forget(source: ServerSource): void {
    this.#sources.delete(source);
  }

  /** The counters of a trial, which are seen until `endTrial` has been called as often as this. */
  trial(filter: string, startedAt: number, shadow: boolean): TrialMeter {
    const key = trialKey({ filter, startedAt });
    const entry = this.#trials.get(key) ?? { meter: new TrialMeter(filter, startedAt, shadow), uses: 0 };
    entry.uses += 1;
    this.#trials.set(key, entry);
    return entry.meter;
  }

  endTrial(meter: TrialMeter): void {
    const key = trialKey(meter);
    const entry = this.#trials.get(key);
    if (entry === undefined) return;
    entry.uses -= 1;
    if (entry.uses === 0) this.#trials.delete(key);
  }

  trials(): TrialSnapshot[] {
    return Array.from(this.#trials.values(), ({ meter }) => meter.snapshot());
  }

  /** A connection ended in its TLS handshake. */
  handshakeFailed(reason: HandshakeFailure): void {
    this.#handshakeFailures.set(reason, (this.#handshakeFailures.get(reason) ?? 0) + 1);
  }

  /** An exchange ended in a failure. */
  failed(code: FailureCode): void {
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1);
  }

  /** A request has failed before there was an exchange. */
  refused(code: FailureCode): void {
    this.failed(code);
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  snapshot(): MeterSnapshot {
    return {
      exchangesInFlight: this.exchangesInFlight,
      connectionsOpen: this.connectionsOpen,
      connectionsAccepted: this.connectionsAccepted,
      tunnelsOpen: this.tunnelsOpen,
      logLinesDropped: this.logLinesDropped,
      routes: Array.from(this.#routes, ([name, meter]) => meter.snapshot(name)),
      filters: Array.from(this.#filters, ([name, meter]) => meter.snapshot(name)),
      custom: this.custom.snapshot(),
      slos: this.slos.snapshot(),
      servers: Array.from(this.#servers.values(), ({ upstream, server, meter }) =>
        meter.snapshot(upstream, server),
      ),
      views: Array.from(this.#sources, (source) => source.views()).flat(),
      trials: this.trials(),
      handshakeFailures: Array.from(this.#handshakeFailures),
      failures: Array.from(this.#failures),
      refused: Array.from(this.#refused),
      loops: this.loop === undefined ? [] : [this.loop.snapshot()],
    };
  }
}

/** Cells of one phase in `FilterSnapshot.calls`. */
export const CALL_CELLS: number = CALL_BOUNDS.length + 2;

/** What one filter has done, in all generations together. */
export class FilterMeter {
  /** Instances alive now; the pool counts them up and down. */
  instances = 0;
  handlesLeaked = 0;
  /** 1 while it is, as the generation that is live has it. */
  quarantined = 0;
  readonly work: FilterWork = new FilterWork(Object.keys(PHASE).length);
  readonly #instanceEnds = new Float64Array(INSTANCE_ENDS.length);
  readonly #calls = new Float64Array(Object.keys(PHASE).length * CALL_CELLS);
  readonly #failures = new Float64Array(FILTER_FAILURE_REASONS.length);
  readonly #handovers = new Float64Array(STATE_HANDOVERS.length);

  /** Counts a call that has returned or failed. */
  called(phase: FilterPhase, seconds: number): void {
    observe(this.#calls, phase * CALL_CELLS, CALL_BOUNDS, seconds);
  }

  failed(reason: FilterFailureReason): void {
    this.#failures[FILTER_FAILURE_REASONS.indexOf(reason)]! += 1;
  }

  handedOver(result: StateHandover): void {
    this.#handovers[STATE_HANDOVERS.indexOf(result)]! += 1;
  }

  /** So many instances have ended. */
  ended(why: InstanceEnd, count: number): void {
    this.#instanceEnds[INSTANCE_ENDS.indexOf(why)]! += count;
  }

  snapshot(name: string): FilterSnapshot {
    return {
      name,
      calls: this.#calls.slice(),
      failures: this.#failures.slice(),
      instances: this.instances,
      instanceEnds: this.#instanceEnds.slice(),
      handlesLeaked: this.handlesLeaked,
      handovers: this.#handovers.slice(),
      quarantined: this.quarantined,
      work: this.work.snapshot(),
    };
  }
}

function named<Meter>(meters: Map<string, Meter>, name: string, most: number, make: () => Meter): Meter {
  const bounded = meters.has(name) || meters.size < most ? name : OVERFLOW;
  let meter = meters.get(bounded);
  if (meter === undefined) {
    meter = make();
    meters.set(bounded, meter);
  }
  return meter;
}
