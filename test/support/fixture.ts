import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What the fixture `rules` can be told to break, as its own source lists it. */
export const BREAKS: readonly string[] = breaks();

function breaks(): string[] {
  const file = join(import.meta.dirname, "..", "..", "filters", "fixtures", "rules", "src", "lib.rs");
  const list = /const NAMES: \[&str; (\d+)\] = \[([^\]]*)\]/.exec(readFileSync(file, "utf8"));
  const names = [...(list?.[2] ?? "").matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name);
  if (names.length === 0 || names.length !== Number(list?.[1]))
    throw new Error(`${file} does not list its names`);
  return names;
}
