import type { Account, Pairs } from "./account.ts";
import type { Difference } from "./case-check.ts";

/** What must come out the same, one line for each part: what upstream, client and later filters got. Logs, metrics and caches are the filter's own. */
export type Answer = ReadonlyMap<string, string>;

/** `loose`: where the order of fields with different names and the case of names mean nothing. */
export function answerOf(account: Account, loose = false): Answer {
  const { upstream, response, code, failure, metadata } = account;
  const answer = new Map<string, string>();
  const fields = (at: string, pairs: Pairs): void => {
    const lines = pairs.map(([name, value]) => `${loose ? name.toLowerCase() : name}: ${value}`);
    answer.set(at, (loose ? sortedByName(pairs, lines) : lines).join("\n"));
  };
  if (upstream === null) answer.set("upstream", "no request");
  else {
    const { method, authority, path, headers, body, trailers, whole } = upstream;
    answer.set("upstream", `${method} ${path} of ${authority}, ${whole ? "whole" : "broken off"}`);
    fields("upstream.headers", headers);
    // How much of a message has gone before it broke off is a matter of when its pieces came.
    if (whole) answer.set("upstream.body", bodyText(body));
    if (whole) fields("upstream.trailers", trailers);
  }
  if (response === null) answer.set("response", "no response");
  else {
    const { status, headers, body, trailers, whole } = response;
    answer.set("response", `${status}, ${whole ? "whole" : "broken off"}`);
    fields("response.headers", headers);
    if (whole) answer.set("response.body", bodyText(body));
    if (whole) fields("response.trailers", trailers);
  }
  answer.set("code", code ?? "none");
  answer.set("failure", failure === null ? "none" : `${failure.reason}: ${failure.detail}`);
  answer.set("metadata", JSON.stringify(metadata));
  return answer;
}

/** What is another one now. */
export function between(plain: Answer, varied: Answer): Difference[] {
  return Array.from(plain, ([at, expected]) => ({ at, expected, got: varied.get(at) })).filter(
    // What only one of them has is part of a message that the other one has not, which is a difference of its own.
    (one): one is Difference => one.got !== undefined && one.got !== one.expected,
  );
}

/** Stable, so that fields of one name keep their order. */
function sortedByName(pairs: Pairs, lines: readonly string[]): string[] {
  return pairs
    .map(([name], at) => [name.toLowerCase(), lines[at] as string] as const)
    .toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
    .map(([, line]) => line);
}

function bodyText(body: Uint8Array): string {
  const text = Buffer.from(body).toString("utf8");
  return Buffer.from(text).equals(body) ? text : `base64 ${Buffer.from(body).toString("base64")}`;
}
