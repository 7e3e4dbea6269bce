import type { FieldList } from "./message.ts";

/** What the host itself must know of a message's fields, found in the one pass that removes the connection's own. */
export interface Framing {
  /** The value of Content-Length, or -1 without one. */
  contentLength: number;
  chunked: boolean;
  /** Transfer-Encoding names something else than chunked, which nobody here decodes. */
  otherCoding: boolean;
  /** The first Host. Undefined without one. */
  host: string | undefined;
  /** How many Host fields there are. */
  hosts: number;
  expect: string | undefined;
}

/**
 * The fields of `raw` that go on to the next hop (RFC 9110 §7.6.1), in order; fills `framing` on the way.
 *
 * Removed: the fields of one connection, and those that Connection names. A client cannot nominate away what frames,
 * routes or identifies the message: such names are kept whatever Connection says.
 */
export function endToEnd(raw: readonly string[], framing: Framing): FieldList {
  framing.contentLength = -1;
  framing.chunked = false;
  framing.otherCoding = false;
  framing.host = undefined;
  framing.hosts = 0;
  framing.expect = undefined;
  const kept: FieldList = [];
  let nominated: string | undefined;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] as string;
    const value = raw[at + 1] as string;
    // Nearly all names differ from these in length alone, so that few are lower-cased.
    switch (name.length) {
      case 2:
        if (isName(name, "te")) continue;
        break;
      case 4:
        if (isName(name, "host")) {
          framing.hosts += 1;
          framing.host ??= value;
        }
        break;
      case 6:
        // The listener answers the only expectation there is (RFC 9110 §10.1.1).
        if (isName(name, "expect")) {
          framing.expect = value;
          continue;
        }
        break;
      case 7:
        if (isName(name, "trailer") || isName(name, "upgrade")) continue;
        break;
      case 10:
        if (isName(name, "connection")) {
          nominated = nominated === undefined ? value : `${nominated},${value}`;
          continue;
        }
        if (isName(name, "keep-alive")) continue;
        break;
      case 14:
        if (isName(name, "content-length")) framing.contentLength = Number(value);
        break;
      case 16:
        if (isName(name, "proxy-connection")) continue;
        break;
      case 17:
        if (isName(name, "transfer-encoding")) {
          framing.chunked = true;
          framing.otherCoding ||= !isName(value, "chunked");
          continue;
        }
        break;
      case 18:
        if (isName(name, "proxy-authenticate")) continue;
        break;
      case 19:
        if (isName(name, "proxy-authorization")) continue;
        break;
    }
    kept.push(name, value);
  }
  if (nominated !== undefined && !isPlainConnection(nominated)) removeNominated(kept, nominated);
  return kept;
}

/** Whether two field names are the same; `lower` is in lower case already (RFC 9110 §5.1). */
export function isName(name: string, lower: string): boolean {
  return name === lower || (name.length === lower.length && name.toLowerCase() === lower);
}

/** The index of the first field of this lower-case name, or -1. */
export function indexOf(fields: FieldList, lower: string): number {
  for (let at = 0; at < fields.length; at += 2) if (isName(fields[at] as string, lower)) return at;
  return -1;
}

/** Whether every character is one of a token (RFC 9110 §5.6.2), and there is one. */
export function isToken(text: string): boolean {
  if (text.length === 0) return false;
  for (let at = 0; at < text.length; at++) if (TOKEN[text.charCodeAt(at)] !== 1) return false;
  return true;
}

/** Whether a field value holds no control byte but HTAB, and no code unit above a byte (RFC 9110 §5.5). */
export function isFieldValue(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) return false;
  }
  return true;
}

/** Whether a text is a host, and perhaps a port (RFC 9110 §7.2). */
export function isAuthority(text: string): boolean {
  return AUTHORITY.test(text);
}

/** Names that frame or route a message or belong to one connection: nothing but the host itself sets them. */
export function isReserved(lower: string): boolean {
  return RESERVED.has(lower);
}

const RESERVED: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What Connection cannot nominate away: it frames, routes or identifies the message. */
const UNREMOVABLE: ReadonlySet<string> = new Set([
  "authorization",
  "content-length",
  "cookie",
  "forwarded",
  "host",
  "set-cookie",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
]);

// reg-name, IPv4 or bracketed IPv6, and a port (RFC 3986 §3.2.2, §3.2.3).
const AUTHORITY = /^(?:[A-Za-z0-9\-._~%!$&'()*+,;=]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

const TOKEN = new Uint8Array(65_536);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  TOKEN[c.charCodeAt(0)] = 1;

function isPlainConnection(value: string): boolean {
  return value === "keep-alive" || value === "close" || value === "Keep-Alive";
}

function removeNominated(fields: FieldList, connection: string): void {
  const names = new Set(connection.split(",").map((name) => name.trim().toLowerCase()));
  let kept = 0;
  for (let at = 0; at < fields.length; at += 2) {
    const lower = (fields[at] as string).toLowerCase();
    if (names.has(lower) && !UNREMOVABLE.has(lower)) continue;
    fields[kept] = fields[at] as string;
    fields[kept + 1] = fields[at + 1] as string;
    kept += 2;
  }
  fields.length = kept;
}
