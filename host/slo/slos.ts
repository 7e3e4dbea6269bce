import type { Config } from "../config/config.ts";
import { CountWindow, type Growth } from "./count-window.ts";
import {
  BURN_WINDOWS,
  type BurnWindow,
  type RouteBurn,
  type Slo,
  type SloCounts,
  sloKey,
  slosOf,
  type SloView,
} from "./slo.ts";

/** What SLOs ask of the host. */
export interface SlosOwner {
  /** What all workers have counted since the process began; never less than before. */
  counts(): Promise<readonly SloCounts[]>;
  /** Milliseconds; never goes back. */
  now(): number;
}

/** How the objectives of the generation that is live stand. Lives in the main thread, and forgets with it. */
export class Slos {
  readonly #owner: SlosOwner;
  readonly #objectives = new Map<string, ObjectiveWatch>();
  #routes: Config["routes"] = [];
  /** By route, in their order. */
  #byRoute: ReadonlyMap<string, readonly ObjectiveWatch[]> = new Map();
  /** What was counted last, also for objectives that are no more: one that comes again begins there. */
  #counted: ReadonlyMap<string, SloCounts> = new Map();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(owner: SlosOwner) {
    this.#owner = owner;
  }

  /** A generation is live that has these routes. What it asks of them as the one before did is watched on. */
  watch(routes: Config["routes"]): void {
    const now = this.#owner.now();
    this.#routes = routes;
    const kept = slosOf({ routes }).map((slo) => {
      const known = this.#objectives.get(sloKey(slo));
      if (known !== undefined && isSame(known.slo, slo)) return known;
      return new ObjectiveWatch(slo, now, this.#counted.get(sloKey(slo)) ?? NOTHING);
    });
    this.#objectives.clear();
    for (const objective of kept) this.#objectives.set(sloKey(objective.slo), objective);
    this.#byRoute = Map.groupBy(kept, ({ slo }) => slo.route);
    if (kept.length === 0) this.close();
    else this.#timer ??= setInterval(() => void this.look(), LOOK_MS).unref();
  }

  /** What is asked of routes now. */
  get asked(): readonly Slo[] {
    return Array.from(this.#objectives.values(), ({ slo }) => slo);
  }

  /** Looks, unless that was done a moment ago: for somebody who waits for it. */
  refresh(): Promise<void> {
    return this.#owner.now() - this.#lookedAt < FRESH_MS ? Promise.resolve() : this.look();
  }

  /** Asks for the counts. Comes by itself, and never twice at once. */
  look(): Promise<void> {
    if (this.#objectives.size === 0) return Promise.resolve();
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Null when nothing is asked of the route. */
  view(route: string): readonly SloView[] | null {
    const now = this.#owner.now();
    return this.#byRoute.get(route)?.map((objective) => objective.view(now)) ?? null;
  }

  /** Of the routes that a filter is on, as far as something is asked of them. */
  burns(filter: string): readonly RouteBurn[] {
    const now = this.#owner.now();
    return this.#routes
      .filter(({ filters }) => filters.includes(filter))
      .flatMap(({ name: route }) =>
        (this.#byRoute.get(route) ?? []).map((objective) => ({
          route,
          objective: objective.slo.objective,
          burn: objective.burn("5m", now),
        })),
      );
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    const counts = await this.#owner.counts();
    const now = this.#owner.now();
    this.#lookedAt = now;
    this.#counted = new Map(counts.map((each) => [sloKey(each), each]));
    for (const [key, objective] of this.#objectives) {
      const counted = this.#counted.get(key);
      if (counted !== undefined) objective.take(now, counted);
    }
  }
}

class ObjectiveWatch {
  readonly slo: Slo;
  readonly #since = Date.now();
  readonly #windows: Readonly<Record<BurnWindow, CountWindow>>;
  readonly #budget: CountWindow;

  constructor(slo: Slo, now: number, counts: Growth) {
    this.slo = slo;
    const window = (lengthMs: number): CountWindow => new CountWindow(lengthMs, now, counts);
    this.#windows = {
      "5m": window(BURN_WINDOWS["5m"]),
      "1h": window(BURN_WINDOWS["1h"]),
      "6h": window(BURN_WINDOWS["6h"]),
    };
    this.#budget = window(slo.windowMs);
  }

  take(now: number, counts: Growth): void {
    for (const window of Object.values(this.#windows)) window.take(now, counts);
    this.#budget.take(now, counts);
  }

  burn(window: BurnWindow, now: number): number | null {
    return this.#burnOf(this.#windows[window].growth(now));
  }

  view(now: number): SloView {
    const { objective, target, underMs } = this.slo;
    const used = this.#burnOf(this.#budget.growth(now));
    return {
      objective,
      target,
      underMs,
      burn: { "5m": this.burn("5m", now), "1h": this.burn("1h", now), "6h": this.burn("6h", now) },
      budgetLeft: used === null ? null : 1 - used,
      since: this.#since,
    };
  }

  /** The share of bad exchanges, in shares that may be bad. */
  #burnOf({ exchanges, bad }: Growth): number | null {
    return exchanges === 0 ? null : bad / exchanges / (1 - this.slo.target);
  }
}

function isSame(one: Slo, other: Slo): boolean {
  return one.target === other.target && one.underMs === other.underMs && one.windowMs === other.windowMs;
}

const NOTHING: Growth = { exchanges: 0, bad: 0 };

/** What is not older is fresh. */
const FRESH_MS = 1_000;

/** How often it is looked by itself. */
const LOOK_MS = 10_000;
