import type { Sweeper } from "../sweeper.ts";
import { PULSE } from "./messages.ts";
import type { WorkerLink } from "./worker-link.ts";

/** In a worker whose code is loaded: shows from now on that its event loop turns. */
export function showPulse(vitals: Int32Array<SharedArrayBuffer>, sweeper: Sweeper): void {
  const beat = (): void => void Atomics.add(vitals, PULSE, 1);
  // The first one at once: what never returns may come before the first sweep.
  beat();
  sweeper.add({ sweep: beat });
}

/**
 * Ends a worker whose event loop has stopped turning: a filter that never returns would keep all its exchanges for ever.
 *
 * Silence alone proves nothing, since a machine that is short of processors makes every thread late. A thread that has used
 * much time of one, and its loop has not turned once in it, is stuck.
 */
export class PulseWatch {
  readonly #link: WorkerLink;
  readonly #vitals: Int32Array<SharedArrayBuffer>;
  #last = 0;
  /** CPU time at the beginning of the present silence; undefined while the pulse goes. */
  #cpuMsBefore: number | undefined;
  #looking = false;
  readonly #stuck: (reason: string) => void;

  /** `stuck` is called when the worker has to be ended. */
  constructor(link: WorkerLink, vitals: Int32Array<SharedArrayBuffer>, stuck: (reason: string) => void) {
    this.#link = link;
    this.#vitals = vitals;
    this.#stuck = stuck;
  }

  /** Whether the last look saw no pulse. */
  get silent(): boolean {
    return this.#cpuMsBefore !== undefined;
  }

  /** To be called now and then. */
  look(): void {
    const now = Atomics.load(this.#vitals, PULSE);
    if (now !== this.#last) {
      this.#last = now;
      this.#cpuMsBefore = undefined;
    } else if (now > 0 && !this.#looking) {
      // Before its first pulse a thread loads its code, which takes what it takes.
      this.#looking = true;
      void this.#judge(now).finally(() => {
        this.#looking = false;
      });
    }
  }

  async #judge(silentAt: number): Promise<void> {
    let cpuMs: number;
    try {
      cpuMs = await this.#link.cpuMs();
    } catch {
      // It has ended meanwhile.
      return;
    }
    if (Atomics.load(this.#vitals, PULSE) !== silentAt) return;
    this.#cpuMsBefore ??= cpuMs;
    const used = cpuMs - this.#cpuMsBefore;
    if (used >= STUCK_CPU_MS)
      this.#stuck(`its event loop stood still for ${Math.round(used)} ms of CPU time`);
  }
}

/** Longer than any single piece of work of a worker, the loading of a large filter included. */
const STUCK_CPU_MS = 800;
