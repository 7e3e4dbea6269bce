import { createHash } from "node:crypto";

/** A section of a module or component: its kind, and what is in it. */
export interface Section {
  readonly id: number;
  readonly contents: Uint8Array;
}

/** The sections of a module or component, in order, as far as they are whole. */
export function* sectionsOf(bytes: Uint8Array): Generator<Section> {
  let at = PREAMBLE_BYTES;
  while (at < bytes.length) {
    const id = bytes[at] as number;
    const size = numberAt(bytes, at + 1);
    const end = size.end + size.value;
    if (end > bytes.length) return;
    yield { id, contents: bytes.subarray(size.end, end) };
    at = end;
  }
}

/** A custom section's name, and where what it holds begins. */
export function customNameOf({ contents }: Section): { readonly name: string; readonly end: number } {
  const length = numberAt(contents, 0);
  const end = length.end + length.value;
  return { name: new TextDecoder().decode(contents.subarray(length.end, end)), end };
}

/** A function of a module: its number, those that it imports counted first, and the bytes that it takes in the code. */
export interface FunctionSize {
  readonly index: number;
  readonly bytes: number;
}

/** The functions of a module that have code, in order. */
export function functionsOf(module: Uint8Array<ArrayBuffer>): FunctionSize[] {
  const code = codeOf(module);
  if (code === undefined) return [];
  const imported = WebAssembly.Module.imports(new WebAssembly.Module(module)).filter(
    ({ kind }) => kind === "function",
  ).length;
  const count = numberAt(code, 0);
  let at = count.end;
  return Array.from({ length: count.value }, (_, number) => {
    const start = at;
    const size = numberAt(code, at);
    at = size.end + size.value;
    return { index: imported + number, bytes: at - start };
  });
}

/** An unsigned number as WebAssembly writes it (LEB128), and where it ends. */
export function numberAt(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let shift = 0, end = at; ; shift += 7) {
    const byte = bytes[end] ?? 0;
    end += 1;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, end };
  }
}

/** The core modules of a component that are not within another one. */
export function modulesOf(component: Uint8Array): Uint8Array[] {
  return [...sectionsOf(component)].filter(({ id }) => id === CORE_MODULE).map(({ contents }) => contents);
}

/** The code of a core module, which is the same with and without what is known of its sources. */
export function codeOf(module: Uint8Array): Uint8Array | undefined {
  for (const { id, contents } of sectionsOf(module)) if (id === CODE) return contents;
  return undefined;
}

/** SHA-256 of a module's code; empty where there is none. */
export function digestOf(code: Uint8Array | undefined): string {
  return code === undefined ? "" : createHash("sha256").update(code).digest("hex");
}

/** Of modules and components alike: the magic number and the version. */
export const PREAMBLE_BYTES = 8;
/** Of modules and components alike. */
export const CUSTOM = 0;
/** Of a component. */
export const CORE_MODULE = 1;
/** Of a module. */
const CODE = 10;

/** The first eight bytes tell a component from a core module and from anything else. */
export function whyNoComponent(bytes: Uint8Array): string | undefined {
  const magic =
    bytes.length >= 8 && bytes[0] === 0x00 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
  if (!magic) return "is no WebAssembly file: it does not begin with \\0asm";
  if (bytes[6] === 0) return "is a core module and no component: build it with --target wasm32-wasip2";
  return undefined;
}
