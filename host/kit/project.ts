import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { KitError } from "./kit-error.ts";
import { rustVersionMin, SDK, sluiceVersion, TEMPLATES } from "./places.ts";

/** What a project begins with: a folder in `templates/`. */
export type TemplateName = "headers" | "auth" | "body" | "http-client";

export interface ProjectOptions {
  /** Of the crate, and of its folder within `within`. */
  readonly name: string;
  readonly template: TemplateName;
  readonly within: string;
  /** The SDK that it is built with, instead of the one that comes with this command. */
  readonly sdk?: string;
}

export interface Project {
  readonly folder: string;
  /** Relative to the folder, in order. */
  readonly files: readonly string[];
}

/**
 * Makes a Cargo project in a folder that is not there yet. Throws a `KitError`, and leaves nothing behind, when the name is none or anything
 * has it.
 */
export function createProject({ name, template, within, sdk = SDK }: ProjectOptions): Project {
  const wrong = whyNoName(name);
  if (wrong !== undefined)
    throw new KitError(`${JSON.stringify(name)} cannot be the name of a filter: ${wrong}.`);
  const folder = join(resolve(within), name);
  try {
    mkdirSync(folder);
  } catch (error) {
    throw new KitError(whyNoFolder(folder, (error as NodeJS.ErrnoException).code), { cause: error });
  }
  try {
    return { folder, files: fill(folder, name, template, sdk) };
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
}

/** Why cargo, or the host, would not take this name, as the end of a sentence; undefined when both do. */
function whyNoName(name: string): string | undefined {
  if (!/^[a-z][a-z0-9_-]*$/.test(name))
    return "it takes lower-case letters, digits, - and _, and begins with a letter";
  if (name.length > NAME_CHARS_MAX) return `it has more than ${NAME_CHARS_MAX} characters`;
  if (TAKEN.has(name.replaceAll("-", "_")))
    return "Rust, cargo or a crate that it uses has this name already";
  return undefined;
}

/** As for the names of filters in a configuration. */
const NAME_CHARS_MAX = 63;

/** With underscores: as a crate is named in Rust. */
const TAKEN: ReadonlySet<string> = new Set(
  `as async await abstract become box break const continue crate do dyn else enum extern false final fn for gen if impl in let loop
  macro match mod move mut override priv pub ref return self static struct super trait true try type typeof unsafe unsized use virtual
  where while yield alloc core proc_macro std test build deps examples incremental con prn aux nul serde serde_json sha2 sluice
  sluice_filter sluice_filter_macros wit_bindgen`.split(/\s+/),
);

function whyNoFolder(folder: string, code: string | undefined): string {
  if (code === "EEXIST") return `${folder} is there already, and nothing is overwritten: take another name.`;
  return `${folder} cannot be made (${code ?? "unknown"}).`;
}

function fill(folder: string, name: string, template: TemplateName, sdk: string): string[] {
  const own = join(TEMPLATES, template);
  const words: Record<string, string> = {
    name,
    crate: name.replaceAll("-", "_"),
    sdk: sdkPath(folder, sdk),
    version: sluiceVersion(),
    "rust-version": rustVersionMin(),
    dependencies: readFileSync(join(own, "dependencies.toml"), "utf8").trimEnd(),
  };
  const filled = (text: string): string =>
    text.replaceAll(/\{\{([a-z-]+)\}\}/g, (whole, word: string) => words[word] ?? whole);
  words["about"] = filled(readFileSync(join(own, "about.md"), "utf8"));

  const shared = Object.entries(SHARED).map(([from, to]) => [join(TEMPLATES, "shared", from), to] as const);
  const others = readdirSync(own, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !PARTS.has(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((from) => [from, relative(own, from)] as const);
  for (const [from, to] of [...shared, ...others]) {
    const path = join(folder, to);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, filled(readFileSync(from, "utf8")), { flag: "wx" });
  }
  return [...shared, ...others].map(([, to]) => to).sort();
}

/** What every project has. npm would take the files that begin with a dot for its own, and leave them out of the package. */
const SHARED: Readonly<Record<string, string>> = {
  "Cargo.toml": "Cargo.toml",
  "README.md": "README.md",
  "cargo-config.toml": join(".cargo", "config.toml"),
  "ci.yml": join(".github", "workflows", "ci.yml"),
  "clippy.toml": "clippy.toml",
  gitignore: ".gitignore",
};

/** Of a template: they go into other files. */
const PARTS: ReadonlySet<string> = new Set(["about.md", "dependencies.toml"]);

/**
 * The SDK's path as a project's Cargo.toml has it: relative where sluice is installed for the project, or for a folder around it, so that
 * it holds on other machines, too.
 */
export function sdkPath(folder: string, sdk: string): string {
  const to = existsSync(sdk) ? realpathSync(sdk) : resolve(sdk);
  const path = relative(realpathSync(folder), to).split(sep).join("/");
  return /^(\.\.\/)*node_modules\//.test(path) ? path : to.split(sep).join("/");
}
