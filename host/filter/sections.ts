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
    let size = 0;
    let shift = 0;
    for (;;) {
      at += 1;
      const byte = bytes[at] ?? 0;
      size += (byte & 0x7f) * 2 ** shift;
      shift += 7;
      if (byte < 0x80) break;
    }
    at += 1;
    if (at + size > bytes.length) return;
    yield { id, contents: bytes.subarray(at, at + size) };
    at += size;
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

const PREAMBLE_BYTES = 8;
/** Of a component. */
const CORE_MODULE = 1;
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
