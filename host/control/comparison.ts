import { formatPath } from "../config/problem.ts";
import { addedImports, type Change, type Changes, type Live } from "./changes.ts";
import { NEEDS_RESTART } from "./config-file.ts";
import type { Difference, Differences } from "./control.ts";
import { differencesOf, restartNeeded } from "./differences.ts";
import type { Loaded } from "./loader.ts";

/** To be called in turn. What a change would change, and what stands against it. */
export async function compared(
  changes: Changes,
  live: Live,
  change: Change,
  hidden: ReadonlySet<string>,
): Promise<Differences> {
  const restarts = restartNeeded(live.config, change.config).map((option) => `${option}: ${NEEDS_RESTART}`);
  const { refusals, loaded } = await changes.rehearse(change, live);
  return {
    generation: live.number,
    differences: [
      ...(loaded === undefined ? [] : artifactDifferences(live, loaded)),
      ...differencesOf(live.config, change.config, hidden),
    ],
    refusals: [...restarts, ...refusals],
  };
}

function artifactDifferences(live: Live, loaded: Loaded): Difference[] {
  const artifacts = Object.entries(loaded.artifacts).flatMap(([name, { digest }]): Difference[] => {
    const before = live.loaded.artifacts[name]?.digest;
    if (before === digest) return [];
    const path = formatPath(["filters", name, "artifact"]);
    return before === undefined
      ? [{ path, kind: "added", to: digest }]
      : [{ path, kind: "changed", from: before, to: digest }];
  });
  const imports = addedImports(loaded, live).map(
    ([name, added]): Difference => ({
      path: formatPath(["filters", name, "imports"]),
      kind: "added",
      to: added,
    }),
  );
  return [...artifacts, ...imports];
}
