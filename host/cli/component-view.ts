import { relative } from "node:path";
import { KitError } from "../kit/kit-error.ts";
import type { ComponentReport } from "../kit/report.ts";
import { printable } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";
import { columns, size } from "./columns.ts";

/** What an operator has to know of a component: the lines that `sluice build` and `sluice inspect` have in common. */
export function summary(report: ComponentReport): string {
  const { file, bytes, digest, path, phases, grants } = report;
  const rows: [string, string][] = [
    ["file", `${file}, ${size(bytes)}`],
    ["digest", digest],
    ["imports", imports(report)],
    [
      "grants",
      grants.length === 0 ? "none needed" : `grant: { ${grants.map(({ line }) => line).join(", ")} }`,
    ],
    [
      "phases",
      phases.known ? phases.phases.join(", ") || "none, with this config" : `not known: ${phases.why}`,
    ],
  ];
  if (path === "reference")
    rows.push(["path", "reference: it is composed of components, and calls of it are slower"]);
  return columns(rows);
}

/** A path as people would type it in this folder. */
export function shownPath(path: string): string {
  const near = relative("", path);
  return near.startsWith("..") ? path : near;
}

/** Says on standard error what is wrong with it, and gives the exit code. `config` is the one that was given. */
export function verdict(report: ComponentReport, config: unknown): number {
  const refusals = refusalsOf(report, config);
  for (const text of [...refusals, ...adviceOn(report)]) process.stderr.write(`sluice: ${printable(text)}\n`);
  return refusals.length === 0 ? DONE : FAILED;
}

/** Why a host would not serve it. */
function refusalsOf({ refused, phases }: ComponentReport, config: unknown): string[] {
  if (refused !== null) return [`a host refuses it: ${refused}`];
  return config === undefined || phases.known ? [] : [`a host refuses it: ${phases.why}`];
}

/** What else its author has to know. */
function adviceOn({ debug }: ComponentReport): string[] {
  if (debug === null || debug.sameCode) return [];
  return [`${debug.file} is of other code, and is not used: stack traces have no lines`];
}

/** Of an option: what `configure` gets. */
export function readConfig(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new KitError(`--config is no JSON: ${(error as SyntaxError).message}.`, { cause: error });
  }
}

/** The contract's by their names; WASI's, which Rust's standard library brings, as a number. */
function imports(report: ComponentReport): string {
  const own = report.imports.filter((name) => !name.startsWith("wasi:"));
  const wasi = report.imports.length - own.length;
  const names = own.map((name) => name.replace(/^sluice:filter\/(.*)@[\d.]+$/, "$1"));
  return [...names, ...(wasi === 0 ? [] : [`${wasi} of WASI`])].join(", ") || "none";
}
