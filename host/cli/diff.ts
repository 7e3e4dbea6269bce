import { readFileSync } from "node:fs";
import { excerpt } from "../config/problem.ts";
import { AdminError } from "../control/admin-address.ts";
import type { Difference, Differences } from "../control/control.ts";
import { type AskOptions, asking, printJson } from "./asking.ts";
import { printable } from "./complaint.ts";
import { DIFFERS, DONE } from "./exit-code.ts";
import { withProgress } from "./live-line.ts";
import { readVersion, type VersionOptions } from "./swap.ts";
import { paint, type Style } from "./table.ts";

export interface DiffOptions extends AskOptions, VersionOptions {}

/**
 * Says how a configuration differs from what runs: the host's own file, or the one that is given, read here. With a filter's name:
 * what a swap of it would change.
 */
export function diff(
  filter: string | undefined,
  source: string | undefined,
  options: DiffOptions,
): Promise<number> {
  const { c: file } = options;
  return asking(
    options,
    async (client) => {
      const found =
        filter === undefined
          ? await withProgress("comparing", client.diff(textOf(options)))
          : await withProgress("comparing", client.diffSwap(filter, readVersion(source, options)));
      if (options.json) printJson(found);
      else process.stdout.write(describe(found));
      return found.differences.length === 0 && found.refusals.length === 0 ? DONE : DIFFERS;
    },
    file,
  );
}

/** Undefined: the host reads its own file. */
function textOf({ c: file, config, sha256 }: DiffOptions): string | undefined {
  if (config !== undefined || sha256 !== undefined)
    throw new AdminError("--config and --sha256 are for a swap: sluice diff FILTER FILE.");
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new AdminError(`${file} cannot be read: ${code ?? String(error)}.`, undefined, { cause: error });
  }
}

function describe({ generation, differences, refusals }: Differences): string {
  const head =
    differences.length === 0 && refusals.length === 0 ? `no difference from generation ${generation}\n` : "";
  return [
    // What cannot be done comes before what would be.
    ...refusals.map((sentence) => paint("red", printable(`refused: ${sentence}`))),
    ...differences.map(line),
  ].reduce((text, one) => `${text}${one}\n`, head);
}

function line({ path, kind, from, to }: Difference): string {
  const [sign, style, what] = (
    {
      added: ["+", "green", excerpt(to ?? null)],
      removed: ["-", "red", excerpt(from ?? null)],
      changed: ["~", "yellow", `${excerpt(from ?? null)} → ${excerpt(to ?? null)}`],
    } as const satisfies Record<Difference["kind"], readonly [string, Style, string]>
  )[kind];
  return paint(style, printable(`${sign} ${path}: ${what}`));
}
