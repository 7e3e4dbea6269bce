import * as z from "zod";
import { DRAFT } from "./schema.ts";
import { EXPECTED, LONG_FORM } from "./shape.ts";

/**
 * What the schema says to people: the JSON Schema that editors complete and check the file with, and the
 * tables of options in docs/configuration.md.
 */

/** The part of JSON Schema that the options are made of. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | false;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly [EXPECTED]?: string;
  readonly [LONG_FORM]?: true;
}

/** One option, as the documentation shows it. */
export interface Option {
  /** `filters.NAME.grant.log`, `routes[].upstream`. */
  readonly path: string;
  /** What its value has to be. */
  readonly expected: string;
  /** As it is written in the file; undefined when there is none. */
  readonly default: string | undefined;
  readonly required: boolean;
  readonly meaning: string;
}

/** Lets a variable stand wherever a value has a form: editors see the file before variables are put in. */
const VARIABLE = { $ref: "#/$defs/variable" };

/** The JSON Schema of the file, as text. */
export function editorSchema(): string {
  const { $schema, ...schema } = written();
  const document = {
    $schema,
    title: "sluice.yaml",
    ...(forEditors(schema) as object),
    $defs: { variable: { description: "A variable of the environment.", type: "string", pattern: "\\$\\{" } },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** All options, in the order of the schema. */
export function listOptions(): Option[] {
  return optionsOf(written() as Schema, "", false);
}

/** The documentation with its tables made anew: each stands after a comment that names the file's keys that it shows. */
export function fillTables(guide: string): string {
  return guide.replace(
    /(<!-- options: ([a-z -]+) -->\n)[^]*?<!-- end -->/g,
    (_whole, begin: string, keys: string) => `${begin}${optionTable(keys.split(" "))}\n<!-- end -->`,
  );
}

function optionTable(keys: readonly string[]): string {
  const rows = listOptions()
    .filter(({ path }) => keys.includes(/^[a-z-]+/.exec(path)?.[0] ?? ""))
    .map(
      (option) => `| \`${option.path}\` | ${option.expected} | ${defaultCell(option)} | ${option.meaning} |`,
    );
  return ["| Option | Value | Default | Meaning |", "|---|---|---|---|", ...rows].join("\n");
}

function written(): z.core.JSONSchema.JSONSchema {
  return z.toJSONSchema(DRAFT, { io: "input" });
}

function optionsOf(schema: Schema, path: string, required: boolean): Option[] {
  const expected = schema[EXPECTED];
  const own = expected === undefined ? [] : [optionOf(schema, expected, path, required)];
  return [...own, ...(schema[LONG_FORM] ? alternativePartsOf(schema, path) : partsOf(schema, path))];
}

/** The options within a mapping or a list. */
function partsOf(schema: Schema, path: string): Option[] {
  const { properties = {}, required = [], additionalProperties, items, anyOf = [] } = schema;
  // Where a list may stand in the place of a mapping, its elements have the same parts: they are told once.
  const elements = anyOf.some(({ type }) => type === "array")
    ? anyOf.filter(({ type }) => type === "object")
    : [];
  return [
    ...elements.flatMap((alternative) => partsOf(alternative, path)),
    ...Object.entries(properties).flatMap(([key, child]) =>
      optionsOf(child, path === "" ? key : `${path}.${key}`, required.includes(key)),
    ),
    ...(additionalProperties ? alternativePartsOf(additionalProperties, `${path}.NAME`) : []),
    ...(items ? alternativePartsOf(items, `${path}[]`) : []),
  ];
}

/** Of a value that may be a scalar, those of the mapping. A scalar has no parts: an element is described with its list. */
function alternativePartsOf(schema: Schema, path: string): Option[] {
  return [schema, ...(schema.anyOf ?? [])].flatMap((alternative) => partsOf(alternative, path));
}

function optionOf(schema: Schema, expected: string, path: string, required: boolean): Option {
  const each = schema.items?.[EXPECTED];
  return {
    path,
    expected: each === undefined ? expected : `${expected}: each ${each}`,
    default: schema.default === undefined ? undefined : writtenValue(schema.default),
    required,
    meaning: schema.description ?? "",
  };
}

function defaultCell(option: Option): string {
  if (option.default !== undefined) return `\`${option.default}\``;
  return option.required ? "required" : "none";
}

function writtenValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Takes out what is for the documentation only, and lets variables in. */
function forEditors(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(forEditors);
  if (typeof node !== "object" || node === null) return node;
  const annotations: Record<string, unknown> = {};
  const rules: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === "description") annotations[key] = value;
    // An empty mapping says nothing to who completes a file.
    else if (key === "default" && JSON.stringify(value) !== "{}") annotations[key] = value;
    // Its keys are options and no rules.
    else if (key === "properties") rules[key] = eachForEditors(value as Readonly<Record<string, unknown>>);
    // No variable can stand in a key.
    else if (key === "propertyNames")
      rules[key] = { pattern: (value as { readonly pattern: unknown }).pattern };
    else if (key !== "default" && key !== EXPECTED && key !== LONG_FORM) rules[key] = forEditors(value);
  }
  return isFormed(rules) ? { ...annotations, anyOf: [rules, VARIABLE] } : { ...annotations, ...rules };
}

function eachForEditors(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).map(([key, option]) => [key, forEditors(option)]));
}

/** Whether a scalar has a form that `${NAME}` would not have. */
function isFormed(rules: Readonly<Record<string, unknown>>): boolean {
  const { type } = rules;
  return (
    type === "integer" || type === "boolean" || ["pattern", "enum", "const"].some((rule) => rule in rules)
  );
}
