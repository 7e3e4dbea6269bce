import type { Ending } from "./filter/contract.ts";

/**
 * Every failure that the host can answer with. A code is public: it is never renamed and never reused.
 * docs/failures.md explains each. `fault` says whose it was, `error` is its type in Proxy-Status (RFC 9209 §2.3).
 */
export const FAILURES = {
  MESSAGE_MALFORMED: { status: 400, fault: "client", error: "http_request_error" },
  PROXY_HEADER_MALFORMED: { status: 400, fault: "client", error: "http_request_error" },
  ROUTE_NOT_FOUND: { status: 404, fault: "client", error: "destination_not_found" },
  REQUEST_TIMED_OUT: { status: 408, fault: "client", error: "http_request_error" },
  BODY_TOO_LARGE: { status: 413, fault: "client", error: "http_request_error" },
  FILTER_BODY_TOO_LARGE: { status: 413, fault: "client", error: "http_request_error" },
  TARGET_TOO_LONG: { status: 414, fault: "client", error: "http_request_error" },
  EXPECTATION_UNKNOWN: { status: 417, fault: "client", error: "http_request_error" },
  HEAD_TOO_LARGE: { status: 431, fault: "client", error: "http_request_error" },
  CLIENT_GONE: { status: 499, fault: "client", error: "http_request_error" },
  LOOP_DETECTED: { status: 508, fault: "client", error: "proxy_loop_detected" },
  CODING_UNKNOWN: { status: 501, fault: "client", error: "http_request_error" },
  METHOD_REFUSED: { status: 501, fault: "client", error: "http_request_denied" },
  FILTER_TRAPPED: { status: 500, fault: "filter", error: "proxy_internal_error" },
  FILTER_OUT_OF_FUEL: { status: 500, fault: "filter", error: "proxy_internal_error" },
  FILTER_OUT_OF_MEMORY: { status: 500, fault: "filter", error: "proxy_internal_error" },
  FILTER_BROKE_CONTRACT: { status: 500, fault: "filter", error: "proxy_internal_error" },
  FILTER_QUARANTINED: { status: 503, fault: "filter", error: "proxy_internal_error" },
  FILTER_BROKE_OFF: { status: 502, fault: "filter", error: "proxy_internal_error" },
  FILTER_RESPONSE_TOO_LARGE: { status: 502, fault: "upstream", error: "http_response_body_size" },
  FILTER_BUSY: { status: 503, fault: "filter", error: "proxy_internal_error" },
  UPSTREAM_UNREACHABLE: { status: 502, fault: "upstream", error: "connection_refused" },
  UPSTREAM_TLS_FAILED: { status: 502, fault: "upstream", error: "tls_protocol_error" },
  UPSTREAM_BROKE_OFF: { status: 502, fault: "upstream", error: "connection_terminated" },
  UPSTREAM_MALFORMED: { status: 502, fault: "upstream", error: "http_protocol_error" },
  UPSTREAM_BUSY: { status: 503, fault: "upstream", error: "connection_limit_reached" },
  UPSTREAM_CONNECT_TIMED_OUT: { status: 504, fault: "upstream", error: "connection_timeout" },
  UPSTREAM_TIMED_OUT: { status: 504, fault: "upstream", error: "http_response_timeout" },
  HOST_FULL: { status: 503, fault: "host", error: "proxy_internal_response" },
  HOST_OVERLOADED: { status: 503, fault: "host", error: "proxy_internal_response" },
  HOST_BROKE: { status: 500, fault: "host", error: "proxy_internal_error" },
} as const;

export type FailureCode = keyof typeof FAILURES;

/** What RFC 9209 §2.3 tells apart and one code of ours does not: why a server was not reached. */
export type CloserError =
  | "dns_error"
  | "destination_ip_unroutable"
  | "connection_terminated"
  | "tls_certificate_error"
  | "tls_alert_received"
  | "proxy_internal_error";

/** Proxy-Status of an answer that this host makes itself (RFC 9209): the hop, why, and nothing that anybody else has said. */
export const PROXY_STATUS: Readonly<Record<FailureCode, string>> = Object.fromEntries(
  Object.entries(FAILURES).map(([code, { error }]) => [code, statusLine(code, error)]),
) as Record<FailureCode, string>;

/** The same, with the closer type where the failure has one. */
export function proxyStatus({ code, closer }: Failure): string {
  return closer === undefined ? PROXY_STATUS[code] : statusLine(code, closer);
}

/**
 * `detail` goes to the log and never to the client; the client sees the code and the status. `closer`: the type in
 * Proxy-Status where the code's own one is not the closest.
 */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: FailureCode;
  readonly detail: string;
  readonly closer: CloserError | undefined;

  constructor(
    code: FailureCode,
    detail: string,
    options?: ErrorOptions & { readonly closer?: CloserError | undefined },
  ) {
    super(`${code}: ${detail}`, options);
    this.code = code;
    this.detail = detail;
    this.closer = options?.closer;
  }

  /** Whatever is no `Failure` is the host's own fault. */
  static from(error: unknown): Failure {
    if (error instanceof Failure) return error;
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return new Failure("HOST_BROKE", detail, { cause: error });
  }
}

/** What the filters of an exchange are told of its end. */
export function endingOf(failure: Failure | undefined): Ending {
  if (failure === undefined) return "complete";
  if (failure.code === "CLIENT_GONE") return "client-gone";
  if (failure.code.endsWith("TIMED_OUT")) return "timed-out";
  const { fault } = FAILURES[failure.code];
  return fault === "upstream" ? "upstream-failed" : fault === "filter" ? "filter-failed" : "refused";
}

function statusLine(code: string, error: string): string {
  return `sluice; error=${error}; details="${code}"`;
}
