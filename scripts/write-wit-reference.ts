/** Writes docs/filters/wit.md from the comments in wit/. A test compares it with a fresh generation. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./build-step.ts";

/** In the order of the page: what a filter is, what it sees, what it may call, what it may have besides. */
const FILES = ["filter.wit", "types.wit", "imports.wit", "state.wit", "world.wit"];

/** A declaration, with what stands between its braces. */
interface Item {
  /** Markdown, a line for each of the comment. */
  readonly docs: readonly string[];
  /** `variant error`, `get: func(…) -> …`, `full`. */
  readonly head: string;
  readonly members: readonly Item[];
}

/** A paragraph, a table, a block of code. */
type Lines = readonly string[];

/** The whole page. */
export function witReference(): string {
  const items = FILES.flatMap((name) => itemsOf(readFileSync(join(ROOT, "wit", name), "utf8"), name));
  const interfaces = items.filter(({ head }) => head.startsWith("interface "));
  const worlds = items.filter(({ head }) => head.startsWith("world "));
  const index = [...interfaces, ...worlds].map(
    (item) => `| ${link(nameOf(item), nameOf(item))} | ${kindOf(item)} | ${sentence(item.docs)} |`,
  );
  return `${[
    ...INTRODUCTION,
    ["| | | |", "|---|---|---|", ...index],
    ...interfaces.flatMap(interfaceSection),
    ...worlds.flatMap(worldSection),
  ]
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

const INTRODUCTION = [
  ["<!-- Written by scripts/write-wit-reference.ts from the comments in wit/: change those. -->"],
  ["# The contract"],
  [
    "What a component gives the host and gets from it, as [`wit/`](../../wit) declares it for every language. In Rust the SDK stands in front of it",
    "([writing.md](writing.md), `cargo doc --open -p sluice-filter`) and keeps the names, with `_` for `-`. What has to be granted by the operator, and how, is in",
    "[host-functions.md](host-functions.md).",
  ],
];

/** A parser of the WIT that is written here: a declaration, a brace or a line of a comment on each line. */
function itemsOf(text: string, file: string): Item[] {
  const levels: Item[][] = [[]];
  let docs: string[] = [];
  for (const [number, whole] of text.split("\n").entries()) {
    const line = whole.trim();
    if (line === "" || line.startsWith("@") || line.startsWith("package ")) continue;
    if (line.startsWith("///")) {
      docs.push(line.slice(3).replace(/^ /, ""));
      continue;
    }
    if (line === "}") {
      levels.pop();
      continue;
    }
    const members: Item[] = [];
    const inline = /^(?!use )([^{]+) \{ (.+) \}$/.exec(line);
    const [, opened] = /^(.+) \{$/.exec(line) ?? [];
    const [, closed] = /^(.+)[,;]$/.exec(line) ?? [];
    const head = inline?.[1] ?? opened ?? closed;
    if (head === undefined)
      throw new Error(`wit/${file}:${number + 1} is no line that this page can be made of`);
    for (const name of inline?.[2]?.split(", ") ?? []) members.push({ docs: [], head: name, members: [] });
    levels.at(-1)?.push({ docs, head, members });
    if (opened !== undefined) levels.push(members);
    docs = [];
  }
  return levels[0] ?? [];
}

function interfaceSection(item: Item): Lines[] {
  const own = nameOf(item);
  const {
    used = [],
    types = [],
    functions = [],
  } = Object.groupBy(item.members, ({ head }) => {
    if (head.startsWith("use ")) return "used";
    return isFunction(head) ? "functions" : "types";
  });
  const contents = [...types, ...functions].map((member) => link(nameOf(member), `${own}.${nameOf(member)}`));
  return [
    ...heading("##", own),
    item.docs,
    [contents.join(" · "), ...used.map(usedFrom)],
    ...types.flatMap((type) => [
      ...heading("###", `${kindOf(type)} ${nameOf(type)}`, `${own}.${nameOf(type)}`),
      ...typeBody(type),
    ]),
    ...functions.flatMap((found) => [
      ...heading("###", nameOf(found), `${own}.${nameOf(found)}`),
      code(`${found.head};`),
      found.docs,
    ]),
  ];
}

function typeBody({ docs, head, members }: Item): Lines[] {
  if (members.length === 0) return [code(`${head};`), docs];
  if (members.every((member) => member.docs.length === 0))
    return [code(`${head} { ${members.map((member) => member.head).join(", ")} }`), docs];
  const rows = members.map((member) => `| \`${member.head}\` | ${cell(member.docs)} |`);
  return [docs, ["| | |", "|---|---|", ...rows]];
}

function worldSection(item: Item): Lines[] {
  const body = item.members.map((member) => `    ${member.head};`);
  return [...heading("##", nameOf(item)), item.docs, code(`${item.head} {`, ...body, "}")];
}

/** `use types.{request, response}` */
function usedFrom({ head }: Item): string {
  const [, from = "", names = ""] = /^use ([\w-]+)\.\{(.*)\}$/.exec(head) ?? [];
  const links = names.split(", ").map((name) => link(name, `${from}.${name}`));
  return `· of ${link(from, from)}: ${links.join(", ")}`;
}

/** The same name is in several interfaces, so the anchor is the full one. */
function heading(level: string, name: string, anchor = name): Lines[] {
  return [[`<a id="${anchor}"></a>`], [`${level} ${name}`]];
}

function link(name: string, anchor: string): string {
  return `[${name}](#${anchor})`;
}

function code(...lines: string[]): Lines {
  return ["```wit", ...lines, "```"];
}

function isFunction(head: string): boolean {
  return /^%?[\w-]+: (static )?func\(/.test(head);
}

function kindOf({ head }: Item): string {
  return head.slice(0, head.indexOf(" "));
}

/** `store` of `interface store`, `get` of `get: func()`, `field` of `type field = …`. */
function nameOf({ head }: Item): string {
  const [, name = head] =
    /^(?:(?:interface|world|type|enum|variant|record|flags|resource) )?([\w-]+)/.exec(head) ?? [];
  return name;
}

/** Paragraphs within a cell of a table. */
function cell(docs: readonly string[]): string {
  return docs
    .join("\n")
    .split("\n\n")
    .map((paragraph) => paragraph.replaceAll("\n", " "))
    .join("<br>");
}

/** The first one of a comment. */
function sentence(docs: readonly string[]): string {
  const [paragraph = ""] = cell(docs).split("<br>");
  return /^.*?\.(?= |$)/.exec(paragraph)?.[0] ?? paragraph;
}

if (import.meta.main) writeFileSync(join(ROOT, "docs", "filters", "wit.md"), witReference());
