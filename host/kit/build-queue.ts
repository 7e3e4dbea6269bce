/** One build at a time. What is asked for during one is one more after it, however often that was. */
export class BuildQueue {
  readonly #build: () => Promise<void>;
  #asked = false;
  #running: Promise<void> | undefined;

  /** `build` never rejects. */
  constructor(build: () => Promise<void>) {
    this.#build = build;
  }

  ask(): void {
    this.#asked = true;
    this.#running ??= this.#run();
  }

  /** Begins none after the present one, and resolves when that has ended. */
  async close(): Promise<void> {
    this.#asked = false;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#asked) {
      this.#asked = false;
      await this.#build();
    }
    this.#running = undefined;
  }
}
