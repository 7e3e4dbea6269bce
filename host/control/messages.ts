import type { Socket } from "node:net";
import type { MessagePort } from "node:worker_threads";
import type { Config, LogLevel } from "../config/config.ts";
import type { Frame } from "../filter/fault.ts";
import type { Artifact } from "../filter/artifact.ts";
import { ArtifactRefused, ConfigRefused } from "../filter/contract.ts";
import type { GenerationLoad } from "../generations.ts";
import type { MeterSnapshot } from "../ops/meter.ts";
import type { RefusedHead } from "../ops/refusals.ts";
import type { SloCounts } from "../slo/slo.ts";
import type { TrialSnapshot } from "../ops/trial-meter.ts";
import type { CapsuleMessage } from "../record/capsule-taker.ts";
import type { RecordRequest } from "../record/record-request.ts";
import type { RecordedLines } from "../record/worker-recordings.ts";
import type { ListenerMaterial, UpstreamMaterial } from "../tls/material.ts";

/** What a data worker is born with. */
export interface WorkerData {
  readonly id: number;
  /** From 1 to the number of workers; one that takes a lost worker's place has its number. 0 for the thread of shadows. */
  readonly place: number;
  /** What the main thread may see at any time, by the places PULSE, OPEN, TAKEN and INSTANCES. */
  readonly vitals: Int32Array<SharedArrayBuffer>;
  /** The memory of the store that all workers share. */
  readonly store: SharedArrayBuffer;
  /** How this process names itself in Via. */
  readonly viaName: string;
  /** The memory that the key of clients' addresses is in. */
  readonly addressKey: SharedArrayBuffer;
  readonly config: Config;
  /** How many instances all workers have, in its only cell. */
  readonly instances: Int32Array<SharedArrayBuffer>;
  /** The URL of a module whose observer looks on, where somebody writes a filter. */
  readonly observer?: string | undefined;
}

/** Grows while the worker's event loop turns. */
export const PULSE = 0;
/** Connections that the worker has open. */
export const OPEN = 1;
/** Connections that the worker has taken over since it began. */
export const TAKEN = 2;
/** Instances of filters that the worker has. */
export const INSTANCES = 3;
/** In the thread of shadows: which of the generation's shadows is called just now, from 1; 0 for none. */
export const AT_WORK = 4;
export const VITALS_BYTES = 20;

/** A connection for one of the worker's listeners. Nothing is answered. */
export interface HandedConnection {
  readonly listener: number;
  readonly socket: Socket;
}

/** Where a worker posts copies of exchanges to, for candidates in the shadow. Nothing is answered. */
export interface HandedShadows {
  readonly shadows: MessagePort;
}

/** What the main thread asks of a worker. Each is answered once, in the order in which the worker is done with it. */
export type Order =
  /** Build a generation: load and configure all its filters. It takes no exchange yet. */
  | {
      readonly kind: "prepare";
      readonly generation: number;
      readonly config: Config;
      readonly artifacts: Readonly<Record<string, Artifact>>;
      /** By upstream, for those with options of TLS. */
      readonly materials: Readonly<Record<string, UpstreamMaterial>>;
      readonly secrets: FilterSecrets;
      /** What debug headers are signed with; null: none counts. */
      readonly debugKey: Uint8Array | null;
    }
  /** Begin every exchange from now on with the prepared generation. */
  | { readonly kind: "commit"; readonly generation: number }
  /** Forget the prepared generation. */
  | { readonly kind: "abandon"; readonly generation: number }
  /** Be ready for connections of one more listener; `tls` is null in the clear. */
  | {
      readonly kind: "open";
      readonly listener: number;
      readonly tls: ListenerMaterial | null;
      readonly proxyProtocol: boolean;
    }
  /** No connection of this listener comes any more; those that are there end when they are done. */
  | { readonly kind: "close"; readonly listener: number }
  /** Answer with these certificates from now on. */
  | { readonly kind: "renew"; readonly listener: number; readonly tls: ListenerMaterial }
  | { readonly kind: "snapshot" }
  | { readonly kind: "generations" }
  | { readonly kind: "refusals" }
  /** The exchanges that are kept, or the one of this id. */
  | { readonly kind: "timelines"; readonly requestId: string | null }
  /** Keep lines of this importance, whatever the configuration says. */
  | { readonly kind: "level"; readonly level: LogLevel }
  /** Record exchanges of a filter of the live generation, and post them. */
  | {
      readonly kind: "record";
      readonly recording: number;
      readonly filter: string;
      readonly request: RecordRequest;
    }
  /** Record no more; answered, with how many could not be recorded, when all has been posted. */
  | { readonly kind: "record-end"; readonly recording: number }
  /** What has been counted of trials, without all the rest. */
  | { readonly kind: "trials" }
  /** What has been counted for SLOs, without all the rest. */
  | { readonly kind: "slos" }
  /** Take no new connection; answered when the last one has ended. */
  | { readonly kind: "drain" }
  /** Break what is left. */
  | { readonly kind: "stop" };

/** What each filter may read, by filter and name. It is posted to workers, and is in no configuration. */
export type FilterSecrets = Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>;

/** What a filter turned out to be when a worker prepared it. */
export interface PreparedFilter {
  readonly name: string;
  readonly path: "direct" | "reference";
  readonly phases: readonly string[];
}

export interface Answers {
  readonly prepare: readonly PreparedFilter[];
  readonly commit: undefined;
  readonly abandon: undefined;
  readonly open: undefined;
  readonly close: undefined;
  readonly renew: undefined;
  readonly generations: readonly GenerationLoad[];
  readonly refusals: readonly RefusedHead[];
  /** Each a `TimelineView` in JSON: whoever asked reads it, and not a thread that carries traffic. */
  readonly timelines: readonly string[];
  readonly level: undefined;
  readonly snapshot: MeterSnapshot;
  readonly trials: readonly TrialSnapshot[];
  readonly slos: readonly SloCounts[];
  readonly record: undefined;
  readonly "record-end": number;
  readonly drain: undefined;
  readonly stop: undefined;
}

export interface OrderMessage {
  readonly id: number;
  readonly order: Order;
}

/** Why an order failed: whose fault it was, as the classes of `filter/contract.ts` tell. */
export type Fault = "artifact" | "grant" | "configure" | "host";

export function faultOf(error: unknown): Fault {
  if (error instanceof ArtifactRefused) return error.code === "grant" ? "grant" : "artifact";
  return error instanceof ConfigRefused ? "configure" : "host";
}

export type WorkerMessage =
  | { readonly kind: "done"; readonly id: number; readonly value: Answers[keyof Answers] }
  | { readonly kind: "failed"; readonly id: number; readonly fault: Fault; readonly sentence: string }
  /** The filters of the live generation that are quarantined now; sent when that changes. */
  | { readonly kind: "quarantined"; readonly filters: readonly string[] }
  /** A log line about a filter's failure, to which its stack is to be added: the main thread finds out where the frames are. */
  | {
      readonly kind: "fault";
      readonly line: string;
      readonly digest: string;
      readonly frames: readonly Frame[];
    }
  | RecordedLines
  | CapsuleMessage
  /** Nothing is left of a generation that was live: no exchange and no instance. */
  | { readonly kind: "drained"; readonly generation: number }
  /** Whole log lines. */
  | { readonly kind: "lines"; readonly lines: string };
