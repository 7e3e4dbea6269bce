import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import type { Json } from "../../host/config/config.ts";
import { coreMeaning, substitute, type Variables } from "../../host/config/substitution.ts";
import { complaints, MINIMAL, parse } from "./file.ts";

describe("references to variables", () => {
  test.each<[written: string, text: string, variables: number]>([
    ["plain text", "plain text", 0],
    ["${NAME}", "value", 1],
    ["a ${NAME} b ${NAME}", "a value b value", 2],
    ["${NAME:-default}", "value", 1],
    ["${EMPTY}", "", 1],
    ["${EMPTY:-default}", "default", 1],
    ["${MISSING:-default}", "default", 1],
    ["${MISSING:-}", "", 1],
    ["${MISSING:-a:-b $ {}", "a:-b $ {", 1],
    ["$${NAME}", "${NAME}", 0],
    ["$NAME $$ {NAME}", "$NAME $$ {NAME}", 0],
    ["${NESTED}", "${NAME}", 1],
  ])("%j becomes %j", (written, text, variables) => {
    const environment = { NAME: "value", EMPTY: "", NESTED: "${NAME}" };
    expect(substitute(written, environment)).toEqual({ kind: "text", text, variables });
  });

  test.each(["${}", "${1X}", "${NAME", "${NAME-default}", "${NA ME}", "${NAME:default}"])(
    "%j is refused",
    (written) => {
      expect(substitute(written, { NAME: "value" })).toMatchObject({ kind: "refused" });
    },
  );

  test("a variable that objects have by themselves is missing like any other", () => {
    expect(substitute("${constructor}", {})).toMatchObject({ kind: "refused" });
  });

  test("a missing variable is a problem at its value", () => {
    expect(complaints(`${MINIMAL}artifacts: "\${CACHE}/sluice"`)).toEqual([
      "sluice.yaml:6:12 artifacts: expected the environment variable CACHE, got nothing (${CACHE:-default} gives it a default)",
    ]);
  });
});

describe("what is put in fits itself to the option", () => {
  const withConfig = (value: string, variables: Variables): Json | undefined =>
    parse(`${MINIMAL}filters:\n  f:\n    component: f.wasm\n    config: ${value}\n`, variables).filters[0]
      ?.config;

  test.each(["workers: ${W}", 'workers: "${W}"', "workers: '${W}'", "workers: ${NONE:-3}"])(
    "%s is a number",
    (line) => {
      expect(parse(`${MINIMAL}${line}`, { W: "3" }).workers).toBe(3);
    },
  );

  test("a word, a boolean, a size and a duration are read where they are expected", () => {
    const config = parse(
      `${MINIMAL}workers: \${W}\nadmin: \${A}\nlog: { exchanges: "\${A}" }\nlimits: { edit-bytes: "\${S}" }\ntimeouts: { drain: "\${D}" }`,
      { W: "auto", A: "false", S: "4096", D: "9s" },
    );
    expect(config.admin).toBeNull();
    expect(config.log.exchanges).toBeNull();
    expect(config.limits.editBytesMax).toBe(4_096);
    expect(config.timeouts.drainMs).toBe(9_000);
  });

  test("text stays text where text is expected, whatever it looks like", () => {
    const values = ["1", "0x10", "true", "null", "", "1e3", "~"];
    const env = values.map((_value, index) => `        V${index}: \${V${index}}`).join("\n");
    const config = parse(
      `${MINIMAL}filters:\n  f:\n    component: f.wasm\n    grant:\n      env:\n${env}\n`,
      Object.fromEntries(values.map((value, index) => [`V${index}`, value])),
    );
    expect(config.filters[0]?.grant.env.map(([, value]) => value)).toEqual(values);
  });

  test("in a filter's config quotes decide", () => {
    expect(withConfig("${V}", { V: "12" })).toBe(12);
    expect(withConfig('"${V}"', { V: "12" })).toBe("12");
    expect(withConfig("${V}", { V: "" })).toBeNull();
    expect(withConfig('["${V}", { a: "x-${V}" }]', { V: "true" })).toEqual(["true", { a: "x-true" }]);
    expect(withConfig("!!str ${V}", { V: "12" }), "a tag says it is text").toBe("12");
    expect(withConfig("$${V}", {})).toBe("${V}");
  });

  test("a value that does not fit is shown with the reference that it came from", () => {
    expect(complaints(`${MINIMAL}workers: "\${W}"`, { W: "lots" })).toEqual([
      'sluice.yaml:6:10 workers: expected a whole number from 1 to 64, or auto, got "lots" from "${W}"',
    ]);
  });

  test("a variable's text can neither add options nor name another variable", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.constantFrom("{a: 1}", "[1]", "a: 1\nb: 2", "*x", "${B}", "#"),
        ),
        (text) => {
          expect(withConfig('"${A}"', { A: text, B: "other" })).toBe(text);
          expect(typeof withConfig("${A}", { A: text, B: "other" }), "it became a collection").not.toBe(
            withConfig("${A}", { A: text, B: "other" }) === null ? "" : "object",
          );
        },
      ),
    );
  });

  test("unquoted text means what it would mean to YAML 1.2", () => {
    const numbers = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.integer().map(String),
    );
    const written = fc.stringMatching(/^[-+]?[0-9.eEox]{1,8}$/);
    const words = fc.constantFrom(
      "null",
      "Null",
      "nULL",
      "~",
      "true",
      "True",
      "tRUE",
      "FALSE",
      "yes",
      "on",
      "0o17",
      "0x1F",
      "1_000",
      "010",
    );
    fc.assert(
      fc.property(fc.oneof(numbers, written, words), (text) => {
        fc.pre(text !== "-");
        const { meaning } = parseYaml(`meaning: ${text}`, {
          version: "1.2",
          schema: "core",
          logLevel: "silent",
        }) as { meaning: unknown };
        const holds =
          typeof meaning !== "number" ||
          (Number.isFinite(meaning) && (!Number.isInteger(meaning) || Number.isSafeInteger(meaning)));
        expect(coreMeaning(text)).toEqual(holds ? meaning : text);
      }),
      { numRuns: 2_000 },
    );
  });
});
