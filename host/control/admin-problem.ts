import { STATUS_CODES } from "node:http";

/**
 * Every problem that the admin API answers with, and its status. A code is public: it is never renamed and never
 * reused. docs/admin-api.md explains each.
 */
export const PROBLEMS = {
  REQUEST_REFUSED: 400,
  BODY_REFUSED: 400,
  HOST_REFUSED: 403,
  ORIGIN_REFUSED: 403,
  PATH_UNKNOWN: 404,
  FILTER_UNKNOWN: 404,
  GENERATION_UNKNOWN: 404,
  SERVER_UNKNOWN: 404,
  METHOD_REFUSED: 405,
  NO_FILE: 409,
  SERVER_NEEDED: 409,
  RESTART_NEEDED: 409,
  TRIAL_REFUSED: 409,
  GENERATION_CHANGED: 412,
  BODY_TOO_LARGE: 413,
  CONTENT_TYPE_REFUSED: 415,
  ARTIFACT_REFUSED: 422,
  CONFIG_REFUSED: 422,
  CONFIGURE_REFUSED: 422,
  GRANT_MISSING: 422,
  SIGNATURE_REFUSED: 422,
  HOST_BROKE: 500,
  HOST_UNAVAILABLE: 503,
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** Thrown from wherever a request turns out to be none that can be answered. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly fields: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, detail: string, fields: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.code = code;
    this.fields = fields;
  }
}

/** The answer, as RFC 9457 has it. */
export function answerOf({ code, message, fields }: Problem): Response {
  const status = PROBLEMS[code];
  const body = { type: "about:blank", title: STATUS_CODES[status], status, code, detail: message };
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...fields, "content-type": "application/problem+json" },
  });
}
