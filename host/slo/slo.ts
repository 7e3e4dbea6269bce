import type { Config } from "../config/config.ts";

/** What a route may be held to. */
export const OBJECTIVES = ["availability", "latency"] as const;

export type Objective = (typeof OBJECTIVES)[number];

/** One objective of one route. */
export interface Slo {
  readonly route: string;
  readonly objective: Objective;
  /** The share of exchanges that have to be good: 0.999. */
  readonly target: number;
  /** What is too slow; null for an availability. */
  readonly underMs: number | null;
  readonly windowMs: number;
}

/** What was counted for one objective. Plain data: it crosses threads by structured clone. */
export interface SloCounts {
  readonly route: string;
  readonly objective: Objective;
  readonly exchanges: number;
  readonly bad: number;
}

/** How an objective of a route stands, as operators see it. */
export interface SloView {
  readonly objective: Objective;
  /** 0.999 is 99.9 %. */
  readonly target: number;
  readonly underMs: number | null;
  /** How many times as fast as it may the budget was used lately: 1 uses it up exactly. Null without an exchange. */
  readonly burn: Readonly<Record<BurnWindow, number | null>>;
  /** Of the budget of the window: 1 is all of it, below 0 it is overdrawn. Null without an exchange. */
  readonly budgetLeft: number | null;
  /** When counting began, in Unix milliseconds: a restart, or another objective, begins anew. */
  readonly since: number;
}

/** The times over which the host itself tells how fast budgets burn. */
export const BURN_WINDOWS = { "5m": 300_000, "1h": 3_600_000, "6h": 21_600_000 } as const;

export type BurnWindow = keyof typeof BURN_WINDOWS;

/** How an objective of a route burned in the last five minutes. */
export interface RouteBurn {
  readonly route: string;
  readonly objective: Objective;
  readonly burn: number | null;
}

/** Who burns faster over an hour is paged for (`alerts.ts`): 2 % of a budget for 30 days in one hour. */
export const FAST_BURN = 14.4;

/** By route, availability first. */
export function slosOf({ routes }: Pick<Config, "routes">): Slo[] {
  return routes.flatMap(({ name: route, slo }): Slo[] => {
    // A generation that an older version has kept knows nothing of it.
    if (!slo) return [];
    const { availability, latency, windowMs } = slo;
    return [
      ...(availability === null
        ? []
        : [{ route, objective: "availability" as const, target: availability, underMs: null, windowMs }]),
      ...(latency === null
        ? []
        : [
            {
              route,
              objective: "latency" as const,
              target: latency.share,
              underMs: latency.underMs,
              windowMs,
            },
          ]),
    ];
  });
}

/** Unlike that of any other objective: those have no space in their names. */
export function sloKey({ route, objective }: Pick<Slo, "route" | "objective">): string {
  return `${route} ${objective}`;
}
