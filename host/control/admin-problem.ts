import { STATUS_CODES } from "node:http";

/**
 * Every problem that the admin API answers with: its status, and what it means. A code is public: it is never renamed and
 * never reused. docs/admin-api.md has the same table.
 */
export const PROBLEMS = {
  REQUEST_REFUSED: { status: 400, meaning: "The target, the Host or `If-Match` is malformed." },
  BODY_REFUSED: { status: 400, meaning: "The body is no JSON, not of the endpoint's shape, or broke off." },
  TOKEN_REFUSED: { status: 401, meaning: "There is no token, or an unknown one." },
  HOST_REFUSED: { status: 403, meaning: "The Host is none of the host's names (see below)." },
  ORIGIN_REFUSED: { status: 403, meaning: "A web page has sent the request." },
  ROLE_REFUSED: { status: 403, meaning: "The token's role is too small for this." },
  PATH_UNKNOWN: { status: 404, meaning: "There is nothing at this path." },
  FILTER_UNKNOWN: { status: 404, meaning: "No filter of that name runs." },
  GENERATION_UNKNOWN: {
    status: 404,
    meaning: "There is no such generation among those that are kept, or none before the live one.",
  },
  SERVER_UNKNOWN: { status: 404, meaning: "There is no such upstream, or no such server of it." },
  EXCHANGE_UNKNOWN: { status: 404, meaning: "No exchange of that id is kept, or not any more." },
  TRIAL_UNKNOWN: { status: 404, meaning: "The filter has had no trial." },
  METHOD_REFUSED: { status: 405, meaning: "Another method is needed; `Allow` names it." },
  NO_FILE: { status: 409, meaning: "The host was started without a configuration file." },
  SERVER_NEEDED: { status: 409, meaning: "It is the last server of its upstream that takes exchanges." },
  RECORDING_REFUSED: { status: 409, meaning: "As many recordings are under way as may be." },
  RESTART_NEEDED: { status: 409, meaning: "Only a restart, or SIGUSR2, changes what is asked for." },
  TRIAL_REFUSED: { status: 409, meaning: "The filter has no trial to end, or has one already." },
  GENERATION_CHANGED: {
    status: 412,
    meaning: "Another generation is live than `If-Match` says; the member `generation` is its number.",
  },
  BODY_TOO_LARGE: { status: 413, meaning: "The body is longer than 1 MiB." },
  CONTENT_TYPE_REFUSED: { status: 415, meaning: "The body is not `application/json`." },
  ARTIFACT_REFUSED: {
    status: 422,
    meaning:
      "The component cannot be read, is none of this world, has another digest, or imports what is not granted.",
  },
  CONFIG_REFUSED: {
    status: 422,
    meaning:
      "The configuration is wrong; the member `problems` says what and where: `[{line, column, path, sentence}]`.",
  },
  CONFIGURE_REFUSED: {
    status: 422,
    meaning: "The filter refused its config, or failed while it was configured.",
  },
  GRANT_MISSING: {
    status: 422,
    meaning: "The component imports more than the present one, and the configuration does not grant it.",
  },
  SIGNATURE_REFUSED: {
    status: 422,
    meaning: "The component has no signature that the configuration asks for.",
  },
  LIVE_REFUSED: { status: 503, meaning: "As many look on already as may: a stream that ends makes room." },
  GUESSES_REFUSED: {
    status: 429,
    meaning: "Too many wrong tokens came from this address: in the next second they are looked at again.",
  },
  HOST_BROKE: {
    status: 500,
    meaning: "A fault of the host, which its log explains; nothing of it is told here.",
  },
  HOST_BUSY: { status: 503, meaning: "Too many long bodies are being read; a second later there is room." },
  HOST_UNAVAILABLE: {
    status: 503,
    meaning: "The host stops, lost a worker meanwhile, or cannot write its state.",
  },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

export interface ProblemExtras {
  /** Fields of the answer. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Members of the problem, beside those that each has (RFC 9457 §3.2). */
  readonly members?: Readonly<Record<string, unknown>>;
}

/** Thrown from wherever a request turns out to be none that can be answered. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;

  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail);
    this.code = code;
    this.extras = extras;
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }
}

/** The answer, as RFC 9457 has it. */
export function answerOf({ code, status, message, extras }: Problem): Response {
  const title = STATUS_CODES[status];
  const body = { type: "about:blank", title, status, code, detail: message, ...extras.members };
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...extras.fields, "content-type": "application/problem+json" },
  });
}
