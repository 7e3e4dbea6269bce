import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join, relative } from "node:path";

export const ROOT: string = join(import.meta.dirname, "..", "..");

/** What this project has set out to reach, and what this run measured. */
export interface Aim {
  readonly sentence: string;
  readonly met: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

/** Prints rows under a head, the first column to the left and the others to the right. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ");
  console.log(line(head));
  console.log(widths.map((width) => "─".repeat(width)).join("  "));
  for (const row of rows) console.log(line(row));
}

/** The same as a table of Markdown. */
export function printMarkdown(head: readonly string[], rows: readonly (readonly string[])[]): void {
  console.log(`| ${head.join(" | ")} |`);
  console.log(`|${"---|".repeat(head.length)}`);
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
}

export function printAims(aims: readonly Aim[]): void {
  for (const { sentence, met } of aims) console.log(`${met ? "reached" : "MISSED "}  ${sentence}`);
}

/** Keeps a report where the next run and other programs find it. */
export function keepReport(name: string, report: object): void {
  const path = join(ROOT, ".sluice", "bench", `${name}.json`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
  console.error(`written to ${relative(ROOT, path)}`);
}

/** Where a number was measured, without which it says little. */
export function machine(): object {
  const processors = cpus();
  return {
    measuredAt: new Date().toISOString(),
    node: process.version,
    processors: processors.length,
    model: processors[0]?.model ?? "unknown",
  };
}
