import { readFile } from "node:fs/promises";
import { loadRewriter, type Rewriter } from "../filter/rewriter.ts";
import {
  codeOf,
  CORE_MODULE,
  CUSTOM,
  customNameOf,
  digestOf,
  functionsOf,
  modulesOf,
  sectionsOf,
} from "../filter/sections.ts";

/** What a part of a component takes. */
export interface PartSize {
  readonly name: string;
  readonly bytes: number;
}

/** What the code of one crate takes. */
export interface CrateSize extends PartSize {
  readonly functions: number;
}

/** Where names of functions were found. */
export interface NamedCode {
  readonly file: string;
  /** The largest first. */
  readonly crates: readonly CrateSize[];
}

/** The sections of a component, largest first: those of its main module each, and the rest by what it is for. */
export function sectionSizes(component: Uint8Array): PartSize[] {
  const sizes = new Map<string, number>();
  const add = (name: string, bytes: number): void => {
    sizes.set(name, (sizes.get(name) ?? 0) + bytes);
  };
  const main = mainModuleOf(component);
  for (const section of sectionsOf(component)) {
    const { id, contents } = section;
    if (id === CUSTOM) add(customNameOf(section).name, contents.length);
    else if (id !== CORE_MODULE) add("interfaces and linking", contents.length);
    else if (contents.byteOffset !== main?.byteOffset) add("linking modules", contents.length);
  }
  for (const section of main === undefined ? [] : sectionsOf(main)) {
    const name =
      section.id === CUSTOM ? customNameOf(section).name : (SECTIONS[section.id] ?? `section ${section.id}`);
    add(name, section.contents.length);
  }
  return [...sizes].map(([name, bytes]) => ({ name, bytes })).sort((one, other) => other.bytes - one.bytes);
}

/**
 * The code of a component by crate, with the names in the file beside it that ends in `.debug.wasm` or else its own; undefined where neither
 * has names. What is known of other code is not used.
 */
export async function crateSizes(file: string, component: Uint8Array): Promise<NamedCode | undefined> {
  const code = codeDigestOf(component);
  const rewriter = await loadRewriter();
  for (const source of [debugFileOf(file), file]) {
    const module = await moduleWithCode(source, code);
    const crates = module === undefined ? undefined : cratesOf(module, rewriter);
    if (crates !== undefined) return { file: source, crates };
  }
  return undefined;
}

/** Where names and lines of a component are. */
export function debugFileOf(file: string): string {
  return file.replace(/(\.wasm)?$/, ".debug.wasm");
}

/** Whether a file has the same code as a component, so that its names and lines are true of it. */
export async function hasSameCode(file: string, component: Uint8Array): Promise<boolean> {
  return (await moduleWithCode(file, codeDigestOf(component))) !== undefined;
}

/** Undefined for what is composed of components and has no module of its own. */
function codeDigestOf(component: Uint8Array): string | undefined {
  const main = mainModuleOf(component);
  return main && digestOf(codeOf(main));
}

/** The module that holds the guest's code: the others, which wit-component makes, are much smaller. */
function mainModuleOf(component: Uint8Array): Uint8Array | undefined {
  return modulesOf(component).sort((one, other) => other.length - one.length)[0];
}

/**
 * The crate that a function is from, by its name without mangling. A function of a generic type counts for the crate that has written it,
 * whoever uses it; one of a trait for the crate of the type, or of the trait where the type is Rust's own.
 */
export function crateOf(name: string): string {
  if (name === "") return "(no name)";
  const rust = /(?:^|[^\w:])(\w+)::/.exec(name)?.[1];
  if (rust !== undefined) return rust;
  // Methods of Rust's own types: `<str>::len`.
  if (name.startsWith("<")) return "core";
  return /^(cabi_|sluice:)/.test(name) ? "(exports)" : "(C library)";
}

async function moduleWithCode(file: string, code: string | undefined): Promise<Uint8Array | undefined> {
  if (code === undefined) return undefined;
  try {
    return modulesOf(await readFile(file)).find((module) => digestOf(codeOf(module)) === code);
  } catch {
    return undefined;
  }
}

/** Undefined for a module without names, and for one that this engine cannot compile: then a host refuses the component, too. */
function cratesOf(module: Uint8Array, rewriter: Rewriter): CrateSize[] | undefined {
  try {
    const functions = functionsOf(new Uint8Array(module));
    // A function's name does not depend on a place in its code.
    const places = new Uint32Array(functions.flatMap(({ index }) => [index, 0]));
    const names = rewriter.symbolize(module, places);
    if (names.every((name) => name === "")) return undefined;
    return summed(functions.map(({ bytes }, at) => [crateOf(names[at] ?? ""), bytes]));
  } catch {
    return undefined;
  }
}

function summed(functions: readonly (readonly [crate: string, bytes: number])[]): CrateSize[] {
  const crates = new Map<string, { bytes: number; functions: number }>();
  for (const [crate, bytes] of functions) {
    const sum = crates.get(crate) ?? { bytes: 0, functions: 0 };
    crates.set(crate, { bytes: sum.bytes + bytes, functions: sum.functions + 1 });
  }
  return [...crates].map(([name, sum]) => ({ name, ...sum })).sort((one, other) => other.bytes - one.bytes);
}

/** Of a core module, by their numbers. */
const SECTIONS: readonly string[] = [
  "custom",
  "types",
  "imports",
  "functions",
  "tables",
  "memory",
  "globals",
  "exports",
  "start",
  "elements",
  "code",
  "data",
  "data count",
];
