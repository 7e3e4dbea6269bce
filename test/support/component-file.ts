import { readFileSync, renameSync, writeFileSync } from "node:fs";

/** A component that does the same and has another digest: a custom section, which means nothing, is added to it. */
export function variant(bytes: Buffer, name: string): Buffer {
  const text = Buffer.from(name);
  const payload = Buffer.concat([Buffer.from([text.length]), text]);
  // An id of 0, then the length; both are one byte as long as the name is short.
  if (payload.length > 127) throw new Error(`${name} is too long for a section of one byte's length`);
  return Buffer.concat([bytes, Buffer.from([0, payload.length]), payload]);
}

/** Writes a variant of a component to another file. */
export function writeVariant(from: string, to: string, name: string): string {
  writeFileSync(to, variant(readFileSync(from), name));
  return to;
}

/** Puts a file in the place of another at once, as builds do. */
export function renameOver(bytes: Uint8Array | string, to: string): void {
  writeFileSync(`${to}.fresh`, bytes);
  renameSync(`${to}.fresh`, to);
}
