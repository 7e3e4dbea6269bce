import { isName } from "../fields.ts";
import type { FieldList } from "../message.ts";
import { COLON, CR, HTAB, LF, SP, TARGET, TOKEN, VALUE } from "./bytes.ts";
import { mayTrail, removeNominated } from "./field-rules.ts";

/** Why a head is refused: `at` is the byte, counted from the beginning of the head. */
export interface HeadError {
  readonly kind: "malformed" | "too-many-fields" | "coding-unknown";
  readonly sentence: string;
  readonly at: number;
}

/** Bounds on a head. Its size is bounded by whoever collects its bytes. */
export interface HeadLimits {
  readonly fieldsMax: number;
}

/**
 * The strict parser of message heads (RFC 9112 §2–§6): one pass over the bytes, which ends at the first one out of order.
 *
 * It gives the fields that go on to the next hop, and what frames the message apart from them. One parser serves a whole
 * worker: its results stand until the next call.
 */
export class HeadParser {
  method = "";
  target = "";
  status = 0;
  /** The minor version: 0 or 1. */
  minor = 1;
  /** End-to-end fields in order, flat; `host` among them. */
  fields: FieldList = [];
  /** Content-Length, or -1. */
  contentLength = -1;
  chunked = false;
  hosts = 0;
  host = "";
  /** Values of Connection, joined. */
  connection = "";
  expect = "";
  upgrade = "";
  te = "";
  trailer = "";
  maxForwards = "";
  /** X-Sluice-Debug: for this host alone, whoever it is from. */
  debug = "";
  /** How often this host's own name stands in Via. */
  via = "";
  error: HeadError | undefined;
  readonly #fieldsMax: number;
  #text = "";

  constructor(limits: HeadLimits) {
    this.#fieldsMax = limits.fieldsMax;
  }

