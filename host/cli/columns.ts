/** Columns for a terminal, numbers to the right. Cells are printed as they are. */
export function columns(rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) => row.map(String));
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[], at: number): string => {
    const padded = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return typeof rows[at]?.[column] === "number" || isSize(cell)
        ? cell.padStart(width)
        : cell.padEnd(width);
    });
    return `${padded.join("  ").trimEnd()}\n`;
  };
  return cells.map(line).join("");
}

/** `1.2 KiB`, and bytes where they are few. */
export function size(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  const kibibytes = bytes / 1_024;
  return kibibytes < 1_024 ? `${kibibytes.toFixed(1)} KiB` : `${(kibibytes / 1_024).toFixed(1)} MiB`;
}

function isSize(cell: string): boolean {
  return /^[\d.]+ (B|KiB|MiB|%)$/.test(cell);
}
