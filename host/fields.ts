import type { FieldList } from "./message.ts";

/** Whether two field names are the same; `lower` is in lower case already (RFC 9110 §5.1). */
export function isName(name: string, lower: string): boolean {
  if (name.length !== lower.length) return false;
  // Names of the same length differ most often in their first letter already, which tells without a copy in lower case.
  if (((name.charCodeAt(0) ^ lower.charCodeAt(0)) & ~CASE) !== 0) return false;
  return name === lower || name.toLowerCase() === lower;
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

/** Names that frame or route a message or belong to one connection: nothing but the host itself sets them. */
export function isReserved(lower: string): boolean {
  return RESERVED.has(lower);
}

/** Names that must not come after the body (RFC 9110 §6.5.1): they frame, route, authenticate, steer or say how to read it. */
export function isUntrailing(lower: string): boolean {
  return UNTRAILING.has(lower);
}

/** Whether a text is a host, and perhaps a port (RFC 9110 §7.2): no list, no user. */
export function isAuthority(text: string): boolean {
  const match = AUTHORITY.exec(text);
  return match !== null && Number(match[1] ?? 0) <= 65_535;
}

// reg-name, IPv4 or bracketed IPv6, and a port (RFC 3986 §3.2.2, §3.2.3).
const AUTHORITY = /^(?:[A-Za-z0-9\-._~%!$&'()*+;=]+|\[[0-9A-Fa-f:.]+\])(?::(\d{0,5}))?$/;

/** The bit in which a letter differs from its capital. */
const CASE = 0x20;

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

const UNTRAILING: ReadonlySet<string> = new Set([
  "age",
  "authorization",
  "cache-control",
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "expect",
  "expires",
  "host",
  "keep-alive",
  "location",
  "max-forwards",
  "pragma",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "range",
  "retry-after",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "vary",
  "via",
  "warning",
  "www-authenticate",
]);

const TOKEN = new Uint8Array(65_536);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  TOKEN[c.charCodeAt(0)] = 1;
