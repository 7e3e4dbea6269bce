import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** What a command's argument means: a component, and where the cases for it are. */
export interface Place {
  /** Undefined: every case has to name its own. */
  readonly component: string | undefined;
  /** Where cases are looked for. */
  readonly cases: string;
  /** Where the component was looked for; for a sentence when there is none. */
  readonly tried: readonly string[];
}

/**
 * Reads the argument of a command: a component, or a folder with a crate whose component cargo has built. `target`: where cargo
 * builds to, when the environment says so.
 */
export function placeOf(argument: string, cases: string | undefined, target: string | undefined): Place {
  const path = resolve(argument);
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  if (!isFolder && path.endsWith(".wasm"))
    return { component: path, cases: resolve(cases ?? "cases"), tried: [path] };
  const folder = isFolder ? path : dirname(path);
  const tried = builtAt(folder, target);
  const there = tried.filter((file) => existsSync(file));
  const newest = there.toSorted((one, other) => statSync(other).mtimeMs - statSync(one).mtimeMs)[0];
  return { component: newest, cases: resolve(cases ?? (isFolder ? join(path, "cases") : path)), tried };
}

/** Where `sluice build` and cargo put the component of the crate in this folder: below it, or below the workspace that it belongs to. */
function builtAt(folder: string, target: string | undefined): string[] {
  const name = libraryName(folder);
  if (name === undefined) return [];
  const above: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    above.push(join(at, "target"));
    if (dirname(at) === at) break;
  }
  return [...(target === undefined ? [] : [resolve(target)]), ...above].flatMap((at) => [
    join(at, "sluice", `${name}.wasm`),
    join(at, "wasm32-wasip2", "release", `${name}.wasm`),
  ]);
}

/** The name of a crate's library: of `[lib]`, or else of `[package]` with `_` for `-`. */
function libraryName(folder: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, "Cargo.toml"), "utf8");
  } catch {
    return undefined;
  }
  const nameIn = (table: string): string | undefined =>
    new RegExp(`^\\[${table}\\]\\s*$(?:\\n(?!\\[).*)*?\\nname\\s*=\\s*"([^"]+)"`, "m").exec(text)?.[1];
  return nameIn("lib") ?? nameIn("package")?.replaceAll("-", "_");
}
