import type { Generation } from "./generation.ts";

/** How many exchanges a generation still has, in one worker. */
export interface GenerationLoad {
  readonly number: number;
  readonly exchanges: number;
}

/** The generations of one worker: those that are prepared, the live one, and those on which exchanges still end. */
export class Generations {
  live: Generation | undefined;
  readonly #prepared = new Map<number, Generation>();
  readonly #ending = new Set<Generation>();
  readonly #drained: (number: number) => void;

  /** `drained` hears of each that was live once nothing of it is left. */
  constructor(drained: (number: number) => void) {
    this.#drained = drained;
  }

  prepare(generation: Generation): void {
    this.#prepared.set(generation.number, generation);
  }

  /** The next exchange begins on this one. */
  commit(number: number): Generation {
    const next = this.#prepared.get(number);
    if (next === undefined) throw new Error(`generation ${number} is not prepared`);
    this.#prepared.delete(number);
    const last = this.live;
    this.live = next;
    next.adopt();
    if (last !== undefined) this.#end(last);
    return next;
  }

  abandon(number: number): void {
    this.#prepared.get(number)?.retire();
    this.#prepared.delete(number);
  }

  /** The live one first. */
  loads(): GenerationLoad[] {
    const alive = this.live === undefined ? [] : [this.live];
    return [...alive, ...this.#ending].map(({ number, exchanges }) => ({ number, exchanges }));
  }

  #end(generation: Generation): void {
    this.#ending.add(generation);
    generation.retire();
    void this.#wait(generation);
  }

  async #wait(generation: Generation): Promise<void> {
    await generation.drained;
    this.#ending.delete(generation);
    this.#drained(generation.number);
  }
}
