/**
 * Every failure that the host can answer with. A code is public: it is never renamed and never reused.
 * docs/failures.md explains each. `fault` says whose it was.
 */
export const FAILURES = {
  MESSAGE_MALFORMED: { status: 400, fault: "client" },
  ROUTE_NOT_FOUND: { status: 404, fault: "client" },
  REQUEST_TIMED_OUT: { status: 408, fault: "client" },
  BODY_TOO_LARGE: { status: 413, fault: "client" },
  TARGET_TOO_LONG: { status: 414, fault: "client" },
  EXPECTATION_UNKNOWN: { status: 417, fault: "client" },
  HEAD_TOO_LARGE: { status: 431, fault: "client" },
  CLIENT_GONE: { status: 499, fault: "client" },
  LOOP_DETECTED: { status: 508, fault: "client" },
  CODING_UNKNOWN: { status: 501, fault: "client" },
  METHOD_REFUSED: { status: 501, fault: "client" },
  FILTER_TRAPPED: { status: 500, fault: "filter" },
  FILTER_BROKE_CONTRACT: { status: 500, fault: "filter" },
  FILTER_BUSY: { status: 503, fault: "filter" },
  UPSTREAM_UNREACHABLE: { status: 502, fault: "upstream" },
  UPSTREAM_BROKE_OFF: { status: 502, fault: "upstream" },
  UPSTREAM_MALFORMED: { status: 502, fault: "upstream" },
  UPSTREAM_BUSY: { status: 503, fault: "upstream" },
  UPSTREAM_CONNECT_TIMED_OUT: { status: 504, fault: "upstream" },
  UPSTREAM_TIMED_OUT: { status: 504, fault: "upstream" },
  HOST_BROKE: { status: 500, fault: "host" },
} as const;

export type FailureCode = keyof typeof FAILURES;

/** `detail` goes to the log and never to the client; the client sees the code and the status. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: FailureCode;
  readonly detail: string;

  constructor(code: FailureCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
    this.detail = detail;
  }

  /** Whatever is no `Failure` is the host's own fault. */
  static from(error: unknown): Failure {
    if (error instanceof Failure) return error;
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return new Failure("HOST_BROKE", detail, { cause: error });
  }
}
