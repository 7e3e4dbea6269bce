/** Numbers, times and digests as people read them. */

/** The two largest units: `3 h 12 min`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const units: [size: number, name: string][] = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const largest = units.findIndex(([size]) => seconds >= size);
  if (largest === -1) return "0 s";
  let rest = seconds;
  const parts = units.slice(largest, largest + 2).map(([size, name]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? "" : `${count} ${name}`;
  });
  return parts.filter((part) => part !== "").join(" ");
}

/** `1 route`, `3 routes`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Enough of a digest to tell it from others. */
export function short(digest: string): string {
  return digest.slice(0, 12);
}

/** `1.3 MiB`. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${significant(bytes / 1024 ** power)} ${units[power]}`;
}

/** A part of a whole: `0.1 %`, `–` of nothing. */
export function share(part: number, whole: number): string {
  return whole === 0 ? "–" : `${significant((part / whole) * 100)} %`;
}

/** A time that is mostly shorter than a second: `41 ms`, `0.021 ms`, `1.2 s`. */
export function time(ms: number): string {
  return ms >= 1_000 ? `${significant(ms / 1_000)} s` : `${significant(ms)} ms`;
}

/** Two digits of what is below 10, and the whole part of what is not: `0.021`, `1.3`, `4217`. */
export function significant(value: number): string {
  if (value === 0 || Math.abs(value) >= 10) return String(Math.round(value));
  return String(Number(value.toPrecision(2)));
}
