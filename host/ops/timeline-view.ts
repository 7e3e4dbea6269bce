import type { FailureCode } from "../failure.ts";
import type { Step } from "../timeline.ts";

/** An exchange that has ended, with all that is kept of it: what `sluice trace`, traces and the dashboard show. Plain JSON, without values of header fields and without the client's address. */
export interface TimelineView {
  readonly requestId: string;
  readonly worker: number;
  /** When it began; milliseconds since 1970. */
  readonly at: number;
  readonly durationMs: number;
  /** Null when none matched. */
  readonly route: string | null;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** What the client was sent; 0 when no head went out. */
  readonly status: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly generation: number;
  /** Why it failed; the detail is the host's own words. */
  readonly failure: { readonly code: FailureCode; readonly detail: string } | null;
  /** The filter that replied in the upstream's place. */
  readonly repliedBy: string | null;
  /** Where versions of filters are tried: which one served. */
  readonly versions: Readonly<Record<string, string>> | null;
  /** Null where only the exchange as a whole was kept. */
  readonly steps: readonly Step[] | null;
  /** Steps that there was no room for. */
  readonly more: number;
}
