import type { LogLevel } from "../config/config.ts";
import type { Problem } from "../config/problem.ts";
import type { ExpositionFormat } from "../ops/exposition.ts";
import type { MeterSnapshot } from "../ops/meter.ts";
import type { ServerView } from "../ops/server-meter.ts";
import type { TimelineView } from "../ops/timeline-view.ts";
import type { RecordRequest } from "../record/record-request.ts";
import type { SloView } from "../slo/slo.ts";
import type { TrialRequest, TrialView } from "../trial/trial.ts";

/** What the admin API and the command line may ask of a running host. `Host` implements it. */
export interface Control {
  /** A snapshot of what runs now. Never waits for a worker. */
  status(): Status;
  /**
   * The addresses of all servers, as the workers see them together. A worker that does not answer within a second is
   * taken for what it was when it last did.
   */
  servers(): Promise<readonly ServerView[]>;
  /** Live: the main thread answers. Ready: every worker serves a generation and none is draining. */
  readiness(): { readonly ready: boolean; readonly reason: string };
  /** The exposition of all workers and the main thread, with its content type; Prometheus' text when no format is asked for. */
  metrics(format?: ExpositionFormat): Promise<{ readonly contentType: string; readonly body: string }>;
  /** What all workers have counted, those that are no more among them. */
  counts(): Promise<MeterSnapshot>;
  /** What every worker does now; one that does not answer is told by its state alone. */
  workers(): Promise<readonly WorkerView[]>;

  /**
   * Puts another artifact (and config, when given) in the place of a filter's present one, or beside it as a candidate when
   * a trial is asked for. Resolves when every worker serves the new generation, rejects with `Refusal` when nothing changed.
   */
  swap(filter: string, change: SwapRequest, asked: Asked): Promise<SwapResult>;
  /** What `swap` would change, and what it would be refused for; it changes nothing. */
  diffSwap(filter: string, change: SwapRequest): Promise<Differences>;
  /** Ends a filter's trial: the candidate becomes the filter. */
  promote(filter: string, asked: Asked): Promise<ChangeResult>;
  /** Ends a filter's trial: the candidate is dropped. */
  endTrial(filter: string, asked: Asked): Promise<ChangeResult>;
  /** How a filter's trial stands; undefined when it has none. Rejects with FILTER_UNKNOWN. */
  trial(filter: string): Promise<TrialView | undefined>;
  /** The trials of all filters, of each the present or the last one. */
  trials(): Promise<readonly TrialView[]>;
  /**
   * Records exchanges of a filter, redacted, until one of the bounds is reached or another generation is live. Rejects with
   * FILTER_UNKNOWN, or with RECORDING_REFUSED when there are too many already.
   */
  record(filter: string, request: RecordRequest): Promise<AsyncIterable<string>>;
  /** Makes an earlier generation live again, as a new one; the one before the live one when no number is given. */
  rollback(to: number | undefined, asked: Asked): Promise<ChangeResult>;
  /** Newest first, as many as are kept. */
  generations(): Promise<readonly GenerationView[]>;

  /** What runs, redacted: no value that may be a secret. */
  config(): ConfigView;
  /** The configuration's file as it is now. It may have secrets in it. Throws NO_FILE. */
  configText(): string;
  /** Everything that is wrong with a configuration's text, of which nothing is loaded. */
  validate(text: string): readonly Problem[];
  /** How a configuration's text, or the file as it is now, differs from what runs. Rejects with CONFIG_REFUSED. */
  diff(text: string | undefined): Promise<Differences>;
  /** Makes a configuration's text, or the file as it is now, live. */
  apply(text: string | undefined, asked: Asked): Promise<ChangeResult>;

  /** Gives a server no new exchanges, or gives it some again; what it has in flight ends. */
  drainServer(upstream: string, server: string, drained: boolean, asked: Asked): Promise<ChangeResult>;
  setWeight(upstream: string, server: string, weight: number, asked: Asked): Promise<ChangeResult>;

  artifacts(): Promise<readonly ArtifactView[]>;
  /** Removes artifacts that nothing names and nobody has used for a while. Gives their digests. */
  collectArtifacts(): Promise<readonly string[]>;

