/** Longer than any name that there is: comparing takes the product of both lengths. */
const WRITTEN_LENGTH_MAX = 80;

/** The name that a mistyped one was probably meant to be; undefined when nothing is near. */
function suggest(written: string, names: Iterable<string>): string | undefined {
  if (written.length > WRITTEN_LENGTH_MAX) return undefined;
  const wanted = canonical(written);
  // A third of the letters may be wrong, and always one: more, and the guess misleads.
  let nearest = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  let found: string | undefined;
  for (const name of names) {
    const distance = editDistance(wanted, canonical(name), nearest);
    if (distance < nearest) {
      nearest = distance;
      found = name;
    }
  }
  return found;
}

/** ` (did you mean …?)`, or nothing. */
export function suggestion(written: string, names: Iterable<string>): string {
  const name = suggest(written, names);
  return name === undefined ? "" : ` (did you mean ${name}?)`;
}

/** `onFailure`, `on_failure` and `on-failure` are one name in different spellings. */
function canonical(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1-$2")
    .replaceAll("_", "-")
    .toLowerCase();
}

/** Insertions, deletions, replacements and swaps of neighbours between two texts; `limit` when there are as many or more. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_unused, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  return Math.min(limit, previous[b.length] ?? limit);
}
