import { LEVELS, type Level } from "../filter/contract.ts";
import { quoted } from "./json.ts";
import type { LineBatch } from "./line-batch.ts";

/** The level that a configuration sets: lines below it are not kept. */
export type LogThreshold = Level | "fatal" | "silent";

/** A worker's lines that are about a filter: what it logs, what it writes to standard error, how it fails. */
export class FilterLog {
  readonly #batch: LineBatch;
  readonly #origin: string;
  readonly #least: number;

  constructor(batch: LineBatch, worker: number, least: LogThreshold) {
    this.#batch = batch;
    this.#origin = `,"pid":${process.pid},"worker":${worker},"filter":`;
    this.#least = least === "fatal" || least === "silent" ? Number.POSITIVE_INFINITY : severity(least);
  }

  enabled(level: Level): boolean {
    return severity(level) >= this.#least;
  }

  /** `requestId` is undefined outside of an exchange. Lengths and counts are the caller's to bound. */
  line(
    level: Level,
    filter: string,
    requestId: string | undefined,
    message: string,
    attributes: readonly (readonly [name: string, value: string])[],
  ): void {
    if (!this.enabled(level)) return;
    let line = `{"level":${severity(level)},"time":${Date.now()}${this.#origin}${quoted(filter)}`;
    if (requestId !== undefined) line += `,"request_id":${quoted(requestId)}`;
    if (attributes.length > 0) line += `,"attributes":${object(attributes)}`;
    this.#batch.add(`${line},"msg":${quoted(message)}}\n`);
  }
}

/** pino's number for a level. */
function severity(level: Level): number {
  return (LEVELS.indexOf(level) + 1) * 10;
}

/** Attributes stay in an object of their own, so that none can pose as the host's `request_id` or `level`. The last of equal names wins. */
function object(attributes: readonly (readonly [name: string, value: string])[]): string {
  const members = Array.from(new Map(attributes), ([name, value]) => `${quoted(name)}:${quoted(value)}`);
  return `{${members.join(",")}}`;
}
