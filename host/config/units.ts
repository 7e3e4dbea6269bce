/** Sizes and durations as people write them, and back again for messages and documentation. */

const BYTES: Readonly<Record<string, number>> = { GiB: 2 ** 30, MiB: 2 ** 20, KiB: 2 ** 10, B: 1 };
const MILLISECONDS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

export const SIZE_PATTERN: RegExp = /^(\d{1,12})(B|KiB|MiB|GiB)?$/;
export const DURATION_PATTERN: RegExp = /^(\d{1,12})(ms|s|m|h)$/;

/** Bytes of `16MiB`, `64KiB`, `512B` or `512`; undefined when it is none of these. */
export function parseSize(text: string): number | undefined {
  return parse(SIZE_PATTERN.exec(text), BYTES);
}

/** Milliseconds of `250ms`, `5s`, `1m` or `2h`; undefined when it is none of these: a duration needs its unit. */
export function parseDuration(text: string): number | undefined {
  return parse(DURATION_PATTERN.exec(text), MILLISECONDS);
}

/** The shortest way to write a size: `16KiB`. */
export function formatSize(bytes: number): string {
  return format(bytes, BYTES);
}

/** The shortest way to write a duration: `25s`. */
export function formatDuration(ms: number): string {
  return format(ms, MILLISECONDS);
}

function parse(match: RegExpExecArray | null, units: Readonly<Record<string, number>>): number | undefined {
  if (match === null) return undefined;
  return Number(match[1]) * (units[match[2] ?? "B"] ?? 1);
}

function format(value: number, units: Readonly<Record<string, number>>): string {
  for (const [unit, factor] of Object.entries(units)) {
    if (value >= factor && value % factor === 0) return `${value / factor}${unit}`;
  }
  return String(value);
}
