import { isDeepStrictEqual } from "node:util";
import { diffLines } from "diff";
import type { Json } from "../config/config.ts";
import type { Account, Pairs, SeenFailure } from "./account.ts";
import type {
  BodyExpectation,
  Expectation,
  FailureExpectation,
  FieldsExpectation,
  LineExpectation,
  MessageExpectation,
  TextExpectation,
} from "./case.ts";

/** Something that came out otherwise. */
export interface Difference {
  /** Like `response.headers.x-mark`. */
  readonly at: string;
  readonly expected: string;
  readonly got: string;
}

/** What a message of any kind has, as far as it has it. */
interface Seen {
  readonly status?: number;
  readonly method?: string;
  readonly authority?: string;
  readonly path?: string;
  readonly upstream?: string;
  readonly headers: Pairs;
  readonly body: Uint8Array | string;
  readonly trailers?: Pairs;
  readonly whole?: boolean;
}

/** Holds what came of a case against what was expected. */
export function differences(expect: Expectation, account: Account): Difference[] {
  return [
    ...presence("reply", expect.reply, account.reply, "the upstream's own answer"),
    ...presence("upstream", expect.upstream, account.upstream, "no request"),
    ...(expect.response === undefined
      ? []
      : presence("response", expect.response, account.response, "no response")),
    ...Object.entries(expect.edits ?? {}).flatMap(([phase, lines]) =>
      sameLines(`edits.${phase}`, lines ?? [], account.edits[phase as keyof Account["edits"]] ?? []),
    ),
    ...logged(expect.log ?? [], account.log),
    ...values("metrics", expect.metrics ?? {}, account.metrics),
    ...values("metadata", expect.metadata ?? {}, account.metadata),
    ...stored(expect.store ?? {}, account.store),
    ...failure(expect.failure, account),
    ...asked(expect.http, account.http),
  ];
}

function presence(
  at: string,
  expected: MessageExpectation | null | undefined,
  seen: Seen | null,
  none: string,
): Difference[] {
  if (expected === undefined) return [];
  if (expected === null) return seen === null ? [] : [{ at, expected: none, got: titleOf(seen) }];
  return seen === null ? [{ at, expected: written(expected), got: none }] : message(at, expected, seen);
}

function message(at: string, expected: MessageExpectation, seen: Seen): Difference[] {
  const found: Difference[] = [];
  for (const part of ["status", "method", "authority", "upstream", "whole"] as const) {
    const wanted = expected[part];
    if (wanted !== undefined && wanted !== seen[part])
      found.push({ at: `${at}.${part}`, expected: String(wanted), got: String(seen[part]) });
  }
  if (expected.path !== undefined) found.push(...text(`${at}.path`, expected.path, seen.path ?? ""));
  found.push(...fields(`${at}.headers`, expected.headers ?? {}, seen.headers));
  found.push(...fields(`${at}.trailers`, expected.trailers ?? {}, seen.trailers ?? []));
  if (expected.body !== undefined)
    found.push(...body(`${at}.body`, expected.body, Buffer.from(seen.body as string)));
  return found;
}

