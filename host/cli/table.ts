import { styleText } from "node:util";
import { printable } from "./complaint.ts";

export type Style = Parameters<typeof styleText>[0];

/** Text of others is allowed: it is made harmless here. */
export type Cell = string | { readonly text: string; readonly style: Style };

export interface Column {
  readonly name: string;
  /** Numbers stand at the right. */
  readonly align?: "left" | "right";
}

/** Columns as wide as their widest cell; an empty cell is a dash. In colour on a terminal that wants it. */
export function table(columns: readonly (string | Column)[], rows: readonly (readonly Cell[])[]): string {
  const head = columns.map((column) => (typeof column === "string" ? { name: column } : column));
  const body = rows.map((row) => row.map(plain));
  const widths = head.map(({ name }, at) =>
    Math.max(name.length, ...body.map((row) => row[at]?.text.length ?? 0)),
  );
  const line = (cells: readonly StyledCell[]): string => {
    const last = cells.length - 1;
    const padded = cells.map(({ text, style }, at) => {
      const width = widths[at] ?? 0;
      const right = head[at]?.align === "right";
      // Nothing after the last cell: lines may be longer than the terminal.
      const space = " ".repeat(right || at < last ? width - text.length : 0);
      return right ? space + paint(style, text) : paint(style, text) + space;
    });
    return `${padded.join("  ")}\n`;
  };
  return [line(head.map(({ name }) => ({ text: name, style: "bold" }))), ...body.map(line)].join("");
}

/** In a style where standard output is a terminal that wants it: see NO_COLOR. */
export function paint(style: Style | undefined, text: string): string {
  return style === undefined ? text : styleText(style, text, { stream: process.stdout });
}

interface StyledCell {
  readonly text: string;
  readonly style: Style | undefined;
}

function plain(cell: Cell): StyledCell {
  const { text, style } = typeof cell === "string" ? { text: cell, style: undefined } : cell;
  // A line end would begin a row that is none.
  return { text: text === "" ? "–" : printable(text.replaceAll("\n", "\u{FFFD}")), style };
}
