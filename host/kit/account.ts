import type { FailureCode } from "../failure.ts";
import type { Level, MetadataValue } from "../filter/contract.ts";
import type { FieldList, RequestHead, ResponseHead } from "../message.ts";
import type { CustomSnapshot } from "../ops/custom-metrics.ts";
import { pairsOf, type SentRequest } from "./mock-services.ts";
import type { StagedExchange } from "./staged-exchange.ts";
import type { CallName, CallRecord } from "./watched-instance.ts";

/** A message as its receiver got it. */
export interface Received<Head> {
  readonly head: Head;
  readonly chunks: Buffer[];
  trailers: FieldList;
  /** All of it has come. */
  whole: boolean;
}

/** Names and values, in order. */
export type Pairs = readonly (readonly [name: string, value: string])[];

/** A request as the upstream got it; without what the host itself adds on this hop. */
export interface SeenRequest {
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly headers: Pairs;
  readonly body: Uint8Array;
  readonly trailers: Pairs;
  /** False: it broke off. */
  readonly whole: boolean;
}

/** A response as the client got it. */
export interface SeenResponse {
  readonly status: number;
  readonly headers: Pairs;
  readonly body: Uint8Array;
  readonly trailers: Pairs;
  /** False: it broke off. */
  readonly whole: boolean;
}

/** A whole answer in the place of the upstream's, as its maker made it. */
export interface SeenReply {
  /** The filter that made it; null for the host itself. */
  readonly by: string | null;
  readonly status: number;
  readonly headers: Pairs;
  readonly body: Uint8Array;
}

export interface SeenLine {
  readonly level: Level;
  readonly message: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** How a filter failed. */
export interface SeenFailure {
  /** As metrics count it: `trap`, `fuel`, `memory`, `contract`, … */
  readonly reason: string;
  readonly detail: string;
  /** Where its code was, innermost first; empty when it had returned. */
  readonly stack: readonly string[];
}

/** All that can be seen of an exchange. */
export interface Account {
  /** Null: the upstream never saw the request. */
  readonly upstream: SeenRequest | null;
  /** Null: the client got no head. */
  readonly response: SeenResponse | null;
  /** Null: the upstream has answered. */
  readonly reply: SeenReply | null;
  /** The failure that the exchange ended with, whoever's it was. */
  readonly code: FailureCode | null;
  /** The first failure of the filter; its policy says what became of the exchange. */
  readonly failure: SeenFailure | null;
  /** By phase: one line for each change of a head or of trailers. */
  readonly edits: { readonly [Call in CallName]?: readonly string[] };
  readonly log: readonly SeenLine[];
  /** What the filter's own metrics have come to since it was loaded: `name{label="value"}`. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string | number | boolean>>;
  /** What is in the filter's part of the store; bytes that are no text stay Latin-1. */
  readonly store: Readonly<Record<string, string>>;
  /** The filter's own requests. */
  readonly http: readonly SentRequest[];
  /** Each call, with its decision, fuel, time and memory. */
  readonly calls: readonly CallRecord[];
  /** Handles that the filter was given and has not given back. */
  readonly handlesLeaked: number;
}

export function seenRequest(received: Received<RequestHead> | undefined): SeenRequest | null {
  if (received === undefined) return null;
  const { head, chunks, trailers, whole } = received;
  return {
    method: head.method,
    authority: head.authority,
    path: head.path,
    headers: pairsOf(head.fields).filter(([name]) => name.toLowerCase() !== "host"),
    body: Buffer.concat(chunks),
    trailers: pairsOf(trailers),
    whole,
  };
}

export function seenResponse(received: Received<ResponseHead> | undefined): SeenResponse | null {
  if (received === undefined) return null;
  const { head, chunks, trailers, whole } = received;
  return {
    status: head.status,
    headers: pairsOf(head.fields),
    body: Buffer.concat(chunks),
    trailers: pairsOf(trailers),
    whole,
  };
}

export function seenReply({ reply, repliedBy, failure }: StagedExchange): SeenReply | null {
  if (reply === undefined) return null;
  const { head, body } = reply;
  const by = failure === undefined ? (repliedBy ?? null) : null;
  return { by, status: head.status, headers: pairsOf(head.fields), body: Buffer.from(body) };
}

export function editsOf(calls: readonly CallRecord[]): Account["edits"] {
  const edits: { [Call in CallName]?: string[] } = {};
  for (const { call, edits: lines } of calls) if (lines.length > 0) (edits[call] ??= []).push(...lines);
  return edits;
}

/** Counters and gauges as they are; of a histogram `_count` and `_sum`. */
export function metricsOf(snapshots: readonly CustomSnapshot[]): Record<string, number> {
  const metrics: Record<string, number> = {};
  for (const { name, kind, labels, series } of snapshots)
    for (const [values, cells] of series) {
      const pairs = labels.map((label, at) => `${label}=${JSON.stringify(values[at] ?? "")}`);
      const marks = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
      if (kind !== "histogram") metrics[`${name}${marks}`] = cells[0] ?? 0;
      else {
        metrics[`${name}_count${marks}`] = cells.subarray(0, -1).reduce((sum, count) => sum + count, 0);
        metrics[`${name}_sum${marks}`] = cells.at(-1) ?? 0;
      }
    }
  return metrics;
}

export function metadataOf(values: ReadonlyMap<string, MetadataValue> | undefined): Account["metadata"] {
  return Object.fromEntries(
    Array.from(values ?? [], ([key, { val }]) => [
      key,
      typeof val === "bigint"
        ? Number(val)
        : val instanceof Uint8Array
          ? Buffer.from(val).toString("latin1")
          : val,
    ]),
  );
}
