import type { AddressHasher, ClientAddress } from "../client-address.ts";
import type { ClientAddressConfig, LogConfig } from "../config/config.ts";
import type { FailureCode } from "../failure.ts";
import { isName } from "../fields.ts";
import type { MetadataValue } from "../filter/contract.ts";
import type { FieldList } from "../message.ts";
import type { Timeline } from "../timeline.ts";
import { ExchangeChoice } from "./exchange-choice.ts";
import { quoted } from "./json.ts";
import type { LineBatch } from "./line-batch.ts";
import { receiptsOf } from "./receipts.ts";
import { bounded, pathOf, queryNames } from "./target.ts";

/** What a line says about an exchange. The exchange itself implements it, so that nothing is allocated for the log. */
export interface ExchangeEntry {
  readonly requestId: string;
  /** The matched route's name; undefined when none matched. */
  readonly routeName: string | undefined;
  readonly method: string;
  /** The request target as it came; of its query no value is logged. */
  readonly target: string;
  readonly protocol: string;
  readonly clientAddress: ClientAddress;
  /** As the client sent them. */
  readonly requestFields: FieldList;
  /** As the client got them; undefined when no head went out. */
  readonly responseFields: FieldList | undefined;
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
  readonly timeline: Timeline | undefined;
}

/** What the configuration has to say about lines. */
export interface ExchangeLogRules {
  readonly log: LogConfig;
  readonly clientAddress: ClientAddressConfig;
  /** A text without secrets that filters are granted. */
  readonly clean: (text: string) => string;
}

/**
 * One line per exchange, in pino's shape with OpenTelemetry's names, built by hand: a sixth of what a logger's call costs.
 *
 * Of the client's address it has what is configured, and nothing by itself; of header fields those that are on the list; of queries no
 * value, for they are what people search for, and tokens.
 */
export class ExchangeLog {
  readonly #batch: LineBatch;
  readonly #origin: string;
  readonly #addresses: AddressHasher;
  #rules: ExchangeLogRules;
  #choice = new ExchangeChoice(null);
  #receipts = false;

  /** Writes nothing before `use`. */
  constructor(batch: LineBatch, worker: number, addresses: AddressHasher, rules: ExchangeLogRules) {
    this.#batch = batch;
    this.#addresses = addresses;
    this.#rules = rules;
    this.#origin = `,"pid":${process.pid},"worker":${worker},"msg":"exchange","request_id":`;
  }

  /** `enabled`: whether lines of this importance are kept at all. */
  use(rules: ExchangeLogRules, enabled: boolean): void {
    const { exchanges, receipts } = rules.log;
    this.#rules = rules;
    this.#choice = new ExchangeChoice(enabled ? exchanges : null);
    this.#receipts = enabled && receipts && exchanges !== null;
  }

  /** Whether the steps of an exchange that begins will be in its line. One that is not in the sample has none, should it fail. */
  wantsSteps(requestId: string): boolean {
    return this.#receipts && this.#choice.sampled(requestId);
  }

  write(entry: ExchangeEntry): void {
    if (!this.#choice.takes(entry)) return;
    const { routeName, status, target, protocol, failure, repliedBy, versions, timeline } = entry;
    let line =
      `{"level":30,"time":${Date.now()}${this.#origin}${quoted(entry.requestId)}` +
      `,"http.request.method":${quoted(entry.method)},"url.path":${quoted(bounded(pathOf(target)))}`;
    if (this.#rules.log.query === "names") line += query(target);
    if (routeName !== undefined) line += `,"http.route":${quoted(routeName)}`;
    if (status !== 0) line += `,"http.response.status_code":${status}`;
    if (failure !== undefined) line += `,"error.type":"${failure.code}"`;
    else if (status >= 500) line += `,"error.type":"${status}"`;
    line +=
      `,"network.protocol.version":"${protocol.slice(PROTOCOL_LENGTH)}"` +
      `,"http.request.body.size":${entry.requestBytes},"http.response.body.size":${entry.responseBytes}` +
      `,"sluice.duration_ms":${milliseconds(entry.durationMs)},"sluice.generation":${entry.generation}`;
    if (failure !== undefined)
      line += `,"sluice.detail":${quoted(bounded(entry.clientAddress.redactedIn(failure.detail)))}`;
    if (repliedBy !== undefined) line += `,"sluice.replied_by":${quoted(repliedBy)}`;
    if (versions !== undefined) line += `,"sluice.versions":${JSON.stringify(versions)}`;
    line += this.#client(entry);
    if (entry.metadata !== undefined) line += this.#metadata(entry.metadata, entry.clientAddress);
    if (timeline !== undefined && this.#receipts) line += receiptsOf(timeline.steps, timeline.more);
    this.#batch.add(`${line}}\n`);
  }

  /** What is somebody's: the address in the form that is configured, and the header fields on the list. */
  #client({ clientAddress, requestFields, responseFields }: ExchangeEntry): string {
    const { log, clientAddress: forms } = this.#rules;
    let text = "";
    if (forms.log !== "drop") {
      const told = clientAddress.told(forms.log, this.#addresses);
      if (told !== undefined) text += `,"client.address":${quoted(told)}`;
    }
    for (const name of log.headers) {
      text += this.#header("request", name, requestFields, clientAddress);
      if (responseFields !== undefined) text += this.#header("response", name, responseFields, clientAddress);
    }
    return text;
  }

  #header(of: "request" | "response", name: string, fields: FieldList, address: ClientAddress): string {
    let values = "";
    for (let at = 0; at < fields.length && values.length < VALUES_LENGTH_MAX; at += 2) {
      if (!isName(fields[at] as string, name)) continue;
      // Cut last: the beginning of a secret would be known by nobody.
      const clean = address.redactedIn(this.#rules.clean(fields[at + 1] as string));
      const value = quoted(clean.slice(0, VALUES_LENGTH_MAX));
      values += values === "" ? value : `,${value}`;
    }
    return values === "" ? "" : `,"http.${of}.header.${name}":[${values}]`;
  }

  /** In an object of its own, so that no key can pose as the host's. Bytes are for filters alone; what does not fit is left out. */
  #metadata(metadata: ReadonlyMap<string, MetadataValue>, address: ClientAddress): string {
    const clean = (text: string): string => quoted(address.redactedIn(this.#rules.clean(text)));
    let members = "";
    for (const [key, { tag, val }] of metadata) {
      if (tag === "bytes") continue;
      const member = `${clean(key)}:${tag === "text" ? clean(val) : String(val)}`;
      if (members.length + member.length > METADATA_LENGTH_MAX) continue;
      members += members === "" ? member : `,${member}`;
    }
    return members === "" ? "" : `,"sluice.metadata":{${members}}`;
  }
}

function query(target: string): string {
  const names = queryNames(target);
  return names === "" ? "" : `,"url.query":${quoted(bounded(names))}`;
}

/** Whole microseconds: more digits are noise, and JSON has no NaN. */
function milliseconds(duration: number): number {
  return duration > 0 ? Math.round(duration * 1_000) / 1_000 : 0;
}

/** Of all metadata in one line. */
const METADATA_LENGTH_MAX = 4_096;

/** Of one header field's values. */
const VALUES_LENGTH_MAX = 512;

const PROTOCOL_LENGTH = "HTTP/".length;
