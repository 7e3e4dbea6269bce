import type * as z from "zod";
import { excerpt, formatPath, type Path } from "./problem.ts";
import { alternatives } from "./shape.ts";
import type { Finding, Place } from "./source.ts";
import { suggestion } from "./suggestion.ts";

type Issue = z.core.$ZodIssue;

export type Verdict<Output> =
  | { readonly kind: "accepted"; readonly output: Output }
  | { readonly kind: "refused"; readonly findings: readonly Finding[] };

/**
 * Holds a file against a schema. What the schema expects and what the file has are brought together here.
 *
 * A scalar that variables were put into may be read in two ways, and the schema takes whichever fits: the
 * text `8080` is a number where one is expected, and a text where a text is.
 */
export function conform<Output>(schema: z.ZodType<Output>, root: Place): Verdict<Output> {
  const reread = new Set<Place>();
  for (;;) {
    const result = schema.safeParse(root.value);
    if (result.success) return { kind: "accepted", output: result.data };
    const issues = result.error.issues.flatMap((issue) => branches(issue, root));
    const again = issues.filter((issue) => readOtherwise(root, issue.path as Path, reread));
    if (again.length === 0)
      return { kind: "refused", findings: issues.flatMap((issue) => explain(issue, root)) };
  }
}

/** Expected, found: `expected a list of routes, 1 to 10000, got an empty list`. */
function expectedGot(expected: string, place: Place | undefined): string {
  return `expected ${expected}, got ${found(place)}`;
}

/** The place at a path, and whether it or one around it is broken. */
export function placeAt(
  root: Place,
  path: Path,
): { readonly place: Place | undefined; readonly broken: boolean } {
  let place: Place | undefined = root;
  for (const key of path) {
    if (place === undefined || place.broken) break;
    place = place.children.get(key);
  }
  return { place, broken: place?.broken ?? false };
}

/** Of a union's alternatives, the one that is of the value's kind speaks; with none, the union itself. */
function branches(issue: Issue, root: Place): Issue[] {
  if (issue.code !== "invalid_union") return [issue];
  const { place } = placeAt(root, issue.path as Path);
  const isCollection = typeof place?.value === "object" && place.value !== null;
  const speaking = issue.errors.find(
    (errors) => isCollection && errors.every((inner) => !isWrongKind(inner)),
  );
  if (speaking === undefined) return [issue];
  return speaking.flatMap((inner) => branches({ ...inner, path: [...issue.path, ...inner.path] }, root));
}

function isWrongKind(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === "invalid_type" || issue.code === "invalid_value");
}

function readOtherwise(root: Place, path: Path, reread: Set<Place>): boolean {
  const { place } = placeAt(root, path);
  if (!place?.substituted || reread.has(place)) return false;
  reread.add(place);
  place.value = place.substituted.otherwise;
  const parent = placeAt(root, path.slice(0, -1)).place;
  const key = path.at(-1);
  if (parent !== undefined && key !== undefined)
    (parent.value as Record<string | number, unknown>)[key] = place.value;
  return true;
}

function explain(issue: Issue, root: Place): Finding[] {
  const path = issue.path as Path;
  const { place, broken } = placeAt(root, path);
  if (broken) return [];
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => unknownKey(key, issue.message, path, place));
  if (issue.code === "invalid_key") {
    const expected = issue.issues[0]?.message ?? issue.message;
    return [at(place?.keyOffset ?? 0, path, `expected ${expected}, got ${excerpt(path.at(-1))}`)];
  }
  const parent = placeAt(root, path.slice(0, -1)).place;
  return [at(place?.offset ?? parent?.keyOffset ?? 0, path, expectedGot(issue.message, place))];
}

function unknownKey(key: string, known: string, path: Path, place: Place | undefined): Finding {
  const names = known.split(" ");
  const hint = suggestion(key, names);
  const expected = hint === "" ? alternatives(names) : "a known option";
  return at(
    place?.children.get(key)?.keyOffset ?? 0,
    [...path, key],
    `expected ${expected}, got ${excerpt(key)}${hint}`,
  );
}

function found(place: Place | undefined): string {
  if (place === undefined) return "nothing";
  const { value, substituted } = place;
  if (substituted !== null) return `${scalarText(substituted.text)} from ${excerpt(substituted.written)}`;
  if (value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
  return typeof value === "object" ? "a mapping" : scalarText(value);
}

/** Without the name and password of a URL: problems are copied into tickets. */
function scalarText(value: string | number | boolean): string {
  return excerpt(typeof value === "string" ? value.replace(/\/\/[^/]*@/, "//…@") : value);
}

function at(offset: number, path: Path, sentence: string): Finding {
  return { offset, path: formatPath(path), sentence };
}