  readonly logLevel: LogLevel;
  /** At once and on all threads; a generation's own level counts again with the next change of it, or a restart. */
  setLogLevel(level: LogLevel): Promise<void>;
  /** The last requests that were refused before they became exchanges, newest first. */
  refusedRequests(): Promise<readonly RefusedRequest[]>;
  /** The exchanges that are kept, newest first: those that were sampled or asked for, and those that failed. */
  exchanges(question: ExchangeQuestion): Promise<readonly TimelineView[]>;
  /** The one of this request id; undefined when it is not kept, or not any more. */
  exchange(requestId: string): Promise<TimelineView | undefined>;
  /** Which route a request would take and what it would meet there. */
  explain(method: string, url: string): Explanation;
}

/** Which of the exchanges that are kept are asked for. */
export interface ExchangeQuestion {
  /** Only those with a failure, or a status from 500 on. */
  readonly failed: boolean;
  readonly route?: string | undefined;
  /** Only those in which it was called, replied or failed. */
  readonly filter?: string | undefined;
  readonly limit: number;
}

/** Who asks for a change, and on what condition. */
export interface Asked {
  /** A token's name, `local` without tokens, `file` (a file has changed), `signal` (SIGHUP), `start`, or `trial`. */
  readonly by: string;
  /** The change is refused with GENERATION_CHANGED when another generation is live by then. */
  readonly ifGeneration?: number | undefined;
}

export interface SwapRequest {
  /** An absolute path on the host's machine, or `oci://…`. The present one when it is left out, for another config alone. */
  readonly component?: string | undefined;
  /** Lower-case hex; the component's digest must equal it when it is given. */
  readonly sha256?: string | undefined;
  /** Replaces the filter's config when it is given; `null` is a config like any other. */
  readonly config?: unknown;
  /** Tries the new version beside the present one. */
  readonly trial?: TrialRequest | undefined;
}

/** What came of a change that is live on every worker. */
export interface ChangeResult {
  /** The generation that is live now. */
  readonly generation: number;
  /** From the request to the last worker's commit, in milliseconds. */
  readonly durationMs: number;
  /** What is different from the generation before, a sentence each. */
  readonly changes: readonly string[];
}

export interface SwapResult extends ChangeResult {
  readonly filter: string;
  /** Digests, lower-case hex. Equal when only the config changed. */
  readonly from: string;
  readonly to: string;
  readonly configChanged: boolean;
}

/** How something would differ from what runs. Empty `differences`: not at all. */
export interface Differences {
  readonly generation: number;
  readonly differences: readonly Difference[];
  /** Why the host would refuse the change, a sentence each. */
  readonly refusals: readonly string[];
}

export interface Difference {
  /** As in the file: `filters.keys.config`, `routes[2]`. */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  /** Redacted JSON; undefined where there is none. */
  readonly from?: unknown;
  readonly to?: unknown;
}

/** A change that was refused, with one sentence for the operator. What ran before still runs. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: RefusalCode;
  /** Of CONFIG_REFUSED: each with its place. */
  readonly problems: readonly Problem[];

  constructor(
    code: RefusalCode,
    message: string,
    options?: ErrorOptions & { readonly problems?: readonly Problem[] },
  ) {
    super(message, options);
    this.code = code;
    this.problems = options?.problems ?? [];
  }
}

export type RefusalCode =
  /** No filter of that name in the running generation. */
  | "FILTER_UNKNOWN"
  /** The component cannot be read, is none of this world, has another digest, or imports what is not granted. */
  | "ARTIFACT_REFUSED"
  /** No signature that the configuration asks for. */
  | "SIGNATURE_REFUSED"
  /** The component imports more than the one that runs, and the configuration does not grant it by name. */
  | "GRANT_MISSING"
  /** `configure` refused the config, trapped, or asked for what the host does not offer. */
  | "CONFIGURE_REFUSED"
  /** The configuration's text or file is wrong; `problems` has the places. */
  | "CONFIG_REFUSED"
  /** The change is of something that only a restart, or SIGUSR2, changes. */
  | "RESTART_NEEDED"
  /** Another generation is live than the one that the change was meant for. */
  | "GENERATION_CHANGED"
  /** There is no such generation, or none before the live one. */
  | "GENERATION_UNKNOWN"
  /** The filter has no trial, or has one already. */
  | "TRIAL_REFUSED"
  /** As many recordings are under way as may be. */
  | "RECORDING_REFUSED"
  /** No upstream, or no server of it, of that name. */
  | "SERVER_UNKNOWN"
  /** The last server of an upstream is not drained. */
  | "SERVER_NEEDED"
  /** A host that was started without a configuration file has none to read. */
  | "NO_FILE"
  /** The host stops, lost a worker while the change was under way, or cannot write its state. */
  | "HOST_UNAVAILABLE";

