import type { QuarantineConfig } from "./config.ts";

/**
 * Every limit of the host (its timeouts are in `timeouts.ts`, those of upstreams in `upstream-limits.ts`): the option that sets it, its unit, its bounds, its default and the
 * reason for that number. The strict value is the default; looseness has to be spelled out.
 */

export interface Bound {
  /** The option's name below `limits:` or `timeouts:`. */
  readonly option: string;
  /** The schema reads sizes for `bytes`, durations for `ms` and whole numbers for `count`. */
  readonly unit: "bytes" | "ms" | "count";
  readonly min: number;
  readonly max: number;
  readonly default: number;
  /** What is bounded: the option's meaning in the documentation and in editors. */
  readonly meaning: string;
  /** Why the default is what it is. */
  readonly reason: string;
}

export type HostLimit =
  | "clientHeadBytesMax"
  | "clientTargetBytesMax"
  | "clientBodyBytesMax"
  | "clientHeadersMax"
  | "connectionsMax"
  | "exchangesMax"
  | "instancesTotalMax"
  | "componentBytesMax";

export type FilterLimit =
  | "replyBytesMax"
  | "bodyHeldBytesMax"
  | "bodyBufferedBytesMax"
  | "editsMax"
  | "editBytesMax"
  | "logLinesMax"
  | "logRateMax"
  | "logLineBytesMax"
  | "metadataBytesMax"
  | "stateBytesMax"
  | "instancesMax"
  | "instanceExchangesMax"
  | "instanceBytesMax"
  | "failureLinesMax";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const KIB = 1_024;
const MIB = 1_024 * KIB;
const GIB = 1_024 * MIB;

/** Limits on clients and on the whole. */
export const HOST_LIMITS: Readonly<Record<HostLimit, Bound>> = {
  clientHeadBytesMax: {
    option: "client-head-bytes",
    unit: "bytes",
    min: 1 * KIB,
    max: 1 * MIB,
    default: 16 * KIB,
    meaning: "The size of a request's head.",
    reason: "Node's own default; larger heads are a memory attack, not a use case.",
  },
  clientTargetBytesMax: {
    option: "client-target-bytes",
    unit: "bytes",
    min: 64,
    max: 64 * KIB,
    default: 8 * KIB,
    meaning: "The size of a request's target: its path and query.",
    reason: "RFC 9112 §3 asks for 8000 octets at least.",
  },
  clientBodyBytesMax: {
    option: "client-body-bytes",
    unit: "bytes",
    min: 0,
    max: 1_024 * 1_024 * GIB,
    default: 16 * GIB,
    meaning: "The size of a request's body.",
    reason: "Bodies stream in constant memory, so that the bound only ends what never ends.",
  },
  clientHeadersMax: {
    option: "client-headers",
    unit: "count",
    min: 8,
    max: 2_000,
    default: 100,
    meaning: "The number of header fields in a request.",
    reason: "Browsers send about 20; each one costs every filter that reads them all.",
  },
  connectionsMax: {
    option: "connections",
    unit: "count",
    min: 1,
    max: 1_048_576,
    default: 16_384,
    meaning: "The number of clients' connections to one worker. Further ones are reset.",
    reason:
      "An idle connection costs about 10 KB; the system's own limit on open files has to allow for them.",
  },
  exchangesMax: {
    option: "exchanges",
    unit: "count",
    min: 1,
    max: 1_048_576,
    default: 4_096,
    meaning:
      "The number of exchanges in flight in one worker, upgraded ones included. Further requests are answered with 503.",
    reason: "Eight times as many as one server gets or has waiting; more only wait longer.",
  },
  instancesTotalMax: {
    option: "instances-total",
    unit: "count",
    min: 16,
    max: 15_000,
    default: 12_000,
    meaning:
      "The number of instances of all filters in all workers. Beyond it exchanges wait, but each filter has one in each worker.",
    reason:
      "A process holds about 16 000 memories; those of instances that have ended count until they are collected.",
  },
  componentBytesMax: {
    option: "component-bytes",
    unit: "bytes",
    min: 64 * KIB,
    max: 1 * GIB,
    default: 64 * MIB,
    meaning: "The size of a component, in a file or in a registry.",
    reason: "Filters have a few hundred KiB, a whole language's runtime some ten MiB; it is held in memory.",
  },
};

/** When a filter that keeps failing is left alone, and for how long. Each filter may set its own. */
export const QUARANTINE: Readonly<Record<keyof QuarantineConfig, Bound>> = {
  failures: {
    option: "failures",
    unit: "count",
    min: 0,
    max: 10_000,
    default: 90,
    meaning: "One failure more than this, within the last `of` exchanges, and the filter is quarantined.",
    reason:
      "A filter that hardly ever works is broken; one that clients can make fail is not to be shut by them.",
  },
  of: {
    option: "of",
    unit: "count",
    min: 1,
    max: 10_000,
    default: 100,
    meaning: "How many exchanges are looked back upon. As many as `failures`: no quarantine.",
    reason:
      "Enough that a handful of failures is no share, few enough that a broken filter is found in a second.",
  },
  baseMs: {
    option: "base",
    unit: "ms",
    min: 1,
    max: 1 * HOUR,
    default: 1 * SECOND,
    meaning:
      "How long a quarantine lasts until one exchange tries the filter; twice as long after each that failed.",
    reason: "A failure that passes by itself costs no more than a second.",
  },
  maxMs: {
    option: "max",
    unit: "ms",
    min: 1,
    max: 24 * HOUR,
    default: 1 * MINUTE,
    meaning: "The longest time until one exchange tries the filter.",
    reason: "One failed exchange a minute is borne; a filter that works again serves again within a minute.",
  },
};

