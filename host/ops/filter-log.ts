import { LEVELS, type Level } from "../filter/contract.ts";
import { Flood } from "./flood.ts";
import { quoted } from "./json.ts";
import type { LineBatch } from "./line-batch.ts";

/** The level that a configuration sets: lines below it are not kept. */
export type LogThreshold = Level | "fatal" | "silent";

/** How much is logged of one filter in a second; the rest is counted. */
export interface FilterLogBounds {
  /** Lines of its own. */
  readonly linesMax: number;
  /** Failures for one reason. */
  readonly failuresMax: number;
  /** A line of its own was dropped. */
  readonly dropped: () => void;
}

/** A worker's lines that are about a filter: what it logs, what it writes to standard error, how it fails. */
export class FilterLog {
  readonly #batch: LineBatch;
  readonly #bounds: FilterLogBounds;
  /** By filter. */
  readonly #lines: Flood;
  /** By filter and reason, of which neither has a space. */
  readonly #failures: Flood;
  readonly #origin: string;
  /** The least important lines that are kept. */
  least: LogThreshold;

  constructor(batch: LineBatch, worker: number, least: LogThreshold, bounds: FilterLogBounds) {
    this.#batch = batch;
    this.#bounds = bounds;
    this.#lines = new Flood(bounds.linesMax, (filter, count) =>
      this.line("warn", filter, undefined, "lines of the filter not logged", [["count", String(count)]]),
    );
    this.#failures = new Flood(bounds.failuresMax, (kind, count) => {
      const [filter = "", reason = ""] = kind.split(" ");
      this.line("error", filter, undefined, "failures of the filter not logged", [
        ["reason", reason],
        ["count", String(count)],
      ]);
    });
    this.#origin = `,"pid":${process.pid},"worker":${worker},"filter":`;
    this.least = least;
  }

  enabled(level: Level): boolean {
    return isKept(level, this.least);
  }

  /** A line that the filter itself has written. */
  said(
    level: Level,
    filter: string,
    requestId: string | undefined,
    message: string,
    attributes: readonly (readonly [name: string, value: string])[],
  ): void {
    if (!this.enabled(level)) return;
    if (this.#lines.admits(filter)) this.line(level, filter, requestId, message, attributes);
    else this.#bounds.dropped();
  }

  /** The line of a failure; none when there have been too many of the same kind. Whoever asks writes it. */
  failure(filter: string, requestId: string, reason: string, detail: string): string | undefined {
    if (!this.enabled("error") || !this.#failures.admits(`${filter} ${reason}`)) return undefined;
    return this.#text("error", filter, requestId, "filter failed", [
      ["reason", reason],
      ["detail", detail],
    ]);
  }

  /** A line that was made before. */
  write(line: string): void {
    this.#batch.add(line);
  }

  sweep(nowMs: number): void {
    this.#lines.sweep(nowMs);
    this.#failures.sweep(nowMs);
  }

  /** Tells what has not been logged so far. */
  flush(): void {
    this.#lines.flush();
    this.#failures.flush();
  }

  /** `requestId` is undefined outside of an exchange. Lengths and counts are the caller's to bound. */
  line(
    level: Level,
    filter: string,
    requestId: string | undefined,
    message: string,
    attributes: readonly (readonly [name: string, value: string])[],
  ): void {
    if (this.enabled(level)) this.#batch.add(this.#text(level, filter, requestId, message, attributes));
  }

  #text(
    level: Level,
    filter: string,
    requestId: string | undefined,
    message: string,
    attributes: readonly (readonly [name: string, value: string])[],
  ): string {
    let line = `{"level":${severity(level)},"time":${Date.now()}${this.#origin}${quoted(filter)}`;
    if (requestId !== undefined) line += `,"request_id":${quoted(requestId)}`;
    if (attributes.length > 0) line += `,"attributes":${object(attributes)}`;
    return `${line},"msg":${quoted(message)}}\n`;
  }
}

export function isKept(level: Level, least: LogThreshold): boolean {
  return least !== "fatal" && least !== "silent" && LEVELS.indexOf(level) >= LEVELS.indexOf(least);
}

/** pino's number for a level. */
export function severity(level: Level): number {
  return (LEVELS.indexOf(level) + 1) * 10;
}

/** Attributes stay in an object of their own, so that none can pose as the host's `request_id` or `level`. The last of equal names wins. */
function object(attributes: readonly (readonly [name: string, value: string])[]): string {
  const members = Array.from(new Map(attributes), ([name, value]) => `${quoted(name)}:${quoted(value)}`);
  return `{${members.join(",")}}`;
}
