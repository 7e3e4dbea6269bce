import type { ServerView } from "../ops/server-meter.ts";

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
  /**
   * Puts another artifact (and config, when given) in the place of a filter's present one.
   * Resolves when every worker serves the new generation, rejects with `Refusal` when nothing changed.
   */
  swap(filter: string, change: SwapRequest): Promise<SwapResult>;
  /** The Prometheus exposition of all workers and the main thread, with its content type. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
}

export interface SwapRequest {
  /** Absolute path of the component on the host's machine. */
  readonly component: string;
  /** Lower-case hex; the file's digest must equal it when it is given. */
  readonly sha256?: string | undefined;
  /** Replaces the filter's config when it is given; `null` is a config like any other. */
  readonly config?: unknown;
}

export interface SwapResult {
  readonly generation: number;
  readonly filter: string;
  /** Digests, lower-case hex. Equal when only the config changed. */
  readonly from: string;
  readonly to: string;
  readonly configChanged: boolean;
  /** From the request to the last worker's commit, in milliseconds. */
  readonly durationMs: number;
}

/** A change that was refused, with one sentence for the operator. What ran before still runs. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type RefusalCode =
  /** No filter of that name in the running generation. */
  | "FILTER_UNKNOWN"
  /** The file cannot be read, is no component of this world, has another digest, or imports what is not granted. */
  | "ARTIFACT_REFUSED"
  /** `configure` refused the config, trapped, or asked for what the host does not offer. */
  | "CONFIGURE_REFUSED"
  /** The host stops, or a worker was lost while the change was under way. */
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
  }[];
  readonly upstreams: readonly { readonly name: string; readonly servers: readonly string[] }[];
}

/** With what the workers alone know. */
export interface FullStatus extends Status {
  readonly upstreams: readonly {
    readonly name: string;
    readonly servers: readonly string[];
    readonly addresses: readonly ServerView[];
  }[];
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
}
