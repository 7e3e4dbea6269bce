/** What counters have grown by. */
export interface Growth {
  readonly exchanges: number;
  readonly bad: number;
}

/**
 * What two counters have grown by within a time that ends now. It keeps what they were at `STEPS` moments of it and no more, so
 * that a window of months costs as much memory as one of minutes; it reaches back up to one step further than it is long.
 */
export class CountWindow {
  readonly #lengthMs: number;
  readonly #stepMs: number;
  /** A ring of moments, each with what the counters were. */
  readonly #at = new Float64Array(PLACES);
  readonly #exchanges = new Float64Array(PLACES);
  readonly #bad = new Float64Array(PLACES);
  #first = 0;
  #kept = 0;
  #last: Growth;

  constructor(lengthMs: number, now: number, counts: Growth) {
    this.#lengthMs = lengthMs;
    this.#stepMs = lengthMs / STEPS;
    this.#last = counts;
    this.#keep(now, counts);
  }

  /** The counters are so high now. */
  take(now: number, counts: Growth): void {
    this.#last = counts;
    const newest = (this.#first + this.#kept - 1) % PLACES;
    if (now - (this.#at[newest] as number) >= this.#stepMs) this.#keep(now, counts);
  }

  /** Up to what was taken last. */
  growth(now: number): Growth {
    // The newest moment that is out of the window is where it begins; before there is one, the beginning of all.
    while (this.#kept > 1 && (this.#at[(this.#first + 1) % PLACES] as number) <= now - this.#lengthMs)
      this.#dropOldest();
    return {
      exchanges: this.#last.exchanges - (this.#exchanges[this.#first] as number),
      bad: this.#last.bad - (this.#bad[this.#first] as number),
    };
  }

  #keep(now: number, { exchanges, bad }: Growth): void {
    if (this.#kept === PLACES) this.#dropOldest();
    const place = (this.#first + this.#kept) % PLACES;
    this.#at[place] = now;
    this.#exchanges[place] = exchanges;
    this.#bad[place] = bad;
    this.#kept += 1;
  }

  #dropOldest(): void {
    this.#first = (this.#first + 1) % PLACES;
    this.#kept -= 1;
  }
}

const STEPS = 30;

/** Those within the window, its beginning, and one that is on its way out. */
const PLACES = STEPS + 2;
