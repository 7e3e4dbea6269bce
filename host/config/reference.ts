import * as z from "zod";
import { DRAFT } from "./schema.ts";
import { EXPECTED } from "./shape.ts";

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
    /(<!-- options: ([a-z ]+) -->\n)[^]*?(\n<!-- end -->)/g,
    (_whole, begin: string, keys: string, end: string) => `${begin}${optionTable(keys.split(" "))}${end}`,
  );
}

function optionTable(keys: readonly string[]): string {
  const rows = listOptions()
    .filter(({ path }) => keys.includes(/^[a-z]+/.exec(path)?.[0] ?? ""))
    .map(
      (option) => `| \`${option.path}\` | ${option.expected} | ${defaultCell(option)} | ${option.meaning} |`,
    );
  return ["| Option | Value | Default | Meaning |", "|---|---|---|---|", ...rows].join("\n");
}

function written(): z.core.JSONSchema.JSONSchema {
  return z.toJSONSchema(DRAFT, { io: "input" });
}

function optionsOf(schema: Schema, path: string, required: boolean): Option[] {
  const rows = schema[EXPECTED] === undefined ? [] : [optionOf(schema, schema[EXPECTED], path, required)];
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const needed = schema.required?.includes(key) ?? false;
    rows.push(...optionsOf(child, path === "" ? key : `${path}.${key}`, needed));
  }
  if (schema.additionalProperties) rows.push(...partsOf(schema.additionalProperties, `${path}.NAME`));
  if (schema.items) rows.push(...partsOf(schema.items, `${path}[]`));
  return rows;
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

/** The options within an element of a list or a mapping. An element that is a scalar is described with its list. */
function partsOf(element: Schema, path: string): Option[] {
  return [element, ...(element.anyOf ?? [])]
    .filter(({ properties }) => properties !== undefined)
    .flatMap((mapping) => optionsOf({ ...mapping, [EXPECTED]: undefined }, path, false));
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
  const {
    [EXPECTED]: expected,
    description,
    default: value,
    propertyNames,
    ...rest
  } = node as Record<string, unknown>;
  const annotations = {
    ...(description !== undefined && { description }),
    // An empty mapping says nothing to who completes a file.
    ...(value !== undefined && JSON.stringify(value) !== "{}" && { default: value }),
  };
  const rules = Object.fromEntries(Object.entries(rest).map(([key, child]) => [key, forEditors(child)]));
  const names = propertyNames === undefined ? {} : { propertyNames };
  const constrained =
    rest["pattern"] !== undefined || rest["enum"] !== undefined || rest["const"] !== undefined;
  const scalar = rest["type"] === "integer" || rest["type"] === "boolean" || constrained;
  return scalar ? { ...annotations, anyOf: [rules, VARIABLE] } : { ...annotations, ...rules, ...names };
}
