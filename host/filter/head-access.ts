import { indexOf, isAuthority, isFieldValue, isName, isReserved, isToken, isUntrailing } from "../fields.ts";
import type { FieldList, Reply, RequestHead, ResponseHead, Trailers } from "../message.ts";
import { FilterFault, type FilterLimits } from "./contract.ts";

/**
 * What one call of a filter may read and edit: the head that is lent to it, or the trailers.
 *
 * Edits are made on a copy, which readers see at once; `commit` puts it in the place of the original, so that a call that
 * traps leaves the message as it was. The first edit that the contract refuses is remembered, and `commit` throws it.
 */
export class HeadAccess {
  readonly #limits: FilterLimits;
  #request: RequestHead | undefined;
  #response: ResponseHead | undefined;
  #trailers: Trailers | undefined;
  #fields: FieldList = NONE;
  #copied = false;
  /** Names that have been found in order: a filter sets the same few again and again. */
  readonly #admissible = new Set<string>();
  #edits = 0;
  #editBytes = 0;
  #refusal: string | undefined;
  /** The refusal is one edit too many, or one byte too much. */
  #oversized = false;
  #method = "";
  #path = "";
  #authority = "";
  #status = 0;

  constructor(limits: FilterLimits) {
    this.#limits = limits;
  }

  openRequest(head: RequestHead): void {
    this.#request = head;
    this.#method = head.method;
    this.#path = head.path;
    this.#authority = head.authority;
    this.#open(head.fields);
  }

  openResponse(head: ResponseHead): void {
    this.#response = head;
    this.#status = head.status;
    this.#open(head.fields);
  }

  openTrailers(trailers: Trailers): void {
    this.#trailers = trailers;
    this.#open(trailers.fields);
  }

