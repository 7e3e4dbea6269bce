import type { ExchangeActivity, FilterActivity, ServerActivity } from "../ops/activity.ts";
import type { SloView } from "../slo/slo.ts";
import type { TrialView } from "../trial/trial.ts";
import type { FileStatus, FilterStatus, WorkerView } from "./control.ts";

/**
 * What a host does now, as one document for who looks on. No member is null, as events are merge patches: what is not known is not
 * there. Rows are members of their section, by name.
 */
export interface LiveView {
  readonly version: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly generation: number;
  readonly listen: readonly string[];
  readonly ready: boolean;
  /** Why it is not, or which generation is. */
  readonly reason: string;
  readonly totals: ExchangeActivity & { readonly inFlight: number; readonly connections: number };
  readonly routes: Readonly<Record<string, LiveRoute>>;
  readonly filters: Readonly<Record<string, LiveFilter>>;
  readonly upstreams: Readonly<Record<string, Readonly<Record<string, LiveServer>>>>;
  readonly workers: Readonly<Record<string, Omit<WorkerView, "id">>>;
  /** By a worker's place, which the one that takes its place has, too: the share of the time that its event loop is at work. */
  readonly loops: Readonly<Record<string, number>>;
  /** Failures of exchanges since the start, by code; none that have not happened. */
  readonly failures: Readonly<Record<string, number>>;
  readonly file: LiveFile;
}

export interface LiveRoute extends ExchangeActivity {
  /** In which routes are tried. */
  readonly order: number;
  readonly filters: readonly string[];
  readonly upstream: string;
  readonly slo?: readonly SloView[] | undefined;
}

export interface LiveFilter extends FilterActivity, Omit<FilterStatus, "name" | "trial"> {
  readonly instances: number;
  /** The one that runs, or the last one that ended while somebody looked on. */
  readonly trial?: LiveTrial | undefined;
}

export type LiveTrial = Omit<TrialView, "shadow"> & {
  readonly shadow?: NonNullable<TrialView["shadow"]> | undefined;
};

export interface LiveServer extends ServerActivity {
  readonly drained: boolean;
  /** How many workers think what of it, all its addresses together. */
  readonly states: Readonly<Record<string, number>>;
  readonly inFlight: number;
  readonly pending: number;
  readonly connections: number;
}

export interface LiveFile extends Omit<FileStatus, "path" | "refusal"> {
  readonly path?: string | undefined;
  readonly refusal?: string | undefined;
}
