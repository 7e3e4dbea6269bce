import type { CrateSize, PartSize } from "../kit/code-size.ts";
import { type ComponentReport, reportOf } from "../kit/report.ts";
import { printable } from "./complaint.ts";
import { readConfig, summary, verdict } from "./component-view.ts";
import { columns, size } from "./columns.ts";

export interface InspectOptions {
  readonly config?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Tells what a component is: what it needs, what it is made of, and whether a host would load it. */
export async function inspect(file: string, options: InspectOptions): Promise<number> {
  const config = readConfig(options.config);
  const report = await reportOf(file, config);
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : printable(describe(report)));
  return verdict(report, config);
}

function describe(report: ComponentReport): string {
  const { imports, exports, sections, crates, debug, producers, signatures } = report;
  const names = [...imports.map((name) => ["import", name]), ...exports.map((name) => ["export", name])];
  const made = Object.entries(producers).map(([field, programs]) => [field, programs.join(", ")]);
  return [
    summary(report),
    columns([
      ["signature", signatures.length === 0 ? "none beside it" : signatures.join(", ")],
      ["debug file", debug === null ? "none beside it" : debug.file],
    ]),
    `\n${columns(names)}`,
    `\n${sizes("SECTION", sections)}`,
    crates === null
      ? "\nno names, and so no crates: keep the .debug.wasm of `sluice build` beside it\n"
      : `\n${crateTable(crates)}`,
    made.length === 0 ? "" : `\n${columns(made)}`,
  ].join("");
}

function sizes(head: string, parts: readonly PartSize[]): string {
  return columns([[head, "SIZE"], ...parts.map(({ name, bytes }) => [name, size(bytes)])]);
}

function crateTable(crates: readonly CrateSize[]): string {
  const all = crates.reduce((sum, { bytes }) => sum + bytes, 0);
  const rows = crates.map(({ name, bytes, functions }) => [
    name,
    size(bytes),
    `${((100 * bytes) / Math.max(1, all)).toFixed(1)} %`,
    functions,
  ]);
  return columns([["CRATE", "CODE", "SHARE", "FUNCTIONS"], ...rows]);
}