  /** Parses `data` from `start` to `end`, where the empty line ends. False: `error` says why. */
  request(data: Buffer, start: number, end: number): boolean {
    this.#reset();
    let at = start;
    while (TOKEN[data[at] as number] === 1) at++;
    if (at === start || data[at] !== SP) return this.#fail("malformed", "the method is no token", at - start);
    const targetAt = at + 1;
    at = targetAt;
    while (TARGET[data[at] as number] === 1) at++;
    if (at === targetAt || data[at] !== SP)
      return this.#fail("malformed", "the target has a byte that must be encoded", at - start);
    const text = data.latin1Slice(start, end);
    // "HTTP/1.x" and the line break: ten bytes, case-sensitive (RFC 9112 §2.3).
    const version = at + 1;
    const minor = this.#minor(text, version - start);
    if (minor < 0 || data[version + 8] !== CR || data[version + 9] !== LF) {
      return this.#fail(
        "malformed",
        "the request line does not end in HTTP/1.1 or HTTP/1.0",
        version - start,
      );
    }
    this.minor = minor;
    this.method = text.substring(0, targetAt - 1 - start);
    this.target = text.substring(targetAt - start, at - start);
    return this.#fields(data, version + 10, start, text, false);
  }

  /** As `request`, of a response. */
  response(data: Buffer, start: number, end: number): boolean {
    this.#reset();
    const text = data.latin1Slice(start, end);
    const minor = this.#minor(text, 0);
    if (minor < 0 || data[start + 8] !== SP)
      return this.#fail("malformed", "the status line does not begin with HTTP/1.1 or HTTP/1.0", 0);
    this.minor = minor;
    const status = statusAt(data, start + 9);
    if (status < 0) return this.#fail("malformed", "the status is no number from 100 to 599", 9);
    this.status = status;
    let at = start + 12;
    // The reason is optional, and so is, for a few servers, the space before it.
    if (data[at] !== SP && data[at] !== CR)
      return this.#fail("malformed", "the status is no number of three digits", 12);
    while (VALUE[data[at] as number] === 1) at++;
    if (data[at] !== CR || data[at + 1] !== LF)
      return this.#fail("malformed", "the status line has a control byte", at - start);
    return this.#fields(data, at + 2, start, text, false);
  }

  /** Parses a trailer section: `start` is its first line, or the empty line that ends it. */
  trailers(data: Buffer, start: number, end: number): boolean {
    this.#reset();
    return this.#fields(data, start, start, data.latin1Slice(start, end), true);
  }

  #minor(text: string, at: number): number {
    if (text.startsWith("HTTP/1.1", at)) return 1;
    return text.startsWith("HTTP/1.0", at) ? 0 : -1;
  }

  /** The lines from `from` on. `text` are the head's bytes from `origin` on, as Latin-1. */
  #fields(data: Buffer, from: number, origin: number, text: string, trailers: boolean): boolean {
    this.#text = text;
    let at = from;
    let count = 0;
    while (data[at] !== CR) {
      const nameAt = at;
      while (TOKEN[data[at] as number] === 1) at++;
      if (at === nameAt || data[at] !== COLON) {
        const folded = at === nameAt && (data[at] === SP || data[at] === HTAB);
        return this.#fail(
          "malformed",
          folded ? "a field continues on a second line" : "a field name is no token",
          at - origin,
        );
      }
      const name = text.substring(nameAt - origin, at - origin);
      at++;
      while (data[at] === SP || data[at] === HTAB) at++;
      const valueAt = at;
      while (VALUE[data[at] as number] === 1) at++;
      if (data[at] !== CR || data[at + 1] !== LF)
        return this.#fail("malformed", "a field value has a control byte", at - origin);
      let valueEnd = at;
      while (valueEnd > valueAt && (data[valueEnd - 1] === SP || data[valueEnd - 1] === HTAB)) valueEnd--;
      const value = text.substring(valueAt - origin, valueEnd - origin);
      count += 1;
      if (count > this.#fieldsMax)
        return this.#fail("too-many-fields", `more than ${this.#fieldsMax} fields`, nameAt - origin);
      at += 2;
      if (trailers) {
        if (mayTrail(name)) this.fields.push(name, value);
      } else if (!this.#connectionField(name, value, nameAt - origin)) {
        this.fields.push(name, value);
      }
      if (this.error !== undefined) return false;
    }
    if (data[at + 1] !== LF) return this.#fail("malformed", "CR without LF", at - origin);
    if (this.chunked && this.contentLength >= 0)
      return this.#fail("malformed", "Content-Length with Transfer-Encoding", 0);
    if (this.chunked && this.minor === 0) return this.#fail("malformed", "Transfer-Encoding in HTTP/1.0", 0);
    if (this.connection !== "") removeNominated(this.fields, this.connection);
    return true;
  }

  /** Takes note of what frames, routes or concerns the connection. True: the field does not go on. */
  #connectionField(name: string, value: string, at: number): boolean {
    // Nearly all names differ from these in length alone, so that few are lower-cased.
    switch (name.length) {
      case 2:
        if (!isName(name, "te")) return false;
        this.te = joined(this.te, value);
        return true;
      case 3:
        if (isName(name, "via")) this.via = joined(this.via, value);
        return false;
      case 4:
        if (isName(name, "host")) {
          this.hosts += 1;
          this.host = value;
        }
        return false;
      case 6:
        if (!isName(name, "expect")) return false;
        this.expect = joined(this.expect, value);
        return true;
      case 7:
        if (isName(name, "upgrade")) this.upgrade = joined(this.upgrade, value);
        else if (isName(name, "trailer")) this.trailer = joined(this.trailer, value);
        else return false;
        return true;
      case 10:
        if (isName(name, "connection")) this.connection = joined(this.connection, value);
        else return isName(name, "keep-alive");
        return true;
      case 12:
        if (isName(name, "max-forwards")) this.maxForwards = value;
        return false;
      case 14:
        if (isName(name, "x-sluice-debug")) {
          this.debug = joined(this.debug, value);
          return true;
        }
        return isName(name, "content-length") && this.#length(value, at);
      case 16:
        return isName(name, "proxy-connection");
      case 17:
        return isName(name, "transfer-encoding") && this.#coding(value, at);
      case 18:
        return isName(name, "proxy-authenticate");
      case 19:
        return isName(name, "proxy-authorization");
      default:
        return false;
    }
  }

  /** RFC 9112 §6.3: one length, digits only. Even a list of equal ones is a sign of two minds about this message. */
  #length(value: string, at: number): false {
    if (this.contentLength >= 0) this.#fail("malformed", "two Content-Length", at);
    else if (!DIGITS.test(value)) this.#fail("malformed", "Content-Length is no number", at);
    else this.contentLength = Number(value);
    // It goes on: it is the message's, and not the connection's.
    return false;
  }

  /** RFC 9112 §6.1: `chunked`, once, and nothing else. Parsers differ about tabs around it, so there are none. */
  #coding(value: string, at: number): true {
    if (this.chunked) this.#fail("malformed", "two Transfer-Encoding", at);
    else if (isName(value, "chunked") && !this.#tabbed(at)) this.chunked = true;
    else if (CODED.test(value)) this.#fail("coding-unknown", "a transfer coding before chunked", at);
    else this.#fail("malformed", "Transfer-Encoding is not chunked", at);
    return true;
  }

  #tabbed(at: number): boolean {
    const text = this.#text;
    return text.substring(at, text.indexOf("\r", at)).includes("\t");
  }

  #fail(kind: HeadError["kind"], sentence: string, at: number): false {
    this.error = { kind, sentence, at };
    return false;
  }

  #reset(): void {
    this.fields = [];
    this.contentLength = -1;
    this.chunked = false;
    this.hosts = 0;
    this.host = "";
    this.connection = "";
    this.expect = "";
    this.upgrade = "";
    this.te = "";
    this.trailer = "";
    this.maxForwards = "";
    this.debug = "";
    this.via = "";
    this.error = undefined;
  }
}

/** Fifteen digits are exact in a number, and more than any body. */
const DIGITS = /^\d{1,15}$/;

/** A list of known codings that ends in chunked. */
const CODED =
  /^(?:gzip|x-gzip|deflate|compress|x-compress)(?: *, *(?:gzip|x-gzip|deflate|compress|x-compress))* *, *chunked$/i;

/** Three digits from 100 to 599; -1 for anything else. */
function statusAt(data: Buffer, at: number): number {
  const hundreds = (data[at] as number) - ZERO;
  const tens = (data[at + 1] as number) - ZERO;
  const ones = (data[at + 2] as number) - ZERO;
  const digits = hundreds >= 1 && hundreds <= 5 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
  return digits ? hundreds * 100 + tens * 10 + ones : -1;
}

const ZERO = 0x30;

function joined(list: string, value: string): string {
  return list === "" ? value : `${list}, ${value}`;
}
