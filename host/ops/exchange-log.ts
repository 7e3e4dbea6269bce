import type { FailureCode } from "../failure.ts";
import { quoted } from "./json.ts";
import type { LineBatch } from "./line-batch.ts";

/** What a line says about an exchange. The exchange itself implements it, so that nothing is allocated for the log. */
export interface ExchangeEntry {
  readonly requestId: string;
  /** The matched route's name; undefined when none matched. */
  readonly routeName: string | undefined;
  readonly method: string;
  /** The request target as it came; everything from `?` on stays out of the log. */
  readonly target: string;
  /** What the client was sent; 0 when no head went out. */
  readonly status: number;
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly generation: number;
  /** Why it failed, if it did; the detail is the host's own words. */
  readonly failure: { readonly code: FailureCode; readonly detail: string } | undefined;
  /** The filter that replied in the upstream's place. */
  readonly repliedBy: string | undefined;
}

/** A longer path, or a longer detail, is cut: one line must not fill a batch. */
const TEXT_LENGTH_MAX = 2_048;

/**
 * One line per exchange, in pino's shape, built by hand: a sixth of what a logger's call costs.
 *
 * Neither the client's address nor a header's value is ever in a line, and no query: it holds what people search for, and tokens.
 */
export class ExchangeLog {
  readonly enabled: boolean;
  readonly #batch: LineBatch;
  readonly #origin: string;

  constructor(batch: LineBatch, worker: number, enabled: boolean) {
    this.enabled = enabled;
    this.#batch = batch;
    this.#origin = `,"pid":${process.pid},"worker":${worker},"msg":"exchange","requestId":`;
  }

  write(entry: ExchangeEntry): void {
    if (!this.enabled) return;
    let line = `{"level":30,"time":${Date.now()}${this.#origin}${quoted(entry.requestId)}`;
    if (entry.routeName !== undefined) line += `,"route":${quoted(entry.routeName)}`;
    line +=
      `,"method":${quoted(entry.method)},"path":${quoted(bounded(pathOf(entry.target)))}` +
      `,"status":${entry.status},"durationMs":${milliseconds(entry.durationMs)}` +
      `,"requestBytes":${entry.requestBytes},"responseBytes":${entry.responseBytes},"generation":${entry.generation}`;
    if (entry.failure !== undefined) line += `,"failure":"${entry.failure.code}","detail":${quoted(bounded(entry.failure.detail))}`;
    if (entry.repliedBy !== undefined) line += `,"repliedBy":${quoted(entry.repliedBy)}`;
    this.#batch.add(`${line}}\n`);
  }
}

/** The path of a request target. An absolute target loses its authority too: it may carry a password. */
function pathOf(target: string): string {
  let start = 0;
  if (target.charCodeAt(0) !== 0x2f) {
    const scheme = target.indexOf("://");
    if (scheme >= 0) start = target.indexOf("/", scheme + 3);
    if (start < 0) return "/";
  }
  const query = target.indexOf("?");
  return query < 0 ? target.slice(start) : target.slice(start, query);
}

function bounded(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}…`;
}

/** Whole microseconds: more digits are noise, and JSON has no NaN. */
function milliseconds(duration: number): number {
  return duration > 0 ? Math.round(duration * 1_000) / 1_000 : 0;
}
