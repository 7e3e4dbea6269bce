/** The events of one exchange, in order, and the calls that it waits for. */
export class EventQueue {
  readonly #events: (() => void)[] = [];
  #wake: (() => void) | undefined;
  /** Calls that have not returned. */
  #open = 0;
  #waited = false;

  /** Puts an event behind those that wait. */
  readonly later = (event: () => void): void => {
    this.#events.push(event);
    this.#stir();
  };

  next(): (() => void) | undefined {
    return this.#events.shift();
  }

  clear(): void {
    this.#events.length = 0;
    this.#stir();
  }

  callBegins(): void {
    this.#open += 1;
  }

  callEnds(): void {
    this.#open -= 1;
    this.#stir();
  }

  /** Whether a call has not returned. */
  get calling(): boolean {
    return this.#open > 0;
  }

  /** Whether a call had to be waited for: what follows it comes in turns of its own. */
  get waited(): boolean {
    return this.#waited;
  }

  /** Waits until something has happened; false when nothing is waited for. */
  async stirred(): Promise<boolean> {
    if (this.#open === 0) return false;
    await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#waited = true;
    await nextTurn();
    return true;
  }

  #stir(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
