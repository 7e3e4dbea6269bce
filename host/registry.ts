/**
 * Things that several generations use at once, by what makes them: what a new generation has in common with the one
 * before is kept, not made again. A thing ends with the last generation that uses it.
 */
export class Registry<Thing> {
  readonly #entries = new Map<string, { thing: Promise<Thing>; uses: number }>();
  readonly #end: (thing: Thing) => Promise<void> | void;

  /** `end` resolves when nothing is left of the thing. */
  constructor(end: (thing: Thing) => Promise<void> | void) {
    this.#end = end;
  }

  /** Each successful `use` of a key is paired with one `release`. A failed one leaves nothing behind. */
  async use(key: string, make: () => Promise<Thing>): Promise<Thing> {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { thing: make(), uses: 0 };
      this.#entries.set(key, entry);
    }
    entry.uses += 1;
    try {
      return await entry.thing;
    } catch (error) {
      this.#entries.delete(key);
      throw error;
    }
  }

  /** Resolves when nothing is left of the thing, or at once while others use it. */
  async release(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.uses -= 1;
    if (entry.uses > 0) return;
    this.#entries.delete(key);
    await this.#end(await entry.thing);
  }
}
