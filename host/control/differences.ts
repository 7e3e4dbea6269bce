import { isDeepStrictEqual } from "node:util";
import type { Config, Json } from "../config/config.ts";
import { formatPath } from "../config/problem.ts";
import { redacted, viewOf } from "./config-view.ts";
import type { Difference } from "./control.ts";

/**
 * How one configuration differs from another: each place by its path as in the file, and nothing in it that may be a secret, as the
 * values of variables (`hidden`) in filters' configs.
 */
export function differencesOf(from: Config, to: Config, hidden: ReadonlySet<string>): Difference[] {
  return compare([], viewOf(from), viewOf(to), hidden);
}

/** What only a restart, or SIGUSR2, changes: the options at which the two differ. */
export function restartNeeded(from: Config, to: Config): string[] {
  return FIXED.filter((option) => !isDeepStrictEqual(from[option], to[option]));
}

/** A difference as a sentence for logs, answers and the history. */
export function sentenceOf({ path, kind, from, to }: Difference): string {
  if (kind === "added") return isShort(to) ? `${path}: ${text(to)} added` : `${path} added`;
  if (kind === "removed") return `${path} removed`;
  return isShort(from) && isShort(to) ? `${path}: ${text(from)} → ${text(to)}` : `${path} changed`;
}

/** These are made when the process starts. */
const FIXED = ["admin", "workers", "artifacts", "store"] as const satisfies readonly (keyof Config)[];

function compare(path: readonly string[], from: Json, to: Json, hidden: ReadonlySet<string>): Difference[] {
  if (isDeepStrictEqual(from, to)) return [];
  const shown = (value: Json, at: readonly string[]): Json => redacted(value, hidden, at);
  if (isMapping(from) && isMapping(to)) {
    const names = [...new Set([...Object.keys(from), ...Object.keys(to)])];
    return names.flatMap((name) => {
      const at = [...path, name];
      const [old, fresh] = [from[name] as Json, to[name] as Json];
      if (!Object.hasOwn(from, name)) return [{ path: formatPath(at), kind: "added", to: shown(fresh, at) }];
      if (!Object.hasOwn(to, name)) return [{ path: formatPath(at), kind: "removed", from: shown(old, at) }];
      return compare(at, old, fresh, hidden);
    });
  }
  return [{ path: formatPath(path), kind: "changed", from: shown(from, path), to: shown(to, path) }];
}

function isMapping(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isShort(value: unknown): boolean {
  return (typeof value !== "object" || value === null) && text(value).length <= SHORT;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

const SHORT = 120;