/** Limits on filters. Their names are those that the contract in wit/ speaks of. */
export const FILTER_LIMITS: Readonly<Record<FilterLimit, Bound>> = {
  replyBytesMax: {
    option: "reply-bytes",
    unit: "bytes",
    min: 1 * KIB,
    max: 64 * MIB,
    default: 1 * MIB,
    meaning: "The size of a filter's reply, head and body together.",
    reason: "Error pages and redirects are far smaller; a reply is held in memory as a whole.",
  },
  bodyHeldBytesMax: {
    option: "body-held-bytes",
    unit: "bytes",
    min: 1 * KIB,
    max: 64 * MIB,
    default: 1 * MIB,
    meaning: "What a filter may hold back of a streamed body.",
    reason: "Room for a token or a record that lies across chunks, not for the body as a whole.",
  },
  bodyBufferedBytesMax: {
    option: "body-buffered-bytes",
    unit: "bytes",
    min: 1 * KIB,
    max: 1 * GIB,
    default: 16 * MIB,
    meaning:
      "The longest body that a filter may ask for as a whole. A filter whose plan says more is refused when it is loaded.",
    reason: "What common frameworks take as a JSON body at the most; each exchange may hold as much.",
  },
  editsMax: {
    option: "edits",
    unit: "count",
    min: 1,
    max: 10_000,
    default: 200,
    meaning: "The number of edits in one call of a filter.",
    reason: "Twice the header fields that a request may have.",
  },
  editBytesMax: {
    option: "edit-bytes",
    unit: "bytes",
    min: 1 * KIB,
    max: 1 * MIB,
    default: 64 * KIB,
    meaning: "The size of all edits in one call of a filter, names and values together.",
    reason: "Four times the head that a client may send.",
  },
  logLinesMax: {
    option: "log-lines",
    unit: "count",
    min: 0,
    max: 10_000,
    default: 100,
    meaning: "The number of lines that a filter may log in one exchange.",
    reason: "Room for a filter under trace, none for a loop that logs.",
  },
  logRateMax: {
    option: "log-rate",
    unit: "count",
    min: 0,
    max: 1_000_000,
    default: 1_000,
    meaning:
      "The number of lines that one filter may log in a second, in one worker; the others are dropped and counted.",
    reason:
      "A line for each exchange of a busy worker drowns all other lines, and says what a metric says better.",
  },
  logLineBytesMax: {
    option: "log-line-bytes",
    unit: "bytes",
    min: 64,
    max: 64 * KIB,
    default: 8 * KIB,
    meaning: "The size of one line that a filter logs, attributes included.",
    reason: "Log collectors commonly cut or refuse lines beyond 16 KiB.",
  },
  metadataBytesMax: {
    option: "metadata-bytes",
    unit: "bytes",
    min: 0,
    max: 1 * MIB,
    default: 16 * KIB,
    meaning: "The size of the metadata that all filters set in one exchange, keys and values together.",
    reason: "As much as a head: metadata are facts for the next filter, not a body.",
  },
  stateBytesMax: {
    option: "state-bytes",
    unit: "bytes",
    min: 1 * KIB,
    max: 64 * MIB,
    default: 1 * MIB,
    meaning: "The size of the state that a version of a filter hands to the next one.",
    reason:
      "A table of keys or counters, not a cache of bodies; each worker keeps it as long as the new version lives.",
  },
  instancesMax: {
    option: "instances",
    unit: "count",
    min: 1,
    max: 4_096,
    default: 256,
    meaning: "The number of instances of one filter in one worker.",
    reason: "An instance serves one exchange at a time: as many as there are connections to one server.",
  },
  instanceExchangesMax: {
    option: "instance-exchanges",
    unit: "count",
    min: 1,
    max: 1_000_000_000,
    default: 1_000_000,
    meaning: "The number of exchanges that an instance serves before it is replaced.",
    reason: "Bounds what a slow leak can come to; what an instance has cached is lost too seldom to matter.",
  },
  instanceBytesMax: {
    option: "instance-bytes",
    unit: "bytes",
    min: 64 * KIB,
    max: 4 * GIB,
    default: 8 * MIB,
    meaning:
      "The size to which an instance's memory may have grown when its exchange ends; a larger one is replaced, unless it began with half as much.",
    reason: "Memory that an instance has taken it never gives back: one large body would cost it for good.",
  },
  failureLinesMax: {
    option: "failure-lines",
    unit: "count",
    min: 1,
    max: 10_000,
    default: 10,
    meaning:
      "The number of failures of one filter, for one reason, that one worker logs in a second; the others are counted.",
    reason: "The tenth of the same kind says no more than the first; each has a stack.",
  },
};

/**
 * How many instances a generation may come to in the whole process. V8 holds about 16 000 memories, and
 * during a swap two generations are alive at once.
 */
export const INSTANCES_PER_GENERATION_MAX: number = 7_500;

/** Bounds on the configuration's own text, so that no file can occupy the host before it is refused. */
export const TEXT_BYTES_MAX: number = 1 * MIB;
export const TEXT_NODES_MAX = 100_000;
export const TEXT_DEPTH_MAX = 64;
