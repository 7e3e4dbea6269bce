import fc from "fast-check";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { parseConfig } from "../../host/config/parse.ts";
import { ConfigError } from "../../host/config/problem.ts";
import { MINIMAL } from "./file.ts";

/**
 * Reads a text, and says what is wrong with the answer: it has to be a configuration, or a `ConfigError` whose problems
 * are sentences that lie within the text, in its order.
 */
function faults(text: string, variables: Record<string, string> = {}): string[] {
  try {
    return parseConfig(text, "sluice.yaml", variables).routes.length > 0 ? [] : ["accepted without a route"];
  } catch (error) {
    if (!(error instanceof ConfigError)) return [`threw ${String(error)}`];
    const lines = text.split(/\r\n|\n|\r/).length;
    const faulty = error.problems.filter(({ line, column, sentence }, index) => {
      const before = error.problems[index - 1] ?? { line: 1, column: 1 };
      const ordered = line > before.line || (line === before.line && column >= before.column);
      return !ordered || line > lines || !/^expected .*, got /s.test(sentence);
    });
    return error.problems.length === 0
      ? ["refused without a problem"]
      : faulty.map((problem) => JSON.stringify(problem));
  }
}

test("any text is accepted or refused with problems", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      expect(faults(text)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test("any text made of YAML's own signs is accepted or refused with problems", () => {
  const sign = fc.constantFrom(
    ...Array.from("[]{}:,-?!&*#|>'\"%@`~$\n\t ab1"),
    "${A}",
    "<<",
    "---\n",
    ": ",
    "\n  ",
    "&a ",
    "*a ",
    "!!str ",
  );
  fc.assert(
    fc.property(fc.array(sign, { maxLength: 60 }), (signs) => {
      expect(faults(signs.join(""), { A: "[*a" })).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test("any YAML under the known keys is accepted or refused with problems", () => {
  const key = fc.constantFrom(
    "listen",
    "admin",
    "workers",
    "artifacts",
    "log",
    "timeouts",
    "limits",
    "upstreams",
    "filters",
    "routes",
    "match",
    "servers",
    "component",
    "config",
    "grant",
    "env",
    "name",
    "upstream",
    "host",
    "path",
    "methods",
    "address",
    "drain",
    "constructor",
    "__proto__",
    "toString",
    "a",
    "",
  );
  const scalar = fc.oneof(
    fc.constantFrom(
      "127.0.0.1:0",
      "http://a",
      "a",
      "*.a",
      "/a/*",
      "GET",
      "5s",
      "1KiB",
      "auto",
      "${A}",
      "${B:-1}",
      "unix:/a",
    ),
    fc.string({ maxLength: 8 }),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      scalar,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(key, tie("tree"), { maxKeys: 6, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(key, tree, { maxKeys: 10, noNullPrototype: true }), (value) => {
      expect(faults(stringify(value), { A: "2" })).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test("a good file with any few characters changed is accepted or refused with problems", () => {
  const change = fc.record({
    at: fc.nat({ max: MINIMAL.length }),
    cut: fc.nat({ max: 8 }),
    insert: fc.oneof(
      fc.string({ maxLength: 4 }),
      fc.constantFrom("\n", "  ", "- ", ": ", "{", "]", '"', "*a", "&a ", "${A}"),
    ),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const text = changes.reduce(
        (before, { at, cut, insert }) => before.slice(0, at) + insert + before.slice(at + cut),
        MINIMAL,
      );
      expect(faults(text)).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["open lists", "[".repeat(50_000)],
  ["open mappings", "{a: ".repeat(20_000)],
  ["dashes", "- ".repeat(50_000)],
  [
    "one key under another",
    Array.from({ length: 500 }, (_unused, depth) => `${" ".repeat(depth)}a:`).join("\n"),
  ],
  ["many unknown keys", Array.from({ length: 5_000 }, (_unused, index) => `k${index}: 1`).join("\n")],
  ["commas", `[${",".repeat(20_000)}`],
  ["one long word", "a".repeat(1_000_000)],
])("a large text of %s is refused with problems", (_what, text) => {
  expect(faults(text)).toEqual([]);
});
