import { readFileSync } from "node:fs";
import type { Config } from "./config.ts";
import { parseConfig, placeOf } from "./parse.ts";
import { ConfigError, type Problem } from "./problem.ts";
import { valuesIn } from "./substitution.ts";

/**
 * Reads a configuration from its file, with the process's environment. Throws nothing but a `ConfigError`.
 *
 * It blocks: the main thread, which carries no traffic, is the only one that may call it.
 */
export function loadConfig(path: string): Config {
  return parseConfig(readText(path), path, process.env);
}

/** The same for a text that somebody has sent. `path` is the file that it could be in. */
export function readConfig(text: string, path: string): Config {
  return parseConfig(text, path, process.env);
}

/** What the variables stand for that a file names: it may be secret. Nothing where the file cannot be read. */
export function valuesInFile(path: string): ReadonlySet<string> {
  try {
    return valuesIn(readText(path), process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return new Set();
  }
}

/** Where an option stands in a file, as `sluice check` would say it. */
export function placeInFile(path: string, option: string): Omit<Problem, "sentence"> {
  return placeOf(readText(path), process.env, [option]);
}

function readText(path: string): string {
  try {
    // Bytes that are not UTF-8 would become replacement characters, in a path or a secret where nobody looks.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
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
