import { MACHINE_TIME, type TimeSource } from "../filter/call-time.ts";
import { type RandomSource, SYSTEM_RANDOM } from "../filter/imports/random.ts";
import type { RecordedInputs } from "../trial/record.ts";

/**
 * This machine's clocks and its randomness for one filter, of which the exchange that is called notes what it was given. What a call
 * reads after it has waited for something is not noted: another exchange may be called by then.
 */
export class NotedInputs implements TimeSource, RandomSource {
  /** Whose call it is. */
  notes: Notes | undefined;

  wallMs(): number {
    const ms = MACHINE_TIME.wallMs();
    const notes = this.notes;
    if (notes !== undefined && notes.wallMs.length < READS_MAX) notes.wallMs.push(ms);
    return ms;
  }

  monotonicNs(): bigint {
    const ns = MACHINE_TIME.monotonicNs();
    const notes = this.notes;
    if (notes !== undefined && notes.monotonicNs.length < READS_MAX) notes.monotonicNs.push(ns);
    return ns;
  }

  /** The host's own, which no filter sees. */
  performanceMs(): number {
    return MACHINE_TIME.performanceMs();
  }

  bytes(count: number): Uint8Array {
    const bytes = SYSTEM_RANDOM.bytes(count);
    const notes = this.notes;
    if (notes !== undefined && notes.bytes.length < READS_MAX && count <= RANDOM_BYTES_MAX)
      notes.bytes.push(new Uint8Array(bytes));
    return bytes;
  }

  u64(): bigint {
    const number = SYSTEM_RANDOM.u64();
    const notes = this.notes;
    if (notes !== undefined && notes.numbers.length < READS_MAX) notes.numbers.push(number);
    return number;
  }

  /** An instance is seeded once, before any exchange. */
  seed(): bigint {
    return SYSTEM_RANDOM.seed();
  }
}

/** What one exchange was given, in the order in which it asked. */
export interface Notes extends RecordedInputs {
  readonly wallMs: number[];
  readonly monotonicNs: bigint[];
  readonly bytes: Uint8Array[];
  readonly numbers: bigint[];
}

export function emptyNotes(): Notes {
  return { wallMs: [], monotonicNs: [], bytes: [], numbers: [] };
}

/** Of each kind, in one exchange. */
const READS_MAX = 256;
/** Of one read. */
const RANDOM_BYTES_MAX = 1_024;
