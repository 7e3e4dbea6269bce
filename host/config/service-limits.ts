import type { Bound } from "./limits.ts";

export type ServiceLimit =
  | "metricsMax"
  | "metricLabelsMax"
  | "metricSeriesMax"
  | "storeKeyBytesMax"
  | "storeValueBytesMax"
  | "httpInFlightMax"
  | "httpRequestBytesMax"
  | "httpResponseBytesMax";

const KIB = 1_024;
const MIB = 1_024 * KIB;
const GIB = 1_024 * MIB;

/** Limits on what filters count and keep beyond an exchange, and on what they ask others. Their names are those that the contract in wit/ speaks of. */
export const SERVICE_LIMITS: Readonly<Record<ServiceLimit, Bound>> = {
  metricsMax: {
    option: "metrics",
    unit: "count",
    min: 0,
    max: 1_000,
    default: 32,
    meaning: "The number of metrics that one filter may declare.",
    reason: "What a filter does has a handful of numbers.",
  },
  metricLabelsMax: {
    option: "metric-labels",
    unit: "count",
    min: 0,
    max: 16,
    default: 6,
    meaning: "The number of labels of one metric of a filter.",
    reason: "Each one multiplies the series.",
  },
  metricSeriesMax: {
    option: "metric-series",
    unit: "count",
    min: 1,
    max: 10_000,
    default: 200,
    meaning:
      "The number of series of one metric of a filter in one worker; further ones are counted together, labelled `other`.",
    reason: "A label whose values clients choose must fill neither this host's memory nor the monitoring's.",
  },
  storeKeyBytesMax: {
    option: "store-key-bytes",
    unit: "bytes",
    min: 16,
    max: 4 * KIB,
    default: 1 * KIB,
    meaning: "The size of a key that a filter gives to the store or the rate limit.",
    reason: "Keys are names and digests; a longer one is better hashed.",
  },
  storeValueBytesMax: {
    option: "store-value-bytes",
    unit: "bytes",
    min: 16,
    max: 1 * MIB,
    default: 64 * KIB,
    meaning: "The size of a value that a filter puts into the store.",
    reason: "A session or a cached answer fits; the store is memory, and no place for files.",
  },
  httpInFlightMax: {
    option: "http-in-flight",
    unit: "count",
    min: 1,
    max: 4_096,
    default: 64,
    meaning: "The number of requests of its own that a filter may have under way in one worker.",
    reason: "At 10 ms each that is 6 400 a second; more waiting only shows that the service is down.",
  },
  httpRequestBytesMax: {
    option: "http-request-bytes",
    unit: "bytes",
    min: 1 * KIB,
    max: 64 * MIB,
    default: 1 * MIB,
    meaning: "The size of a request of a filter's own: path, headers and body together.",
    reason: "As much as a filter's reply.",
  },
  httpResponseBytesMax: {
    option: "http-response-bytes",
    unit: "bytes",
    min: 1 * KIB,
    max: 64 * MIB,
    default: 1 * MIB,
    meaning: "The size of the body of an answer to a filter's own request.",
    reason: "Key sets and verdicts are a few KiB; the whole of it is held in memory.",
  },
};

/** The store that comes with the host. */
export const STORE_SIZE: Bound = {
  option: "size",
  unit: "bytes",
  min: 4 * MIB,
  max: 1 * GIB,
  default: 64 * MIB,
  meaning: "The size of the memory that filters' keys, values, counters and allowances are kept in.",
  reason: "Half a million counters; the system gives the memory when it is used.",
};

/** The size of a secret: what a filter reads of it is copied into its memory. */
export const SECRET_BYTES_MAX: number = 64 * KIB;
