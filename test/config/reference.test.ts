import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Document, parse as parseYaml } from "yaml";
import * as z from "zod";
import { editorSchema, fillTables, listOptions } from "../../host/config/reference.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { complaints, MINIMAL } from "./file.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

describe("schema/sluice.schema.json", () => {
  const schema = JSON.parse(editorSchema()) as z.core.JSONSchema.JSONSchema;

  test("it is what the present schema makes (node scripts/write-schema.ts writes it anew)", () => {
    expect(read("schema/sluice.schema.json")).toBe(editorSchema());
  });

  test("it explains every option and knows every default", () => {
    const text = editorSchema();
    for (const option of listOptions()) {
      expect(option.meaning, `${option.path} has no meaning`).not.toBe("");
      expect(text).toContain(JSON.stringify(option.meaning));
    }
    expect(text, "the annotation for the documentation was left in").not.toContain("x-expected");
  });

  test("every value that has a form is an option with words for it", () => {
    const wordless: string[] = [];
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return;
      for (const [key, child] of Object.entries((node as { properties?: object }).properties ?? {})) {
        if ((child as { description?: string }).description === undefined && !("properties" in child))
          wordless.push(`${path}.${key}`);
      }
      for (const [key, child] of Object.entries(node)) walk(child, `${path}.${key}`);
    };
    walk(schema, "");
    expect(wordless).toEqual([]);
  });

  const editors = z.fromJSONSchema(schema);

  test.each([
    MINIMAL,
    `${MINIMAL}workers: auto`,
    `${MINIMAL}workers: \${WORKERS}`,
    `${MINIMAL}admin: false`,
    `${MINIMAL}admin: unix:/run/sluice.sock`,
    `${MINIMAL}admin: { address: "127.0.0.1:1", tokens: [{ name: a, role: read, sha256: "${"0".repeat(64)}" }] }`,
    `${MINIMAL}log: { exchanges: "\${LOG:-true}" }`,
    `${MINIMAL}limits: { edit-bytes: 4096, reply-bytes: 2MiB }`,
    `${MINIMAL}filters: { f: { component: f.wasm, config: [1, { a: null }] } }`,
  ])("editors accept what sluice accepts: %j", (text) => {
    expect(complaints(text, { WORKERS: "2" })).toEqual([]);
    expect(editors.safeParse(parseYaml(text)).error).toBeUndefined();
  });

  test.each([
    `${MINIMAL}wrkers: 2`,
    `${MINIMAL}workers: 65`,
    `${MINIMAL}workers: many`,
    `${MINIMAL}timeouts: { drain: 25 }`,
    `${MINIMAL}limits: { edits: 0 }`,
    `${MINIMAL}admin: { tokens: [] }`,
    `${MINIMAL}admin: { address: "127.0.0.1:1", tokens: [{ name: a, role: root, sha256: "0" }] }`,
    `${MINIMAL}filters: { f: {} }`,
    `${MINIMAL}filters: { f: { component: "oci://example.com/f" } }`,
    `${MINIMAL}filters: { F: { component: f.wasm } }`,
    MINIMAL.replace("http:", "ws:"),
    MINIMAL.replace("127.0.0.1:8080", "8080"),
  ])("editors refuse what sluice refuses: %j", (text) => {
    expect(complaints(text)).not.toEqual([]);
    expect(editors.safeParse(parseYaml(text)).success).toBe(false);
  });
});

describe("docs/configuration.md", () => {
  const guide = read("docs/configuration.md");

  test("its tables are what the present schema makes (node scripts/write-schema.ts writes them anew)", () => {
    expect(guide).toBe(fillTables(guide));
  });

  test("it names every option with its default, and nothing else", () => {
    const rows = [...guide.matchAll(/^\| `(?<path>[^`]+)` \|.*?\| (?<value>required|none|`[^`]*`) \|/gm)];
    const documented = rows.map(({ groups }) => `${groups?.["path"]}: ${groups?.["value"]}`);
    const options = listOptions().map((option) => {
      const value =
        option.default === undefined ? (option.required ? "required" : "none") : `\`${option.default}\``;
      return `${option.path}: ${value}`;
    });
    expect(documented.toSorted()).toEqual(options.toSorted());
  });

  test("the defaults that it tells are those that an empty option gets", () => {
    const defaults = listOptions().filter(
      (option) => option.default !== undefined && !/NAME|\[\]|^filters$|^(capsules|slo)\./.test(option.path),
    );
    const document = new Document({});
    for (const option of defaults) document.setIn(option.path.split("."), parseYaml(option.default ?? ""));
    const spelled = parseConfig(MINIMAL + document.toString(), "/etc/sluice.yaml", {});
    expect(spelled).toEqual(parseConfig(MINIMAL, "/etc/sluice.yaml", {}));
  });

  test("its example is accepted", () => {
    const [example] = [...guide.matchAll(/```yaml\n([^]*?)```/g)].map((match) => match[1] ?? "");
    expect(complaints(example ?? "")).toEqual([]);
  });

  test("the problems that it shows are those that such a file has", () => {
    const [shown] = [...guide.matchAll(/```text\n([^]*?)\n```/g)].map((match) => match[1]?.split("\n") ?? []);
    const [example] = [...guide.matchAll(/```yaml\n([^]*?)```/g)].map((match) => match[1] ?? "");
    const spoiled = (example ?? "")
      .replace("workers: 2", "workers: two")
      .replace("    config:", "    onFailure: open\n    config:")
      .replace("upstream: api", "upstream: apis");
    expect(complaints(spoiled)).toEqual(shown);
  });
});
