import type { Level } from "../filter/contract.ts";
import type { LogThreshold } from "./filter-log.ts";
import { isKept, severity } from "./filter-log.ts";
import { quoted } from "./json.ts";
import type { LineBatch } from "./line-batch.ts";

/** A worker's lines about servers: what has become of them, told when it changes. */
export class UpstreamLog {
  readonly #batch: LineBatch;
  readonly #origin: string;
  /** The least important lines that are kept. */
  least: LogThreshold;

  constructor(batch: LineBatch, worker: number, least: LogThreshold) {
    this.#batch = batch;
    this.#origin = `,"pid":${process.pid},"worker":${worker},"upstream":`;
    this.least = least;
  }

  /** `server` and `address` are left out where they are empty. */
  line(level: Level, upstream: string, server: string, address: string, message: string, detail = ""): void {
    if (!isKept(level, this.least)) return;
    let line = `{"level":${severity(level)},"time":${Date.now()}${this.#origin}${quoted(upstream)}`;
    if (server !== "") line += `,"server":${quoted(server)}`;
    if (address !== "") line += `,"address":${quoted(address)}`;
    if (detail !== "") line += `,"detail":${quoted(detail)}`;
    this.#batch.add(`${line},"msg":${quoted(message)}}\n`);
  }
}
