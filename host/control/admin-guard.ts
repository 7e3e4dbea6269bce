import type { IncomingMessage } from "node:http";
import { isIP, isIPv6 } from "node:net";
import { isLoopback } from "../config/address.ts";
import type { AdminAddress, AdminConfig } from "../config/config.ts";
import { Problem } from "./admin-problem.ts";
import { ASSETS } from "./dashboard-assets.ts";
import type { Caller, Tokens } from "./tokens.ts";

/** What is wrong with a request before anything is known of its path or body. It reads what the client has sent, as it was sent. */
export class Guard {
  readonly #config: AdminConfig;
  readonly #tokens: Tokens;

  constructor(config: AdminConfig, tokens: Tokens) {
    this.#config = config;
    this.#tokens = tokens;
  }

  /** Gives who asks; undefined for probes, where they alone need no token. Throws a `Problem`. */
  admit(incoming: IncomingMessage): Caller | undefined {
    this.#checkHost(incoming);
    checkTarget(incoming.url ?? "");
    const reads = incoming.method === "GET" || incoming.method === "HEAD";
    if (!reads) checkOrigin(incoming);
    return this.#tokens.needed && reads && (isProbe(incoming) || isPage(incoming))
      ? undefined
      : this.#identify(incoming);
  }

  /**
   * A page that has rebound its own name to this address still sends that name. IP addresses cannot be rebound, and
   * `localhost` is this machine to every browser.
   */
  #checkHost({ headersDistinct }: IncomingMessage): void {
    const { address, hosts } = this.#config;
    if (address.kind === "unix") return;
    const written = headersDistinct["host"] ?? [];
    const name = written.length === 1 ? nameOf(written[0] ?? "") : undefined;
    if (name !== undefined && (hosts.includes(name) || isOwn(name, address.host))) return;
    throw new Problem(
      "HOST_REFUSED",
      `The Host of a request to the admin API is ${namesOf(address, hosts)}.`,
    );
  }

  #identify({ headersDistinct, socket }: IncomingMessage): Caller {
    const verdict = this.#tokens.judge(headersDistinct["authorization"] ?? [], socket.remoteAddress ?? "");
    switch (verdict) {
      case "missing":
        throw new Problem("TOKEN_REFUSED", "This needs a token: Authorization: Bearer slc_….", {
          fields: { "www-authenticate": CHALLENGE },
        });
      case "unknown":
        throw new Problem("TOKEN_REFUSED", "No such token is known here.", {
          fields: { "www-authenticate": `${CHALLENGE}, error="invalid_token"` },
        });
      case "too-many":
        throw new Problem(
          "GUESSES_REFUSED",
          "Too many wrong tokens have come from this address in this second.",
          {
            fields: { "retry-after": "1" },
          },
        );
      default:
        return verdict;
    }
  }
}

/** RFC 6750 §3. */
export const CHALLENGE = 'Bearer realm="sluice"';

/** Who tells about health need not be known; what it tells in detail has names in it, and is told to those who are. */
function isProbe({ url, headersDistinct }: IncomingMessage): boolean {
  const [path, query] = (url ?? "").split("?", 2);
  if (path === "/livez") return true;
  return path === "/readyz" && (query === undefined || headersDistinct["authorization"] === undefined);
}

/** The dashboard says nothing of the host until it has asked for a token itself, which a browser cannot send for a page. */
function isPage({ url }: IncomingMessage): boolean {
  const [path = ""] = (url ?? "").split("?", 1);
  return path === "/" || path.startsWith(ASSETS);
}

/**
 * The one way in which a path is written. A proxy in front, a log and this router must not each take it for another one, so
 * nothing is normalized here: what would need it is refused.
 */
function checkTarget(target: string): void {
  const [path = ""] = target.split("?", 1);
  const segments = path.split("/").map((segment) => segment.replaceAll(/%2e/gi, "."));
  const plain = /^(?:\/(?:[\w.~!$&'()*+,;=:@-]|%[0-9a-f]{2})*)+$/i.test(path) && !path.includes("//");
  if (plain && !segments.some((segment) => segment === "." || segment === "..") && isDecodable(path)) return;
  throw new Problem(
    "REQUEST_REFUSED",
    "The target of a request is a path, without empty or dotted segments and with valid escapes.",
  );
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * A page of this very address may ask for what its reader may: only the dashboard is one. Its Host has been looked at, so that a page
 * that has rebound its name is none.
 */
function checkOrigin({ headers }: IncomingMessage): void {
  const { origin, host = "" } = headers;
  const site = headers["sec-fetch-site"];
  const isOwn = origin === `http://${host}` || origin === `https://${host}`;
  if (isOwn ? site === undefined || site === "same-origin" : origin === undefined && !isForeign(site)) return;
  const detail =
    "Other web pages change nothing here: the request has their Origin or comes from another site.";
  throw new Problem("ORIGIN_REFUSED", detail);
}

/** What a browser says of a request that another page has made. */
export function isForeign(site: string | readonly string[] | undefined): boolean {
  return site === "cross-site" || site === "same-site";
}

function nameOf(field: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(field) ?? [];
  return (bracketed ?? plain)?.toLowerCase();
}

function isOwn(name: string, host: string): boolean {
  if (isLoopback(host)) return isLoopback(name);
  if (host === "0.0.0.0" || canonical(host) === "[::]") return isIP(name) !== 0 || isLoopback(name);
  return canonical(name) === canonical(host);
}

/** IPv6 addresses may be written in many ways. */
function canonical(host: string): string {
  return isIPv6(host) && !host.includes("%") ? new URL(`http://[${host}]`).hostname : host;
}

function namesOf(address: AdminAddress, hosts: readonly string[]): string {
  const own =
    address.kind === "unix" || isLoopback(address.host) ? "localhost, 127.0.0.1 or [::1]" : "its address";
  return hosts.length === 0 ? own : `${own}, or one of admin.hosts`;
}
