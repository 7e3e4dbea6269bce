import type { Account, Pairs } from "./account.ts";
import { failureText } from "./case-check.ts";

/** What a matcher gives to the runner. */
interface Verdict {
  readonly pass: boolean;
  readonly message: () => string;
}

/** What `expect(exchange)` can say with `matchers`. */
export interface FilterMatchers<Result = void> {
  /** The upstream got the request, and the client its response. */
  toPass(): Result;
  /** The filter, or the host, has answered in the place of the upstream. */
  toReply(status?: number, body?: string | RegExp): Result;
  /** Of the response that the client gets; or of the message itself, when it is one that has headers. */
  toHaveHeader(name: string, value?: string | RegExp): Result;
  /** The filter has failed, for this reason: `trap`, `fuel`, `memory`, `contract`, … */
  toFail(reason?: string): Result;
  /** A line of its log has this text. */
  toLog(text: string | RegExp): Result;
}

/** For `expect.extend`. */
export const matchers: {
  readonly [Name in keyof FilterMatchers]: (got: never, ...args: never[]) => Verdict;
} = {
  toPass: (got: Account) =>
    verdict(
      got.reply === null && got.upstream !== null && got.response?.whole === true,
      "the exchange to pass the filter",
      describe(got),
    ),
  toReply: (got: Account, status?: number, body?: string | RegExp) =>
    verdict(
      got.reply !== null &&
        (status === undefined || got.reply.status === status) &&
        (body === undefined || fits(body, textOf(got.reply.body))),
      `a reply${status === undefined ? "" : ` with ${status}`}${body === undefined ? "" : ` and the body ${shown(body)}`}`,
      describe(got),
    ),
  toHaveHeader: (
    got: Account | { readonly headers: Pairs } | null,
    name: string,
    value?: string | RegExp,
  ) => {
    const headers = headersOf(got);
    const values = headers.filter(([one]) => one.toLowerCase() === name.toLowerCase()).map(([, one]) => one);
    return verdict(
      value === undefined ? values.length > 0 : values.some((one) => fits(value, one)),
      `a header ${name}${value === undefined ? "" : ` with ${shown(value)}`}`,
      values.length === 0
        ? `there is none of that name, but ${headers.map(([one]) => one).join(", ") || "no header at all"}`
        : `its value is ${values.map((one) => JSON.stringify(one)).join(", ")}`,
    );
  },
  toFail: (got: Account, reason?: string) =>
    verdict(
      got.failure !== null && (reason === undefined || got.failure.reason === reason),
      `the filter to fail${reason === undefined ? "" : ` (${reason})`}`,
      got.failure === null ? "it has not failed" : failureText(got.failure),
    ),
  toLog: (got: Account, text: string | RegExp) =>
    verdict(
      got.log.some(({ message }) => fits(text, message, "part")),
      `a line of the log with ${shown(text)}`,
      got.log.map(({ level, message }) => `${level} ${message}`).join("\n") || "nothing was logged",
    ),
};

/** Of the message itself, or of the response that the client got. */
function headersOf(got: Account | { readonly headers: Pairs } | null): Pairs {
  if (got === null) return [];
  return "headers" in got ? got.headers : (got.response?.headers ?? []);
}

function verdict(pass: boolean, expected: string, got: string): Verdict {
  return { pass, message: () => `expected ${pass ? "not " : ""}${expected}; ${got}` };
}

function describe({ reply, response, failure, code }: Account): string {
  if (failure !== null) return `the filter has failed: ${failureText(failure)}`;
  if (reply !== null)
    return `${reply.by === null ? `the host has replied (${code})` : `${reply.by} has replied`} with ${reply.status} ${JSON.stringify(textOf(reply.body))}`;
  return response === null ? "the client got nothing" : `the upstream has answered with ${response.status}`;
}

function fits(expected: string | RegExp, got: string, how: "whole" | "part" = "whole"): boolean {
  if (expected instanceof RegExp) return expected.test(got);
  return how === "whole" ? got === expected : got.includes(expected);
}

function shown(text: string | RegExp): string {
  return text instanceof RegExp ? String(text) : JSON.stringify(text);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
