import { FilterFault } from "./contract.ts";
import { GuestTrap } from "./guest-memory.ts";

/** Why an instance was ended, as metrics count it. */
export type FaultReason = "trap" | "stack" | "contract" | "size" | "handle" | "reentry" | "host";

export interface Fault {
  readonly reason: FaultReason;
  /** For the log: a panic's message when there was one, and what the engine said. */
  readonly detail: string;
}

/** Tells what ended a call. `lastWords` is what the guest wrote to standard error in it: Rust writes its panics there. */
export function faultOf(error: unknown, lastWords: string): Fault {
  const message = error instanceof Error ? error.message : String(error);
  const said = lastWords.trim().replace(/\s*note: run with `RUST_BACKTRACE=1`.*$/s, "");
  return { reason: reasonOf(error), detail: said === "" ? message : `${said} (${message})` };
}

/** Whether the filter returned, or asked for, what the contract refuses; otherwise its code ended, or the host's. */
export function brokeContract(reason: FaultReason): boolean {
  return reason === "contract" || reason === "size" || reason === "handle" || reason === "reentry";
}

function reasonOf(error: unknown): FaultReason {
  if (error instanceof FilterFault || error instanceof GuestTrap) return error.reason;
  if (error instanceof WebAssembly.RuntimeError) return "trap";
  // V8 reports a guest's exhausted stack as a RangeError, as it does a guest's pointer beyond its memory.
  if (error instanceof RangeError) return EXHAUSTED.test(error.message) ? "stack" : "contract";
  return "host";
}

const EXHAUSTED = /call stack size/;
