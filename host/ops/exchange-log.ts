import type { FailureCode } from "../failure.ts";
import type { MetadataValue } from "../filter/contract.ts";
import { quoted } from "./json.ts";
import type { LineBatch } from "./line-batch.ts";

/** What a line says about an exchange. The exchange itself implements it, so that nothing is allocated for the log. */
export interface ExchangeEntry {
  readonly requestId: string;
  /** The matched route's name; undefined when none matched. */
  readonly routeName: string | undefined;
  readonly method: string;
  /** The request target as it came; only its path is logged. */
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
  /** Where versions of filters are tried: which one served. */
  readonly versions: Readonly<Record<string, string>> | undefined;
  /** What filters have set, for those after them and for this line. */
  readonly metadata: ReadonlyMap<string, MetadataValue> | undefined;
}

/** A longer path, or a longer detail, is cut: one line must not fill a batch. */
const TEXT_LENGTH_MAX = 2_048;

/** Of all metadata in one line. */
const METADATA_LENGTH_MAX = 4_096;

const SLASH = 0x2f;
const QUERY = /[?#]/;

/**
 * One line per exchange, in pino's shape, built by hand: a sixth of what a logger's call costs.
 *
 * Neither the client's address nor a header's value is ever in a line, and no query: it holds what people search for, and tokens.
 */
export class ExchangeLog {
  enabled: boolean;
  readonly #batch: LineBatch;
  readonly #origin: string;

  constructor(batch: LineBatch, worker: number, enabled: boolean) {
    this.enabled = enabled;
    this.#batch = batch;
    this.#origin = `,"pid":${process.pid},"worker":${worker},"msg":"exchange","request_id":`;
  }

  write(entry: ExchangeEntry): void {
    if (!this.enabled) return;
    let line = `{"level":30,"time":${Date.now()}${this.#origin}${quoted(entry.requestId)}`;
    if (entry.routeName !== undefined) line += `,"route":${quoted(entry.routeName)}`;
    line +=
      `,"method":${quoted(entry.method)},"path":${quoted(bounded(pathOf(entry.target)))}` +
      `,"status":${entry.status},"duration_ms":${milliseconds(entry.durationMs)}` +
      `,"request_bytes":${entry.requestBytes},"response_bytes":${entry.responseBytes},"generation":${entry.generation}`;
    if (entry.failure !== undefined)
      line += `,"failure":"${entry.failure.code}","detail":${quoted(bounded(entry.failure.detail))}`;
    if (entry.repliedBy !== undefined) line += `,"replied_by":${quoted(entry.repliedBy)}`;
    if (entry.versions !== undefined) line += `,"versions":${JSON.stringify(entry.versions)}`;
    if (entry.metadata !== undefined) line += logged(entry.metadata);
    this.#batch.add(`${line}}\n`);
  }
}

/** The path of a request target, and nothing else of it: queries hold tokens, and the authority of an absolute target may hold a password. */
export function pathOf(target: string): string {
  const end = target.search(QUERY);
  const kept = end < 0 ? target : target.slice(0, end);
  if (kept.charCodeAt(0) === SLASH || kept === "*") return kept;
  const scheme = kept.indexOf("://");
  if (scheme < 0) return "";
  const start = kept.indexOf("/", scheme + 3);
  return start < 0 ? "/" : kept.slice(start);
}

/** In an object of its own, so that no key can pose as the host's. Bytes are for filters alone; what does not fit is left out. */
function logged(metadata: ReadonlyMap<string, MetadataValue>): string {
  let members = "";
  for (const [key, { tag, val }] of metadata) {
    if (tag === "bytes") continue;
    const member = `${quoted(key)}:${tag === "text" ? quoted(val) : String(val)}`;
    if (members.length + member.length > METADATA_LENGTH_MAX) continue;
    members += members === "" ? member : `,${member}`;
  }
  return members === "" ? "" : `,"metadata":{${members}}`;
}

export function bounded(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}…`;
}

/** Whole microseconds: more digits are noise, and JSON has no NaN. */
function milliseconds(duration: number): number {
  return duration > 0 ? Math.round(duration * 1_000) / 1_000 : 0;
}
