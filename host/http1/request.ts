import { Failure } from "../failure.ts";
import { isAuthority } from "../fields.ts";
import { RequestHead } from "../message.ts";
import { CR, LF, SP } from "./bytes.ts";
import type { RequestFacts } from "./client.ts";
import { listed } from "./field-rules.ts";
import type { HeadParser } from "./head-parser.ts";

/** A request's head, checked and in the host's form. */
export interface ReadRequest {
  readonly head: RequestHead;
  readonly facts: RequestFacts;
  /** The client wants no other exchange on this connection. */
  readonly close: boolean;
}

export interface RequestLimits {
  readonly headBytesMax: number;
  readonly targetBytesMax: number;
  readonly bodyBytesMax: number;
}

/** Reads what the parser found, or tells why the request is refused at the door. */
export function readRequest(
  parser: HeadParser,
  scheme: "http" | "https",
  limits: RequestLimits,
): ReadRequest | Failure {
  const { method, target, minor, contentLength, chunked, connection } = parser;
  if (target.length > limits.targetBytesMax) {
    return new Failure("TARGET_TOO_LONG", `${target.length} bytes are more than ${limits.targetBytesMax}`);
  }
  if (method === "CONNECT") return new Failure("METHOD_REFUSED", "CONNECT: this host is no forward proxy");
  const authority = authorityOf(parser);
  if (authority instanceof Failure) return authority;
  if (contentLength > limits.bodyBytesMax) {
    return new Failure("BODY_TOO_LARGE", `${contentLength} bytes are more than ${limits.bodyBytesMax}`);
  }
  if (parser.expect !== "" && (minor === 0 || parser.expect.toLowerCase() !== "100-continue")) {
    return new Failure("EXPECTATION_UNKNOWN", "Expect is not 100-continue");
  }
  const hasBody = chunked || contentLength > 0;
  const offered = parser.upgrade !== "" && minor === 1 && !hasBody && listed(connection, "upgrade");
  return {
    head: new RequestHead(method, scheme, authority, pathOf(target), parser.fields),
    facts: {
      minor,
      hasBody,
      contentLength,
      expectsContinue: parser.expect !== "",
      // HTTP/2 is spoken by whoever negotiates it with this hop, and by nobody behind its back.
      upgrade: offered && !listed(parser.upgrade, "h2c") ? parser.upgrade : "",
      acceptsTrailers: listed(parser.te, "trailers"),
      target,
      authority,
      via: parser.via,
      maxForwards: maxForwardsOf(parser),
      debug: parser.debug,
    },
    close: minor === 0 || listed(connection, "close"),
  };
}

/** What the parser refused, in the terms of the failure table. */
export function refusalOf({ error }: HeadParser): Failure {
  if (error === undefined) return new Failure("HOST_BROKE", "a head was refused without a reason");
  const detail = `${error.sentence} (byte ${error.at} of the head)`;
  if (error.kind === "too-many-fields") return new Failure("HEAD_TOO_LARGE", detail);
  return new Failure(error.kind === "coding-unknown" ? "CODING_UNKNOWN" : "MESSAGE_MALFORMED", detail);
}

/** RFC 9110 §7.6.2: for OPTIONS and TRACE only; what is no number is not understood, and left alone. */
function maxForwardsOf({ method, maxForwards }: HeadParser): number {
  if (maxForwards === "" || (method !== "OPTIONS" && method !== "TRACE")) return -1;
  return /^\d{1,9}$/.test(maxForwards) ? Number(maxForwards) : -1;
}

/** RFC 9112 §3.2: exactly one Host, in every form of target; in absolute form its authority counts instead. */
function authorityOf({ target, method, minor, hosts, host }: HeadParser): string | Failure {
  if (hosts > 1) return new Failure("MESSAGE_MALFORMED", "more than one Host");
  if (hosts === 0 && minor === 1) return new Failure("MESSAGE_MALFORMED", "no Host");
  if (hosts === 1 && !isAuthority(host)) return new Failure("MESSAGE_MALFORMED", "Host is no host[:port]");
  if (target.charCodeAt(0) === SLASH) return host;
  if (target === "*" && method === "OPTIONS") return host;
  const authority = ABSOLUTE.exec(target)?.[1];
  if (authority === undefined || !isAuthority(authority)) {
    return new Failure("MESSAGE_MALFORMED", "the target is neither a path nor an absolute URI");
  }
  return authority;
}

function pathOf(target: string): string {
  if (target.charCodeAt(0) === SLASH || target === "*") return target;
  const rest = target.replace(/^[^:]+:\/\/[^/?]*/, "");
  return rest.startsWith("/") ? rest : `/${rest}`;
}

const SLASH = 0x2f;
const ABSOLUTE = /^https?:\/\/([^/?#]*)[^#]*$/i;

/** RFC 9112 §2.2: empty lines before a request are passed over. */
export function withoutEmptyLines(data: Buffer): Buffer {
  let at = 0;
  while (data[at] === CR && data[at + 1] === LF) at += 2;
  return at === 0 ? data : data.subarray(at);
}

/** Which part of a head is too long: its target, when that alone passes its bound. */
export function tooLong(data: Buffer, { headBytesMax, targetBytesMax }: RequestLimits): Failure {
  const method = data.indexOf(SP);
  const target = data.subarray(method + 1).indexOf(SP);
  if (method >= 0 && (target < 0 || target > targetBytesMax))
    return new Failure("TARGET_TOO_LONG", `more than ${targetBytesMax} bytes`);
  return new Failure("HEAD_TOO_LARGE", `more than ${headBytesMax} bytes`);
}
