import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** A file of keys, roots or signatures that cannot be used. The sentence has nothing of what is in it. */
export class TrustRefused extends Error {
  override readonly name = "TrustRefused";
  /** There is no such file. */
  readonly missing: boolean;

  constructor(sentence: string, missing = false) {
    super(sentence);
    this.missing = missing;
  }
}

/**
 * Reads a file as text, when it is a regular one that is not longer than this. The sentence of a `TrustRefused` is
 * `expected …, got …`. It blocks: only the main thread may call it.
 */
export function readTrustFile(file: string, bytesMax: number): string {
  let descriptor: number | undefined;
  try {
    // Without this flag opening a pipe that nobody writes to would block the whole host.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(descriptor);
    if (!stat.isFile())
      throw new TrustRefused(
        `expected a file that can be read, got ${stat.isDirectory() ? "a folder" : "no regular file"}`,
      );
    // One byte more than may be there: files can grow while they are read.
    const bytes = Buffer.alloc(Math.min(stat.size, bytesMax) + 1);
    const length = fill(descriptor, bytes);
    if (length > bytesMax || stat.size > bytesMax)
      throw new TrustRefused(`expected at most ${bytesMax} bytes, got more`);
    return bytes.toString("utf8", 0, length);
  } catch (error) {
    if (error instanceof TrustRefused) throw error;
    throw unreadable(error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** What the system says of a file, as a sentence. */
export function unreadable(error: unknown): TrustRefused {
  const { code } = error as NodeJS.ErrnoException;
  const why = REASONS[code ?? ""] ?? code ?? "an error";
  return new TrustRefused(`expected a file that can be read, got ${why}`, code === "ENOENT");
}

function fill(descriptor: number, bytes: Buffer): number {
  let length = 0;
  while (length < bytes.length) {
    const read = readSync(descriptor, bytes, length, bytes.length - length, null);
    if (read === 0) break;
    length += read;
  }
  return length;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "no permission to read it",
  EISDIR: "a folder",
};
