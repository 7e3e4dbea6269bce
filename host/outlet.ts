import type { ChainOwner } from "./chain.ts";
import { HeldBody } from "./held-body.ts";

/** Where what has come through a chain goes to the owner: kept for as long as nobody is there to take it. */
export class Outlet {
  readonly #inward: boolean;
  readonly #owner: ChainOwner;
  /** What has come through before the head could leave, or before the receiver was there. */
  #kept: HeldBody | undefined;
  /** The head has left. */
  #left = false;
  /** The receiver is there. */
  #open: boolean;
  /** It has no room. */
  #full = false;

  constructor(inward: boolean, owner: ChainOwner) {
    this.#inward = inward;
    this.#owner = owner;
    // Whoever takes a request has still to be found; whoever takes its response is there.
    this.#open = !inward;
  }

  get left(): boolean {
    return this.#left;
  }

  get full(): boolean {
    return this.#full;
  }

  /** Whether chunks go on as they come. */
  get flows(): boolean {
    return this.#left && this.#open;
  }

  /** The head leaves. */
  leave(): void {
    this.#left = true;
  }

  push(chunk: Buffer): void {
    if (this.#left && this.#open && this.#kept === undefined) this.#give(chunk);
    else {
      this.#kept ??= new HeldBody();
      this.#kept.push(chunk);
    }
  }

  /** The receiver is there, and has room. */
  drained(): void {
    this.#full = false;
    this.#open = true;
    this.flush();
  }

  /** What was kept goes on, if it may. */
  flush(): void {
    const kept = this.#kept;
    if (kept === undefined || !this.flows) return;
    this.#kept = undefined;
    for (const chunk of kept.chunks) this.#give(chunk);
  }

  /** Takes away what was kept. */
  take(): HeldBody | undefined {
    const kept = this.#kept;
    this.#kept = undefined;
    return kept;
  }

  #give(chunk: Buffer): void {
    const room = this.#inward ? this.#owner.requestChunk(chunk) : this.#owner.responseChunk(chunk);
    if (!room) this.#full = true;
  }
}
