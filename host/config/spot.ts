import { placeAt } from "./issue.ts";
import { excerpt, formatPath, type Path } from "./problem.ts";
import type { Finding, Place } from "./source.ts";

/** A configuration file, as those look at it who compare its parts. */
export interface File {
  readonly root: Place;
  readonly line: (place: Place) => number;
}

/** A place with its path. */
export interface Spot {
  readonly path: Path;
  readonly place: Place;
}

/** Those whose key an earlier one has already; a key of undefined is like no other. */
export function repeated(
  file: File,
  expected: string,
  spots: readonly Spot[],
  key: (spot: Spot) => string | undefined,
): Finding[] {
  const firsts = new Map<string, Spot>();
  return spots.flatMap((spot) => {
    const own = key(spot);
    if (own === undefined) return [];
    const first = firsts.get(own);
    if (first === undefined) {
      firsts.set(own, spot);
      return [];
    }
    const where = `${formatPath(first.path)} (line ${file.line(first.place)})`;
    return [at(spot, `expected ${expected}, got ${excerpt(spot.place.value)} as in ${where}`)];
  });
}

export function under(file: File, path: Path): Spot[] {
  const { place } = placeAt(file.root, path);
  return [...(place?.children ?? [])].flatMap(([key, child]) =>
    child.broken ? [] : [{ path: [...path, key], place: child }],
  );
}

export function spotAt(file: File, path: Path): Spot | undefined {
  const { place, broken } = placeAt(file.root, path);
  return place === undefined || broken ? undefined : { path, place };
}

export function at({ path, place }: Spot, sentence: string): Finding {
  return { offset: place.offset, path: formatPath(path), sentence };
}
