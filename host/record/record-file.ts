import type { Json } from "../config/config.ts";
import type { GrantName } from "../filter/grants.ts";
import type { ExchangeRecord } from "../trial/record.ts";

/** What is known of a filter whose exchanges are written down: the first line of a recording, and a part of a capsule. */
export interface RecordHeader {
  readonly form: typeof RECORD_FILE_FORM;
  /** The host's version. */
  readonly version: string;
  readonly filter: string;
  readonly digest: string;
  /** Redacted as the admin API shows it. */
  readonly config: Json;
  readonly generation: number;
  /** Unix milliseconds. */
  readonly at: number;
  readonly onFailure: "closed" | "open";
  readonly limits: { readonly fuel: number; readonly memoryBytesMax: number };
  readonly grant: RecordedGrant;
  /** Names of header fields whose values were kept besides those that always are. */
  readonly headers: readonly string[];
  /** Whether bodies were kept; otherwise what stands for them says how long they were. */
  readonly bodies: boolean;
}

/** What the filter was granted, without anything that it gives. */
export interface RecordedGrant {
  readonly names: readonly GrantName[];
  readonly clientAddress: boolean;
  /** Names alone: what they are is in no file. */
  readonly secrets: readonly string[];
  readonly http: readonly string[];
}

/** The last line of a recording. */
export interface RecordingEnd {
  readonly recorded: number;
  /** Exchanges that were to be recorded, and could not be: there were too many at once, or one was too long. */
  readonly dropped: number;
  readonly reason: RecordingReason;
}

/** Why a recording has ended: there were enough, its time was over, too much was written, or another generation is live. */
export type RecordingReason = "exchanges" | "time" | "bytes" | "generation" | "stopped";

/** All that a filter was given in the exchange in which it has failed. */
export interface Capsule {
  readonly header: RecordHeader;
  readonly failure: {
    readonly reason: string;
    /** Innermost first; empty when its code had returned. */
    readonly stack: readonly string[];
  };
  readonly exchange: ExchangeRecord;
}

export const RECORD_FILE_FORM = 1;

/** A record as one line of JSON, without the break. */
export function encodeRecord(record: ExchangeRecord, bodies: boolean): string {
  const { inputs } = record;
  const noted = inputs && { ...inputs, bytes: inputs.bytes.map((bytes) => base64(bytes)) };
  return JSON.stringify({ ...record, inputs: noted }, (_, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    if (!(value instanceof Uint8Array)) return value;
    return bodies ? base64(value) : value.length;
  });
}

export function encodeHeader(header: RecordHeader): string {
  return JSON.stringify({ sluice: "recording", ...header });
}

export function encodeEnd(end: RecordingEnd): string {
  return JSON.stringify({ end });
}

/** `exchange`: as `encodeRecord` has made it. */
export function encodeCapsule(header: RecordHeader, failure: Capsule["failure"], exchange: string): string {
  const head = JSON.stringify({ sluice: "capsule", ...header, failure });
  return `${head.slice(0, -1)},"exchange":${exchange}}\n`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
