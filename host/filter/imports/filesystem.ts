import { type GuestMemory, GuestTrap } from "../guest-memory.ts";
import type { CoreImports } from "./core.ts";

/** WASI's file system, with nothing in it: there is no directory to begin with, so that no path leads anywhere. */
export function coreFilesystem(memory: () => GuestMemory): CoreImports {
  const nobody = (): never => {
    throw new GuestTrap("a handle made up", "handle");
  };
  const methods = [
    "[resource-drop]descriptor",
    "[resource-drop]directory-entry-stream",
    "[method]directory-entry-stream.read-directory-entry",
    "filesystem-error-code",
    ...METHODS.map((name) => `[method]descriptor.${name}`),
  ];
  return {
    "wasi:filesystem/types@0.2": Object.fromEntries(methods.map((name) => [name, nobody])),
    "wasi:filesystem/preopens@0.2": { "get-directories": (out: number) => memory().storePair(4, 0, out) },
  };
}

export function referenceFilesystem(): Record<string, Record<string, unknown>> {
  return {
    "wasi:filesystem/types": {
      Descriptor: class Descriptor {},
      DirectoryEntryStream: class DirectoryEntryStream {},
      // Only streams of files have errors with a code.
      filesystemErrorCode: () => undefined,
    },
    "wasi:filesystem/preopens": { getDirectories: () => [] },
  };
}

const METHODS = [
  "read-via-stream",
  "write-via-stream",
  "append-via-stream",
  "advise",
  "sync-data",
  "get-flags",
  "get-type",
  "set-size",
  "set-times",
  "read",
  "write",
  "read-directory",
  "sync",
  "create-directory-at",
  "stat",
  "stat-at",
  "set-times-at",
  "link-at",
  "open-at",
  "readlink-at",
  "remove-directory-at",
  "rename-at",
  "symlink-at",
  "unlink-file-at",
  "is-same-object",
  "metadata-hash",
  "metadata-hash-at",
] as const;
