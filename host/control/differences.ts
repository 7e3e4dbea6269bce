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
  const [old, fresh] = [viewOf(from), viewOf(to)];
  const shown = [redacted(old, hidden), redacted(fresh, hidden)] as const;
  return compare([], old, fresh, shown[0], shown[1]);
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

function compare(
  path: readonly string[],
  from: Json,
  to: Json,
  oldShown: Json,
  newShown: Json,
): Difference[] {
  if (isDeepStrictEqual(from, to)) return [];
  if (isMapping(from) && isMapping(to) && isMapping(oldShown) && isMapping(newShown)) {
    const names = [...new Set([...Object.keys(from), ...Object.keys(to)])];
    return names.flatMap((name) => {
      const at = [...path, name];
      if (!Object.hasOwn(from, name)) return [{ path: formatPath(at), kind: "added", to: newShown[name] }];
      if (!Object.hasOwn(to, name)) return [{ path: formatPath(at), kind: "removed", from: oldShown[name] }];
      return compare(
        at,
        from[name] as Json,
        to[name] as Json,
        oldShown[name] as Json,
        newShown[name] as Json,
      );
    });
  }
  return [{ path: formatPath(path), kind: "changed", from: oldShown, to: newShown }];
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
