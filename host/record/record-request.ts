/** What of a filter's exchanges is to be recorded. */
export interface RecordRequest {
  /** For so long at the most. */
  readonly forMs: number;
  readonly exchangesMax: number;
  /** The share of exchanges that are, chosen by chance. */
  readonly samplePercent: number;
  /** Names of header fields whose values are kept besides those that always are. */
  readonly headers: readonly string[];
  readonly bodies: boolean;
}

/** The admin API ends connections on which nothing is said for five minutes, and an idle filter says nothing. */
export const RECORD_MS_MAX = 240_000;
export const RECORD_EXCHANGES_MAX = 100_000;
export const RECORD_HEADERS_MAX = 64;
/** Of one recording. */
export const RECORDING_BYTES_MAX = 67_108_864;

export const RECORD_DEFAULTS: RecordRequest = {
  forMs: 30_000,
  exchangesMax: 10_000,
  samplePercent: 100,
  headers: [],
  bodies: false,
};