export interface Status {
  readonly version: string;
  readonly pid: number;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly generation: number;
  /** Actual addresses, `host:port`. */
  readonly listen: readonly string[];
  readonly workers: readonly { readonly id: number; readonly state: "starting" | "serving" | "draining" }[];
  readonly filters: readonly FilterStatus[];
  readonly routes: readonly {
    readonly name: string;
    readonly filters: readonly string[];
    readonly upstream: string;
    /** As far as the host has looked: at most ten seconds ago. Null when nothing is asked of the route. */
    readonly slo: readonly SloView[] | null;
  }[];
  readonly upstreams: readonly {
    readonly name: string;
    readonly servers: readonly string[];
    /** Servers, of those, that get no new exchanges because an operator said so. */
    readonly drained: readonly string[];
  }[];
  readonly file: FileStatus;
}

/** How what runs and the configuration file stand to each other. */
export interface FileStatus {
  /** Null: the host was started without one. */
  readonly path: string | null;
  /** Whether the API has changed something that the file does not say, or the file says what does not run. */
  readonly differs: boolean;
  /** Why the file, as it is now, is not live; each with its place. Empty when it is, or nobody has looked since. */
  readonly problems: readonly Problem[];
  /** The sentence of a refusal that has no place in the file, like a filter that refused its config. */
  readonly refusal: string | null;
}

/** With what the workers alone know. */
export interface FullStatus extends Status {
  readonly upstreams: readonly (Status["upstreams"][number] & {
    readonly addresses: readonly ServerView[];
  })[];
}

export interface FilterStatus {
  readonly name: string;
  readonly component: string;
  readonly digest: string;
  /** `direct`: called through the host's own ABI code; `reference`: through jco's. */
  readonly path: "direct" | "reference";
  readonly phases: readonly string[];
  readonly onFailure: "closed" | "open";
  /** Workers that do not call it, because it has failed too often. */
  readonly quarantined: number;
  /** The version that is tried beside it. */
  readonly trial: {
    readonly kind: "shadow" | "canary";
    readonly component: string;
    readonly digest: string;
  } | null;
}

export interface GenerationView {
  readonly number: number;
  /** Unix milliseconds. */
  readonly at: number;
  readonly by: string;
  /** What is different from the one before it, a sentence each. */
  readonly changes: readonly string[];
  /** By filter: its artifact's digest. */
  readonly digests: Readonly<Record<string, string>>;
  /**
   * `live`; `draining`: exchanges or instances of it are left; `drained`: none is, its memory is free; `kept`: it was live in an
   * earlier process.
   */
  readonly state: "live" | "draining" | "drained" | "kept";
  /** Exchanges that are still on it, in all workers. */
  readonly exchanges: number;
}

export interface ConfigView {
  readonly generation: number;
  /** As in the file, but with every default; what may be a secret is `"[redacted]"`. */
  readonly config: unknown;
  readonly file: FileStatus;
}

export interface WorkerView {
  readonly id: number;
  readonly state: "starting" | "serving" | "draining";
  readonly generation: number;
  readonly connections: number;
  readonly exchanges: number;
  readonly instances: number;
}

export interface ArtifactView {
  readonly digest: string;
  readonly bytes: number;
  /** Unix milliseconds: when it was last loaded. */
  readonly usedAt: number;
  /** Of the live generation. */
  readonly filters: readonly string[];
  /** Kept generations that name it. */
  readonly generations: readonly number[];
}

/** A request that was refused at the door. It never holds a client's address, a field's value or a query. */
export interface RefusedRequest {
  /** Unix milliseconds. */
  readonly at: number;
  readonly worker: number;
  /** A code of docs/failures.md. */
  readonly code: string;
  readonly status: number;
  /** One sentence: what is wrong, and at which byte of the head where that is known. */
  readonly detail: string;
}

export interface Explanation {
  readonly generation: number;
  /** The form of the path that routes are matched with. */
  readonly canonicalPath: string;
  /** The route that it takes; null when none does. */
  readonly route: {
    readonly name: string;
    readonly match: string;
    readonly filters: readonly {
      readonly name: string;
      readonly digest: string;
      readonly phases: readonly string[];
    }[];
    readonly upstream: string;
    readonly servers: readonly string[];
  } | null;
  /** Every route, in the order in which they are tried, and why it takes the request or does not. */
  readonly considered: readonly { readonly name: string; readonly matches: boolean; readonly why: string }[];
  /** Routes that no request can reach, or that take the same requests as another: a sentence each. */
  readonly overlaps: readonly string[];
}
