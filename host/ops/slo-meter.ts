import type { FailureCode } from "../failure.ts";
import type { SloConfig } from "../config/config.ts";
import { type Objective, type SloCounts, sloKey } from "../slo/slo.ts";

/** Beyond so many objectives those that come are counted together: names of removed routes stay until the process ends. */
const OBJECTIVES_MAX = 8_192;

/** The counters of objectives in one worker. They belong to names, not to generations, so a swap does not reset them. */
export class SloMeters {
  readonly #meters = new Map<string, SloMeter>();

  /** Not for the path: a generation asks once and keeps what it gets. Undefined when nothing is asked of the route. */
  route(name: string, slo: SloConfig | null, other: string): RouteSlo | undefined {
    // A generation that an older version has kept knows nothing of it.
    if (!slo) return undefined;
    return new RouteSlo(
      slo.availability === null ? undefined : this.#named(name, "availability", other),
      slo.latency === null ? undefined : this.#named(name, "latency", other),
      slo.latency?.underMs ?? 0,
    );
  }

  snapshot(): SloCounts[] {
    return Array.from(this.#meters.values(), ({ route, objective, exchanges, bad }) => ({
      route,
      objective,
      exchanges,
      bad,
    }));
  }

  #named(route: string, objective: Objective, other: string): SloMeter {
    const known = this.#meters.get(sloKey({ route, objective }));
    if (known !== undefined) return known;
    const bounded = this.#meters.size < OBJECTIVES_MAX ? route : other;
    const key = sloKey({ route: bounded, objective });
    const meter = this.#meters.get(key) ?? new SloMeter(bounded, objective);
    this.#meters.set(key, meter);
    return meter;
  }
}

class SloMeter {
  readonly route: string;
  readonly objective: Objective;
  exchanges = 0;
  bad = 0;

  constructor(route: string, objective: Objective) {
    this.route = route;
    this.objective = objective;
  }
}

/** An exchange that has ended, as objectives see it. */
export interface HeldExchange {
  readonly status: number;
  readonly durationMs: number;
  /** The response has gone out to its last byte. */
  readonly whole: boolean;
  readonly failure: { readonly code: FailureCode } | undefined;
}

/** What is asked of one route, as a generation has it: exchanges are held against it one by one. */
export class RouteSlo {
  readonly #availability: SloMeter | undefined;
  readonly #latency: SloMeter | undefined;
  readonly #underMs: number;

  constructor(availability: SloMeter | undefined, latency: SloMeter | undefined, underMs: number) {
    this.#availability = availability;
    this.#latency = latency;
    this.#underMs = underMs;
  }

  /** Counts an exchange that has ended. */
  count({ status, durationMs, whole, failure }: HeldExchange): void {
    const bad = status >= 500 || (!whole && failure?.code !== "CLIENT_GONE");
    const availability = this.#availability;
    if (availability !== undefined) {
      availability.exchanges += 1;
      if (bad) availability.bad += 1;
    }
    const latency = this.#latency;
    // A tunnel lasts as long as its two ends want, and what has failed has no time worth knowing.
    if (latency === undefined || bad || status === SWITCHING_PROTOCOLS) return;
    latency.exchanges += 1;
    if (durationMs > this.#underMs) latency.bad += 1;
  }
}

const SWITCHING_PROTOCOLS = 101;