  /** Puts the edits into the message, or throws a `FilterFault` that names the first one that the contract refuses. */
  commit(): void {
    const request = this.#request;
    const response = this.#response;
    const trailers = this.#trailers;
    const refusal = this.#refusal;
    const changed = this.#edits > 0;
    const fields = this.#fields;
    this.abandon();
    if (refusal !== undefined) throw new FilterFault(refusal, this.#oversized ? "size" : "contract");
    if (!changed) return;
    if (request !== undefined) {
      request.method = this.#method;
      request.path = this.#path;
      request.authority = this.#authority;
      request.fields = fields;
    } else if (response !== undefined) {
      response.status = this.#status;
      response.fields = fields;
    } else if (trailers !== undefined) trailers.fields = fields;
  }

  /** Drops the edits: the call trapped, or replied. */
  abandon(): void {
    this.#request = undefined;
    this.#response = undefined;
    this.#trailers = undefined;
    // An idle instance keeps no message alive.
    this.#fields = NONE;
  }

  get method(): string {
    return this.#method;
  }

  set method(method: string) {
    this.#count(method.length);
    if (!isToken(method) || method === "CONNECT")
      this.#refuse(`set-method: ${quote(method)} is no method that a filter may set`);
    else this.#method = method;
  }

  get scheme(): string {
    return this.#request?.scheme ?? "http";
  }

  get authority(): string {
    return this.#authority;
  }

  set authority(authority: string) {
    this.#count(authority.length);
    if (!isAuthority(authority)) this.#refuse(`set-authority: ${quote(authority)} is no host[:port]`);
    else this.#authority = authority;
  }

  get path(): string {
    return this.#path;
  }

  set path(path: string) {
    this.#count(path.length);
    if (!PATH.test(path) && !(path === "*" && this.#method === "OPTIONS"))
      this.#refuse(`set-path: ${quote(path)} is no path`);
    else this.#path = path;
  }

  get status(): number {
    return this.#status;
  }

  set status(status: number) {
    this.#count(0);
    if (status < 200 || status > 599) this.#refuse(`set-status: ${status} is no final status`);
    else this.#status = status;
  }

  /** All fields, edits of this call included. Not to be changed. */
  get fields(): FieldList {
    return this.#fields;
  }

  /** `lower` is in lower case. */
  header(lower: string): string | undefined {
    const fields = this.#fields;
    for (let at = 0; at < fields.length; at += 2)
      if (isName(fields[at] as string, lower)) return fields[at + 1];
    return undefined;
  }

  headerValues(lower: string): string[] {
    const fields = this.#fields;
    const values: string[] = [];
    for (let at = 0; at < fields.length; at += 2)
      if (isName(fields[at] as string, lower)) values.push(fields[at + 1] as string);
    return values;
  }

  setHeader(name: string, value: string): void {
    if (!this.#admit("set-header", name, value)) return;
    const lower = name.toLowerCase();
    const fields = this.#own();
    const first = indexOf(fields, lower);
    if (first < 0) {
      fields.push(name, value);
      return;
    }
    fields[first] = name;
    fields[first + 1] = value;
    this.#removeFrom(fields, first + 2, lower);
  }

  appendHeader(name: string, value: string): void {
    if (this.#admit("append-header", name, value)) this.#own().push(name, value);
  }

  removeHeader(name: string): void {
    if (!this.#admit("remove-header", name, "")) return;
    const lower = name.toLowerCase();
    if (indexOf(this.#fields, lower) >= 0) this.#removeFrom(this.#own(), 0, lower);
  }

  #open(fields: FieldList): void {
    this.#fields = fields;
    this.#copied = false;
    this.#edits = 0;
    this.#editBytes = 0;
    this.#refusal = undefined;
    this.#oversized = false;
  }

  #own(): FieldList {
    if (!this.#copied) {
      this.#fields = this.#fields.slice();
      this.#copied = true;
    }
    return this.#fields;
  }

  #removeFrom(fields: FieldList, from: number, lower: string): void {
    let kept = from;
    for (let at = from; at < fields.length; at += 2) {
      if (isName(fields[at] as string, lower)) continue;
      fields[kept] = fields[at] as string;
      fields[kept + 1] = fields[at + 1] as string;
      kept += 2;
    }
    fields.length = kept;
  }

  #admit(edit: string, name: string, value: string): boolean {
    this.#count(name.length + value.length);
    if (!this.#admissible.has(name)) {
      const broken = brokenName(name);
      if (broken !== undefined) this.#refuse(`${edit}: ${broken}`);
      else if (this.#admissible.size < ADMISSIBLE_MAX) this.#admissible.add(name);
    }
    if (!isFieldValue(value)) this.#refuse(`${edit}: ${brokenValue(name)}`);
    if (this.#trailers !== undefined && isUntrailing(name.toLowerCase()))
      this.#refuse(`${edit}: ${quote(name)} must not be in trailers`);
    return this.#refusal === undefined;
  }

  #count(bytes: number): void {
    this.#edits += 1;
    this.#editBytes += bytes;
    if (this.#edits > this.#limits.editsMax)
      this.#refuse(`more than ${this.#limits.editsMax} edits in one call`, true);
    if (this.#editBytes > this.#limits.editBytesMax)
      this.#refuse(`more than ${this.#limits.editBytesMax} bytes of edits in one call`, true);
  }

  /** The first refusal counts. */
  #refuse(sentence: string, oversized = false): void {
    if (this.#refusal !== undefined) return;
    this.#refusal = sentence;
    this.#oversized = oversized;
  }
}

/** Throws a `FilterFault` when the contract refuses this reply (WIT `types.reply`). */
export function checkReply(reply: Reply, limits: FilterLimits): Reply {
  const { status, fields } = reply.head;
  if (status < 200 || status > 599) throw new FilterFault(`reply: ${status} is no final status`);
  let bytes = reply.body.byteLength;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    const broken = brokenField(name, value);
    if (broken !== undefined) throw new FilterFault(`reply: ${broken}`);
    bytes += name.length + value.length;
  }
  if (bytes > limits.replyBytesMax)
    throw new FilterFault(`reply: more than ${limits.replyBytesMax} bytes`, "size");
  if (reply.body.byteLength > 0 && (status === 204 || status === 205 || status === 304)) {
    throw new FilterFault(`reply: a ${status} has no body`);
  }
  return reply;
}

function brokenField(name: string, value: string): string | undefined {
  return brokenName(name) ?? (isFieldValue(value) ? undefined : brokenValue(name));
}

function brokenName(name: string): string | undefined {
  if (!isToken(name)) return `${quote(name)} is no field name`;
  return isReserved(name.toLowerCase()) ? `${quote(name)} frames or routes the message` : undefined;
}

function brokenValue(name: string): string {
  return `the value of ${quote(name)} has a control byte`;
}

/** A filter's bytes in a sentence of the log: bounded and on one line. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** As many names as a filter's own; those that it makes up from requests are looked at each time. */
const ADMISSIBLE_MAX = 64;

const NONE: FieldList = [];

const PATH = /^\/[\x21-\x7e]*$/;
