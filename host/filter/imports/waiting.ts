import { type GuestMemory, GuestTrap } from "../guest-memory.ts";
import type { Services } from "../services.ts";
import type { CoreImports } from "./core.ts";

/** A handle of what is ready at once: all streams are. */
export const READY = 4;
/** A handle of a time that has not come: it does not within a call, whose time stands still. */
const LATER = 5;

/** WASI's polls. Nothing waits within a call: the thread that would stand still serves other exchanges, too. */
export function coreWaiting(memory: () => GuestMemory, services: Services): CoreImports {
  const at = (later: boolean): number => services.lend(later ? LATER : READY);
  return {
    "wasi:io/poll@0.2": {
      "[resource-drop]pollable": () => services.returned(),
      "[method]pollable.block": (self: number) => mustBeReady(self === READY),
      "[method]pollable.ready": (self: number) => (self === READY ? 1 : 0),
      poll: (list: number, count: number, out: number) => {
        const guest = memory();
        guest.check(list >>> 0, (count >>> 0) * 4);
        const ready: number[] = [];
        for (let index = 0; index < count >>> 0; index++)
          if (guest.view.getUint32((list >>> 0) + index * 4, true) === READY) ready.push(index);
        mustBeReady(ready.length > 0);
        const place = guest.allocate(ready.length * 4, 4);
        ready.forEach((index, number) => guest.view.setUint32(place + number * 4, index, true));
        guest.storePair(place, ready.length, out);
      },
    },
    "wasi:clocks/monotonic-clock@0.2": {
      now: () => services.time.monotonicNs,
      resolution: () => 1n,
      "subscribe-instant": (when: bigint) => at(BigInt.asUintN(64, when) > services.time.monotonicNs),
      "subscribe-duration": (ns: bigint) => at(ns !== 0n),
    },
  };
}

/** A pollable in the shape that jco calls. */
export class Pollable {
  readonly #isReady: boolean;

  constructor(isReady = true) {
    this.#isReady = isReady;
  }

  block(): void {
    mustBeReady(this.#isReady);
  }

  ready(): boolean {
    return this.#isReady;
  }
}

export function referenceWaiting(services: Services): Record<string, Record<string, unknown>> {
  return {
    "wasi:io/poll": {
      Pollable,
      poll: (pollables: readonly Pollable[]) => {
        const ready = pollables.flatMap((pollable, index) => (pollable.ready() ? [index] : []));
        mustBeReady(ready.length > 0);
        return Uint32Array.from(ready);
      },
    },
    "wasi:clocks/monotonic-clock": {
      now: () => services.time.monotonicNs,
      resolution: () => 1n,
      subscribeInstant: (when: bigint) => new Pollable(when <= services.time.monotonicNs),
      subscribeDuration: (ns: bigint) => new Pollable(ns === 0n),
    },
  };
}

function mustBeReady(isReady: boolean): void {
  if (!isReady)
    throw new GuestTrap("the filter would wait, as for a sleep: nothing waits within a call", "trap");
}
