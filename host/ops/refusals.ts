import { FAILURES, type Failure } from "../failure.ts";

/** A request that was refused before it became an exchange. */
export interface RefusedHead {
  /** Unix milliseconds. */
  readonly at: number;
  readonly code: string;
  readonly status: number;
  readonly detail: string;
}

/**
 * The last requests of one worker that clients have got wrong. Only the host's own words are kept of them: no field's value, no
 * query and no address.
 */
export class Refusals {
  readonly #last: RefusedHead[] = [];
  #next = 0;

  /** What the host refuses for its own sake, as it has too much to do, is no fault to be looked into. */
  add({ code, detail }: Failure): void {
    const { fault, status } = FAILURES[code];
    if (fault !== "client") return;
    this.#last[this.#next] = { at: Date.now(), code, status, detail };
    this.#next = (this.#next + 1) % KEPT;
  }

  /** Newest first. */
  list(): readonly RefusedHead[] {
    return [...this.#last.slice(0, this.#next).toReversed(), ...this.#last.slice(this.#next).toReversed()];
  }
}

const KEPT = 128;
