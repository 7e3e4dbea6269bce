import type { Case } from "./case.ts";
import { settingsOf } from "./case-run.ts";
import type { Kit } from "./engine.ts";
import type { KitFilter } from "./kit-filter.ts";
import { type Script, scriptOf } from "./message-input.ts";
import { MockServices } from "./mock-services.ts";
import type { CallName } from "./watched-instance.ts";

/** What a number came to in many exchanges. */
export interface Spread {
  readonly median: number;
  readonly p99: number;
}

/** One phase of one case. `exchange` is the sum of all calls of an exchange. */
export interface PhaseCost {
  readonly phase: CallName | "exchange";
  readonly timeUs: Spread;
  readonly fuel: Spread;
  /** Of the instance, at the most. */
  readonly memoryBytes: number;
}

export interface CaseCost {
  readonly name: string;
  readonly exchanges: number;
  readonly phases: readonly PhaseCost[];
  /** The same of the component that it is compared with. */
  readonly against: readonly PhaseCost[] | null;
}

export interface BenchOptions {
  readonly component: string;
  readonly against: string | undefined;
  /** For each case and component. */
  readonly ms: number;
}

/** Measures cases, each in many exchanges; of two components in turn, so that what disturbs one disturbs the other. */
export async function bench(
  kit: Kit,
  cases: readonly Case[],
  { component, against, ms }: BenchOptions,
  done: (cost: CaseCost) => void,
): Promise<CaseCost[]> {
  const costs: CaseCost[] = [];
  for (const one of cases) {
    const measured = await Measured.load(kit, one.component ?? component, one);
    const other = against === undefined ? undefined : await Measured.load(kit, against, one);
    const all = other === undefined ? [measured] : [measured, other];
    for (const each of all) await each.warmUp(ms / 4);
    for (let round = 0; round < ROUNDS; round++)
      for (const each of round % 2 === 0 ? all : all.toReversed()) await each.run(ms / ROUNDS);
    const cost: CaseCost = {
      name: one.name,
      exchanges: measured.exchanges,
      phases: measured.costs(),
      against: other?.costs() ?? null,
    };
    for (const each of all) each.close();
    costs.push(cost);
    done(cost);
  }
  return costs;
}

/** One filter and one case, and what its calls have taken. */
export class Measured {
  exchanges = 0;
  readonly #filter: KitFilter;
  readonly #case: Case;
  readonly #script: Script;
  readonly #samples = new Map<CallName | "exchange", Samples>();

  private constructor(filter: KitFilter, one: Case) {
    this.#filter = filter;
    this.#case = one;
    this.#script = scriptOf(one.request, one.response);
  }

  static async load(kit: Kit, component: string, one: Case): Promise<Measured> {
    return new Measured(await kit.filter(component, settingsOf(one)), one);
  }

  /** Until the engine has compiled what is called often. */
  async warmUp(ms: number): Promise<void> {
    await this.run(ms);
    this.#samples.clear();
    this.exchanges = 0;
  }

  async run(ms: number): Promise<void> {
    const end = performance.now() + ms;
    do {
      for (let count = 0; count < AT_ONCE; count++) await this.#exchange();
    } while (performance.now() < end);
  }

  costs(): PhaseCost[] {
    return Array.from(this.#samples, ([phase, samples]) => ({ phase, ...samples.cost() }));
  }

  close(): void {
    this.#filter.close();
  }

  async #exchange(): Promise<void> {
    const filter = this.#filter;
    const one = this.#case;
    filter.restart();
    for (const [key, value] of Object.entries(one.store)) filter.put(key, value);
    const exchange = filter.stage(this.#script, new MockServices(one.http), one.facts);
    await exchange.finish();
    this.exchanges += 1;
    let ms = 0;
    let fuel = 0;
    let memoryBytes = 0;
    for (const call of exchange.calls) {
      this.#of(call.call).add(call.ms, call.fuel, call.memoryBytes);
      ms += call.ms;
      fuel += call.fuel;
      memoryBytes = Math.max(memoryBytes, call.memoryBytes);
    }
    this.#of("exchange").add(ms, fuel, memoryBytes);
  }

  #of(phase: CallName | "exchange"): Samples {
    const known = this.#samples.get(phase) ?? new Samples();
    this.#samples.set(phase, known);
    return known;
  }
}

class Samples {
  readonly #us: number[] = [];
  readonly #fuel: number[] = [];
  #memoryBytes = 0;

  add(ms: number, fuel: number, memoryBytes: number): void {
    this.#us.push(ms * 1_000);
    this.#fuel.push(fuel);
    this.#memoryBytes = Math.max(this.#memoryBytes, memoryBytes);
  }

  cost(): Omit<PhaseCost, "phase"> {
    return { timeUs: spread(this.#us), fuel: spread(this.#fuel), memoryBytes: this.#memoryBytes };
  }
}

function spread(samples: readonly number[]): Spread {
  const sorted = Float64Array.from(samples).toSorted();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { median: at(0.5), p99: at(0.99) };
}

/** Two filters take turns so often. */
const ROUNDS = 10;
/** Exchanges between two looks at the clock. */
const AT_ONCE = 8;

/** Something that costs more than the budget allows. */
export interface Excess {
  readonly case: string;
  readonly phase: string;
  readonly what: "time" | "fuel" | "memory";
  readonly before: number;
  readonly now: number;
}

/**
 * What has grown by more than `share`. Fuel and memory are the same each time, so that every phase is looked at; time is not, so
 * that it is that of whole exchanges, and half a microsecond more is none.
 */
export function excesses(costs: readonly CaseCost[], share: number): Excess[] {
  return costs.flatMap(({ name, phases, against }) =>
    phases.flatMap(({ phase, timeUs, fuel, memoryBytes }): Excess[] => {
      const old = against?.find((one) => one.phase === phase);
      if (old === undefined) return [];
      const found: Excess[] = [];
      const look = (what: Excess["what"], before: number, now: number, least: number): void => {
        if (now > before * (1 + share) && now - before > least)
          found.push({ case: name, phase, what, before, now });
      };
      if (phase === "exchange") look("time", old.timeUs.median, timeUs.median, NOISE_US);
      look("fuel", old.fuel.median, fuel.median, 0);
      if (phase === "exchange") look("memory", old.memoryBytes, memoryBytes, 0);
      return found;
    }),
  );
}

const NOISE_US = 0.5;
