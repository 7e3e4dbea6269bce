import {
  CORE_MODULE,
  CUSTOM,
  customNameOf,
  PREAMBLE_BYTES,
  type Section,
  sectionsOf,
} from "../filter/sections.ts";

/**
 * A component without what is known of its sources: names, lines, and what linkers leave. Whatever runs is the same, byte for byte, so that a
 * component with names and lines is good for stack traces of the one without.
 */
export function stripped(component: Uint8Array): Buffer {
  return rewritten(component, (section) => {
    if (section.id === CORE_MODULE) return withoutKnowledge(section.contents);
    return section.contents;
  });
}

function withoutKnowledge(module: Uint8Array): Uint8Array {
  return rewritten(module, (section) => {
    const known = section.id === CUSTOM && KNOWLEDGE.test(customNameOf(section).name);
    return known ? undefined : section.contents;
  });
}

/** What the names of custom sections look like that nothing but debuggers and linkers reads. */
const KNOWLEDGE =
  /^(name|\.debug_.*|target_features|linking|reloc\..*|sourceMappingURL|external_debug_info)$/;

/** A module or component with other contents in its sections; undefined leaves one out. */
function rewritten(bytes: Uint8Array, change: (section: Section) => Uint8Array | undefined): Buffer {
  const parts: Uint8Array[] = [bytes.subarray(0, PREAMBLE_BYTES)];
  for (const section of sectionsOf(bytes)) {
    const contents = change(section);
    if (contents !== undefined) parts.push(Uint8Array.of(section.id), written(contents.length), contents);
  }
  return Buffer.concat(parts);
}

/** A length as WebAssembly writes it. */
function written(length: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = length; ; ) {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
    if (rest === 0) return Uint8Array.from(bytes);
  }
}
