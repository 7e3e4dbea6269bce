/**
 * Things that several generations use at once, by what makes them: what a new generation has in common with the one
 * before is kept, not made again. A thing ends with the last generation that uses it.
 */
export class Registry<Thing> {
  readonly #entries = new Map<string, { thing: Promise<Thing>; uses: number }>();
  readonly #end: (thing: Thing) => void;

  constructor(end: (thing: Thing) => void) {
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

  release(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.uses -= 1;
    if (entry.uses > 0) return;
    this.#entries.delete(key);
    void entry.thing.then(this.#end);
  }
}
