import { readFile } from "node:fs/promises";
import type { Config } from "./config.ts";
import { parseConfig } from "./parse.ts";
import { ConfigError } from "./problem.ts";

/** Reads a configuration from its file, with the process's environment. Throws nothing but a `ConfigError`. */
export async function loadConfig(path: string): Promise<Config> {
  return parseConfig(await readText(path), path, process.env);
}

async function readText(path: string): Promise<string> {
  try {
    // Bytes that are not UTF-8 would become replacement characters, in a path or a secret where nobody looks.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await readFile(path));
  } catch (error) {
    throw unreadable(path, `expected a file that can be read, got ${reason(error)}`);
  }
}

function unreadable(path: string, sentence: string): ConfigError {
  return new ConfigError(path, [{ line: 1, column: 1, path: "", sentence }]);
}

function reason(error: unknown): string {
  if (error instanceof TypeError) return "bytes that are not UTF-8";
  const code = (error as NodeJS.ErrnoException).code;
  const known: Readonly<Record<string, string>> = {
    ENOENT: "no such file",
    EACCES: "no permission to read it",
    EISDIR: "a folder",
  };
  return known[code ?? ""] ?? String(error);
}
