/** Numbers and times as people read them; a dash where nothing is known. */

export const NOTHING = "–";

/** Three digits that count. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  if (value === 0) return "0";
  if (value >= 1_000_000) return `${trimmed(value / 1_000_000)} M`;
  if (value >= 10_000) return `${trimmed(value / 1_000)} k`;
  return trimmed(value);
}

export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NOTHING;
  if (ms >= 1_000) return `${trimmed(ms / 1_000)} s`;
  if (ms >= 1) return `${trimmed(ms)} ms`;
  return `${trimmed(ms * 1_000)} µs`;
}

export function micros(us: number | undefined): string {
  return us === undefined ? NOTHING : duration(us / 1_000);
}

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? NOTHING : `${trimmed(share * 100)} %`;
}

export function bytes(count: number): string {
  return count >= 1_048_576 ? `${trimmed(count / 1_048_576)} MiB` : `${trimmed(count / 1_024)} KiB`;
}

export function clock(unixMs: number): string {
  return new Date(unixMs).toLocaleTimeString("en-GB");
}

/** The day too, where it is not today. */
export function moment(unixMs: number): string {
  const at = new Date(unixMs);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? clock(unixMs) : `${at.toLocaleDateString("en-CA")} ${clock(unixMs)}`;
}

export function short(digest: string): string {
  return digest.slice(0, 12);
}

export function plural(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? "" : "s"}`;
}

export function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Of a row's cell: sentences of the API have whole digests in them. */
export function shortened(sentence: string): string {
  return sentence.replaceAll(/\b[0-9a-f]{64}\b/g, (digest) => short(digest));
}

function trimmed(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
