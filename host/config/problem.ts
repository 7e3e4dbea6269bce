import { TOKEN_PREFIX } from "./config.ts";

/** What is wrong with a configuration: one problem or many, each at its place in the file. */

export interface Problem {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
  /** The option, like `filters.keys.grant.env`; empty for the file as a whole. */
  readonly path: string;
  /** What is expected, and what was found. */
  readonly sentence: string;
}

/** Longer values are cut: a sentence is read in a terminal. */
const EXCERPT_LENGTH = 80;

export type Path = readonly (string | number)[];

/** The only thing that reading a configuration throws. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly file: string;
  /** In the order of the file; at least one. */
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    super(problems.map((problem) => formatProblem(file, problem)).join("\n"));
    this.file = file;
    this.problems = problems;
  }
}

/** `filters.keys.grant.env`, `routes[0].filters[1]`, `upstreams["a b"]`. */
export function formatPath(path: Path): string {
  const parts = path.map((part) => {
    if (typeof part === "number") return `[${part}]`;
    return /^[\w-]+$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`;
  });
  return parts.join("").replace(/^\./, "");
}

/** A value as JSON, short enough for a sentence, and without the tokens in it: problems are copied into tickets. */
export function excerpt(value: unknown): string {
  return cut(withoutTokens(JSON.stringify(value)));
}

/** A text in which what looks like a token of the admin API is cut off after its prefix. */
export function withoutTokens(text: string): string {
  return text.replace(TOKENS, `${TOKEN_PREFIX}…`);
}

const TOKENS = new RegExp(`${TOKEN_PREFIX}[\\w-]+`, "g");

export function cut(text: string): string {
  return text.length <= EXCERPT_LENGTH ? text : `${text.slice(0, EXCERPT_LENGTH - 1)}…`;
}

/** `sluice.yaml:3:5 routes: …`: editors and terminals make links of such places. */
export function formatProblem(file: string, { line, column, path, sentence }: Problem): string {
  return `${file}:${line}:${column}${path === "" ? "" : ` ${path}`}: ${sentence}`;
}
