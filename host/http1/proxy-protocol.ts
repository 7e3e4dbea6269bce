import { isIPv4, isIPv6 } from "node:net";
import { CR, LF } from "./bytes.ts";

/** What a proxy says of a connection before the connection's own bytes. */
export interface ProxyHeader {
  /** Where the connection's own bytes begin. */
  readonly end: number;
  /** Who is on the other side of the proxy; undefined when it speaks for itself, or does not know. */
  readonly address: string | undefined;
}

/** Why bytes are no header: `at` is the byte, counted from the connection's first one. */
export interface ProxyHeaderError {
  readonly sentence: string;
  readonly at: number;
}

/**
 * Reads a header of the PROXY protocol, version 1 or 2, strictly. Gives undefined while it is not complete and every byte so
 * far is in order; a byte that no later one can mend is told at once.
 */
export function readProxyHeader(data: Buffer): ProxyHeader | ProxyHeaderError | undefined {
  if (data.length === 0) return undefined;
  return data[0] === SIGNATURE[0] ? binary(data) : line(data);
}

/** Version 1: a line for people. */
function line(data: Buffer): ProxyHeader | ProxyHeaderError | undefined {
  for (let at = 0; at < Math.min(data.length, PREFIX.length); at++)
    if (data[at] !== PREFIX.charCodeAt(at)) return broken("it does not begin as a PROXY header", at);
  const end = data.subarray(0, LINE_BYTES_MAX).indexOf(CR);
  const bad = data
    .subarray(0, end < 0 ? LINE_BYTES_MAX : end)
    .findIndex((byte) => byte < 0x20 || byte > 0x7e);
  if (bad >= 0) return broken("a byte that no line of PROXY has", bad);
  if (end < 0)
    return data.length < LINE_BYTES_MAX ? undefined : broken("its line is too long", LINE_BYTES_MAX - 1);
  if (end + 1 === data.length)
    return end + 2 > LINE_BYTES_MAX ? broken("its line is too long", end) : undefined;
  if (data[end + 1] !== LF) return broken("CR without LF", end + 1);
  return words(data.latin1Slice(0, end), end + 2);
}

/** `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`, each word one space apart. */
function words(text: string, end: number): ProxyHeader | ProxyHeaderError {
  const [name = "", family = "", ...rest] = text.split(" ");
  // Behind UNKNOWN anything may stand, and means nothing.
  if (family === "UNKNOWN") return { end, address: undefined };
  let at = name.length + 1;
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isV6 : undefined;
  if (isAddress === undefined) return broken("a family other than TCP4, TCP6 and UNKNOWN", at);
  at += family.length + 1;
  const checks = [isAddress, isAddress, isPort, isPort];
  for (const [index, check] of checks.entries()) {
    const word = rest[index];
    if (word === undefined) return broken("an address or a port is missing", Math.min(at, end - 2));
    if (!check(word)) return broken(index < 2 ? `no address of ${family}` : "no port", at);
    at += word.length + 1;
  }
  if (rest.length > checks.length) return broken("more than two addresses and two ports", at);
  return { end, address: rest[0] };
}

/** Version 2: a signature, command, family, length, addresses, and what else the proxy tells, which is passed over. */
function binary(data: Buffer): ProxyHeader | ProxyHeaderError | undefined {
  for (let at = 0; at < Math.min(data.length, SIGNATURE.length); at++)
    if (data[at] !== SIGNATURE[at]) return broken("it does not begin as a PROXY header", at);
  const command = data[12];
  if (command === undefined) return undefined;
  if (command !== LOCAL && command !== PROXY)
    return broken(command >> 4 === 2 ? "an unknown command" : "another version than 2", 12);
  const family = data[13];
  if (family === undefined) return undefined;
  const needed = ADDRESS_BYTES.get(family);
  // A proxy that speaks for itself may say anything there.
  if (needed === undefined && command === PROXY) return broken("a family that no stream has", 13);
  if (data.length < 16) return undefined;
  const length = data.readUInt16BE(14);
  if (16 + length > HEADER_BYTES_MAX) return broken(`more than ${HEADER_BYTES_MAX} bytes`, 14);
  if (command === PROXY && length < (needed ?? 0)) return broken("no room for its addresses", 14);
  const end = 16 + length;
  if (data.length < end) return undefined;
  return { end, address: command === PROXY ? addressAt(data, family) : undefined };
}

function addressAt(data: Buffer, family: number): string | undefined {
  if (family === TCP4) return data.subarray(16, 20).join(".");
  if (family !== TCP6) return undefined;
  const groups = Array.from({ length: 8 }, (_, group) => data.readUInt16BE(16 + 2 * group).toString(16));
  return compressed(groups);
}

/** RFC 5952: the longest run of zeros is `::`, and an address of IPv4 in IPv6 is written as such. */
function compressed(groups: readonly string[]): string {
  if (groups.slice(0, 5).every((group) => group === "0") && groups[5] === "ffff") {
    const bytes = groups.slice(6).flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    });
    return bytes.join(".");
  }
  const text = groups.join(":");
  const runs = text.match(/\b0(?::0\b)+/g) ?? [];
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), "");
  if (longest === "") return text;
  const at = text.search(new RegExp(`(?:^|:)${longest}(?::|$)`));
  const from = text[at] === ":" ? at + 1 : at;
  return `${text.slice(0, from).replace(/:$/, "")}::${text.slice(from + longest.length).replace(/^:/, "")}`;
}

function isV6(word: string): boolean {
  return isIPv6(word) && !word.includes("%");
}

function isPort(word: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(word) && Number(word) <= 65_535;
}

function broken(sentence: string, at: number): ProxyHeaderError {
  return { sentence, at };
}

const PREFIX = "PROXY ";
/** The longest line that version 1 has, with its end. */
const LINE_BYTES_MAX = 107;
const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const LOCAL = 0x20;
const PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
/** How many bytes the addresses of each family have: unspecified, TCP over IPv4 and over IPv6, a stream of a socket's path. */
const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [TCP4, 12],
  [TCP6, 36],
  [0x31, 216],
]);
/** Proxies tell names, certificates and ids of their own behind the addresses: some hundred bytes. */
const HEADER_BYTES_MAX = 4_096;
