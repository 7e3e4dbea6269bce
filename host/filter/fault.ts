import type { FailureCode } from "../failure.ts";
import { FilterFault } from "./contract.ts";
import type { FilterFailureReason } from "../ops/meter.ts";
import type { Exhausted } from "./fuel.ts";
import { GuestTrap } from "./guest-memory.ts";

/** Why an instance was ended, as metrics count it. */
export type FaultReason =
  | "trap"
  | "stack"
  | "fuel"
  | "memory"
  | "contract"
  | "size"
  | "handle"
  | "reentry"
  | "host";

/** What the log is told of a filter's failure. */
export interface FilterFailure {
  readonly reason: FilterFailureReason;
  /** A panic's message when there was one, and what the engine said. */
  readonly detail: string;
  /** What was thrown, for `framesOf`: to read its stack costs as much as a hundred calls, and not each failure is logged. */
  readonly error?: unknown;
}

export interface Fault extends FilterFailure {
  readonly reason: FaultReason;
}

/** A place in the code of a component's main module, as the engine runs it. */
export interface Frame {
  readonly function: number;
  /** From the module's first byte. */
  readonly offset: number;
}

/**
 * Tells what ended a call. `lastWords` is what the guest wrote to standard error in it: Rust writes its panics there. A trap is told
 * from others by what the instance had `exhausted`.
 */
export function faultOf(error: unknown, lastWords: string, exhausted?: Exhausted): Fault {
  const reason = reasonOf(error, exhausted);
  const message = isOutOfPhase(error)
    ? OUT_OF_PHASE
    : (WHAT_RAN_OUT[reason] ?? (error instanceof Error ? error.message : String(error)));
  const said = lastWords.trim().replace(/\s*note: run with `RUST_BACKTRACE=1`.*$/s, "");
  return {
    reason,
    detail: said === "" ? message : `${said} (${message})`,
    error,
  };
}

/** Whether the filter returned, or asked for, what the contract refuses; otherwise its code ended, or the host's. */
function brokeContract(reason: FaultReason): boolean {
  return reason === "contract" || reason === "size" || reason === "handle" || reason === "reentry";
}

/** In the place of what the engine says: to it the code has merely trapped. */
const WHAT_RAN_OUT: { readonly [K in FaultReason]?: string } = {
  fuel: "one call consumed more fuel than the filter's limits.fuel",
  memory: "memory was refused that is beyond the filter's limits.memory",
};

/** The failure that an exchange ends with. */
export function failureOf(reason: FaultReason): FailureCode {
  if (reason === "fuel") return "FILTER_OUT_OF_FUEL";
  if (reason === "memory") return "FILTER_OUT_OF_MEMORY";
  return brokeContract(reason) ? "FILTER_BROKE_CONTRACT" : "FILTER_TRAPPED";
}

/**
 * Where the guest's code was, innermost first; nowhere when it had returned. Of several modules the one that the innermost
 * frame is in: the others only link it.
 */
export function framesOf(error: unknown): Frame[] {
  const frames: Frame[] = [];
  if (!(error instanceof Error)) return frames;
  let within: string | undefined;
  for (const [, module, index, offset] of (error.stack ?? "").matchAll(FRAME)) {
    within ??= module;
    if (module === within) frames.push({ function: Number(index), offset: Number(offset) });
  }
  return frames;
}

/** As V8 writes it. */
const FRAME = /wasm:\/\/wasm\/([^\s:]*):wasm-function\[(\d+)\]:(0x[0-9a-f]+)/g;

function reasonOf(error: unknown, exhausted: Exhausted | undefined): FaultReason {
  if (error instanceof FilterFault || error instanceof GuestTrap) return error.reason;
  if (error instanceof WebAssembly.RuntimeError) {
    if (JCO_HANDLE.test(error.message)) return "handle";
    if (JCO_REENTRY.test(error.message)) return "reentry";
    return EXHAUSTED.test(error.message) ? "stack" : (exhausted ?? "trap");
  }
  // V8 reports a guest's exhausted stack as a RangeError, as it does a guest's pointer beyond its memory.
  if (error instanceof RangeError) return EXHAUSTED.test(error.message) ? "stack" : "contract";
  if (isOutOfPhase(error)) return "contract";
  return "host";
}

const EXHAUSTED = /call stack (size|exhausted)/;

// On the reference path jco finds these, and calls them traps.
const JCO_HANDLE = /^unknown handle index|\bborrow(ed| handles)\b/;
const JCO_REENTRY = /cannot (enter|leave) component instance/;

/** The engine's own words for it speak of what the host has not done. */
function isOutOfPhase(error: unknown): boolean {
  return error instanceof Error && error.constructor.name === "SuspendError";
}

const OUT_OF_PHASE =
  "an import that waits, like http-client, was called outside of a phase: it can be called within an exchange's phases, and not in configure";