function fields(at: string, expected: FieldsExpectation, seen: Pairs): Difference[] {
  return Object.entries(expected).flatMap(([name, wanted]) => {
    const values = seen.filter(([one]) => one.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
    const place = `${at}.${name}`;
    if (wanted === null)
      return values.length === 0 ? [] : [{ at: place, expected: "none", got: values.join("\n") }];
    if (Array.isArray(wanted)) return sameLines(place, wanted as string[], values);
    const [first] = values;
    if (first === undefined) return [{ at: place, expected: written(wanted), got: "none" }];
    return values.length > 1
      ? [{ at: place, expected: written(wanted), got: values.join("\n") }]
      : text(place, wanted as TextExpectation, first);
  });
}

function body(at: string, expected: BodyExpectation, seen: Buffer): Difference[] {
  if (typeof expected === "object" && "json" in expected) return json(at, expected.json, seen);
  if (expected instanceof Object && "bytes" in expected) {
    const { bytes } = expected;
    return seen.equals(bytes)
      ? []
      : [{ at, expected: Buffer.from(bytes).toString("base64"), got: seen.toString("base64") }];
  }
  return text(at, expected, seen.toString("utf8"));
}

function json(at: string, expected: Json, seen: Buffer): Difference[] {
  let value: unknown;
  try {
    value = JSON.parse(seen.toString("utf8"));
  } catch {
    return [{ at, expected: pretty(expected), got: seen.toString("utf8") }];
  }
  return isDeepStrictEqual(value, expected) ? [] : [{ at, expected: pretty(expected), got: pretty(value) }];
}

export function isText(expected: TextExpectation, seen: string): boolean {
  if (typeof expected === "string") return expected === seen;
  return "matches" in expected ? new RegExp(expected.matches).test(seen) : seen.includes(expected.contains);
}

function text(at: string, expected: TextExpectation, seen: string): Difference[] {
  return isText(expected, seen) ? [] : [{ at, expected: written(expected), got: seen }];
}

function sameLines(at: string, expected: readonly string[], seen: readonly string[]): Difference[] {
  return isDeepStrictEqual(expected, seen)
    ? []
    : [{ at, expected: expected.join("\n") || "none", got: seen.join("\n") || "none" }];
}

/** In order, with others between them. */
function logged(
  expected: readonly (TextExpectation | LineExpectation)[],
  seen: Account["log"],
): Difference[] {
  let from = 0;
  for (const [index, wanted] of expected.entries()) {
    const place = seen.findIndex((line, at) => at >= from && isLine(wanted, line));
    if (place < 0)
      return [
        {
          at: `log[${index}]`,
          expected: written(wanted),
          got:
            seen
              .slice(from)
              .map(({ level, message: said }) => `${level} ${said}`)
              .join("\n") || "none",
        },
      ];
    from = place + 1;
  }
  return [];
}

function isLine(expected: TextExpectation | LineExpectation, seen: Account["log"][number]): boolean {
  if (typeof expected === "string" || "matches" in expected || "contains" in expected)
    return isText(expected, seen.message);
  const { level, message: said, attributes = {} } = expected;
  return (
    (level === undefined || level === seen.level) &&
    (said === undefined || isText(said, seen.message)) &&
    Object.entries(attributes).every(([name, value]) => isText(value, seen.attributes[name] ?? ""))
  );
}

function values(
  at: string,
  expected: Readonly<Record<string, unknown>>,
  seen: Readonly<Record<string, unknown>>,
): Difference[] {
  return Object.entries(expected).flatMap(([key, wanted]) =>
    (seen[key] ?? null) === wanted
      ? []
      : [{ at: `${at}.${key}`, expected: written(wanted), got: written(seen[key] ?? null) }],
  );
}

function stored(expected: NonNullable<Expectation["store"]>, seen: Account["store"]): Difference[] {
  return Object.entries(expected).flatMap(([key, wanted]) => {
    const value = seen[key];
    if (wanted === null)
      return value === undefined ? [] : [{ at: `store.${key}`, expected: "nothing", got: value }];
    return value === undefined
      ? [{ at: `store.${key}`, expected: written(wanted), got: "nothing" }]
      : text(`store.${key}`, wanted, value);
  });
}

/** A case that says nothing of failures expects none: a filter that traps has no right answer by accident. */
function failure(expected: FailureExpectation | null | undefined, account: Account): Difference[] {
  const seen = account.failure;
  if (expected === undefined || expected === null)
    return seen === null ? [] : [{ at: "failure", expected: "none", got: failureText(seen) }];
  const found: Difference[] = [];
  if (expected.code !== undefined && expected.code !== account.code)
    found.push({ at: "failure.code", expected: expected.code, got: account.code ?? "none" });
  const { reason, detail, stack } = expected;
  if (reason === undefined && detail === undefined && stack === undefined) return found;
  if (seen === null) return [...found, { at: "failure", expected: written(expected), got: "none" }];
  if (reason !== undefined && reason !== seen.reason)
    found.push({ at: "failure.reason", expected: reason, got: failureText(seen) });
  if (detail !== undefined) found.push(...text("failure.detail", detail, seen.detail));
  if (stack !== undefined && !seen.stack.some((place) => isText(stack, place)))
    found.push({ at: "failure.stack", expected: written(stack), got: seen.stack.join("\n") });
  return found;
}

function asked(expected: readonly MessageExpectation[] | undefined, seen: Account["http"]): Difference[] {
  if (expected === undefined) return [];
  if (expected.length !== seen.length)
    return [
      {
        at: "http",
        expected: expected.map(written).join("\n") || "none",
        got:
          seen.map(({ upstream, method, path }) => `${method} ${path} to ${upstream}`).join("\n") || "none",
      },
    ];
  return expected.flatMap((wanted, at) => message(`http[${at}]`, wanted, seen[at] as Seen));
}

export function failureText({ reason, detail, stack }: SeenFailure): string {
  return [`${reason}: ${detail}`, ...stack.map((place) => `    at ${place}`)].join("\n");
}

function titleOf(seen: Seen): string {
  return seen.status === undefined
    ? `${seen.method} ${seen.path}`
    : `${seen.status} ${Buffer.from(seen.body as string).toString("utf8")}`;
}

function written(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

/** A difference as lines: on one line each where both are short, else line by line what is missing and what is too much. */
export function differenceLines({ at, expected, got }: Difference): string[] {
  if (!expected.includes("\n") && !got.includes("\n")) return [at, `  - ${expected}`, `  + ${got}`];
  const parts = diffLines(`${expected}\n`, `${got}\n`);
  return [
    at,
    ...parts.flatMap(({ added, removed, value }) =>
      value
        .replace(/\n$/, "")
        .split("\n")
        .map((line) => `  ${added ? "+" : removed ? "-" : " "} ${line}`),
    ),
  ];
}
