import type { FaultReason } from "./fault.ts";

/**
 * What an instance may consume in one call, through the exports that the meter has put into its module.
 *
 * Its fuel is full again whenever the host calls it by an export named with `CALL`. That costs nothing beyond the call; a call
 * from JavaScript of its own would cost as much as the call of the filter.
 */
export class Fuel {
  readonly #left: WebAssembly.Global;
  readonly #limit: WebAssembly.Global;
  readonly #growsRefused: WebAssembly.Global;
  /** Before the host allocates in the guest for a call: what is left is that of the call before. */
  readonly refill: () => void;

  constructor(exports: WebAssembly.Exports, limit: number) {
    const { [LEFT]: left, [LIMIT]: most, [GROWS_REFUSED]: refused, [REFILL]: refill } = exports;
    if (!(left instanceof WebAssembly.Global && most instanceof WebAssembly.Global))
      throw new Error("the module has not been metered");
    this.#left = left;
    this.#limit = most;
    this.#growsRefused = refused as unknown as WebAssembly.Global;
    this.refill = refill as unknown as () => void;
    this.#limit.value = limit;
    this.refill();
  }

  /** What each call from now on may consume. */
  set most(units: number) {
    this.#limit.value = units;
  }

  /** What the present call has consumed, or the last one. */
  get used(): number {
    return this.#limit.value - this.#left.value;
  }

  /** What was used up when a call trapped: nothing else leaves less than nothing, or asks for memory in vain and then traps. */
  get exhausted(): Exhausted | undefined {
    if (this.#left.value < 0) return "fuel";
    return this.#growsRefused.value > 0 ? "memory" : undefined;
  }
}

/** An instance that can be told anew what one call may consume. */
export interface Refuelled {
  set fuelMax(units: number);
}

export type Exhausted = Extract<FaultReason, "fuel" | "memory">;

/** A function's name with this before it is the same function with its fuel filled first. */
export const CALL = "sluice-meter:call ";

/** Whether the meter has put its exports into a module: it does not where there is no code. */
export function isMetered(exports: WebAssembly.Exports): boolean {
  return exports[LEFT] !== undefined;
}

const LEFT = "sluice-meter:fuel";
const LIMIT = "sluice-meter:fuel-limit";
const GROWS_REFUSED = "sluice-meter:grows-refused";
const REFILL = "sluice-meter:refuel";
