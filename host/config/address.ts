import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";
import type { Address, AdminAddress, HostMatch, PathMatch, ServerConfig } from "./config.ts";

/** Addresses, URLs and matches as they are written in the file. Each function gives undefined for what it refuses. */

export const ADDRESS_PATTERN: RegExp = /^(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/[\]]+):\d{1,5}$/;
export const SERVER_PATTERN: RegExp = /^https?:\/\/[^\s/?#@]+\/?$/;
export const HOST_PATTERN: RegExp = /^(\*\.)?[^\s:/*]+$|^\[[0-9A-Fa-f:.]+\]$/;
export const PATH_PATTERN: RegExp = /^\/[^\s?#*]*\*?$/;

/** The longest path of a socket that Linux takes (sun_path without its final NUL). */
export const SOCKET_PATH_BYTES_MAX = 107;

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`. */
export function parseAddress(input: string): Address | undefined {
  const split = splitPort(input);
  return split === undefined ? undefined : { kind: "tcp", host: split.host, port: split.port };
}

/** An address, or `unix:` and a path, which stays as it is written. */
export function parseAdminAddress(input: string): AdminAddress | undefined {
  if (!input.startsWith("unix:")) return parseAddress(input);
  const path = input.slice("unix:".length);
  return path === "" || path.includes("\0") ? undefined : { kind: "unix", path };
}

/** `http://host:port` or `https://host:port`; the port may be left out. A path would be dropped in silence, so it is refused. */
export function parseServer(input: string): ServerConfig | undefined {
  if (!SERVER_PATTERN.test(input)) return undefined;
  const scheme = input.startsWith("https:") ? "https" : "http";
  const usual = scheme === "https" ? 443 : 80;
  const authority = input.slice(`${scheme}://`.length).replace(/\/$/, "");
  const split = splitPort(authority) ?? splitPort(`${authority}:${usual}`);
  // A zone belongs to this machine's interfaces; URLs have no place for it.
  if (split === undefined || split.port === 0 || split.host.includes("%")) return undefined;
  const host = isIPv6(split.host) ? `[${split.host}]` : split.host;
  return {
    origin: `${scheme}://${host}${split.port === usual ? "" : `:${split.port}`}`,
    scheme,
    host: split.host,
    port: split.port,
    weight: 1,
    drained: false,
  };
}

/** `example.com`, `*.example.com`, `127.0.0.1` or `[::1]`. */
export function parseHostMatch(input: string): HostMatch | undefined {
  const host = input.toLowerCase();
  if (host.startsWith("*.")) {
    const name = host.slice(2);
    return isIP(name) === 0 && isHost(name) ? { kind: "below", name } : undefined;
  }
  if (host.startsWith("["))
    return isIPv6(host.slice(1, -1)) && host.endsWith("]") ? { kind: "exact", name: host } : undefined;
  return isHost(host) ? { kind: "exact", name: host } : undefined;
}

/** `/a` or `/api/*`, written as clients send it: `/a%20b` is kept as what it stands for. `/*` is every path. */
export function parsePathMatch(input: string): PathMatch | undefined {
  const prefix = input.endsWith("/*");
  const written = prefix ? input.slice(0, -1) : input;
  if (!/^\/[\x21-\x7e]*$/.test(written) || /[?#*]/.test(written)) return undefined;
  const path = unescaped(written);
  if (path === undefined) return undefined;
  // No request's canonical path has these (docs/forwarding.md): such a match would never be met.
  if (/[;\\]|\/\/|\/\.{1,2}(?:\/|$)/.test(path)) return undefined;
  if (!prefix) return { kind: "exact", path };
  return path === "/" ? { kind: "any", path } : { kind: "prefix", path };
}

/** Undefined for a broken escape, and for one of a control byte or of a sign that separates the parts of a URL. */
function unescaped(path: string): string | undefined {
  if (/%(?:[01]|2[346abcf]|3[abdf]|40|7f)/i.test(path)) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function splitPort(input: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(input);
  if (match === null) return undefined;
  const port = Number(match[3]);
  const host = (match[1] ?? match[2] ?? "").toLowerCase();
  const known = match[1] === undefined ? isHost(host) : isIPv6(host);
  return known && port <= 65_535 ? { host, port } : undefined;
}

/** `proxy.example.com`, `192.0.2.1` or `2001:db8::1`, as the host of a URL would be without its brackets. */
export function parseHostName(input: string): string | undefined {
  const host = input.toLowerCase();
  return isIPv6(host) || isHost(host) ? host : undefined;
}

/** An IPv4 address or a name. A name whose last label is a number would be taken for an address by others. */
function isHost(input: string): boolean {
  if (isIPv4(input)) return true;
  const labels = input.split(".");
  return (
    input.length <= 253 && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? "")
  );
}

/** Whether only this machine can reach the host by this name. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return LOOPBACK.check(host, "ipv4");
  if (isIPv6(host)) return LOOPBACK.check(host, "ipv6");
  return host.toLowerCase() === "localhost";
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** As it is written in a configuration. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
