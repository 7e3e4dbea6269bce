import type { ComponentStore } from "../filter/component-store.ts";
import { componentFile, isReference } from "../filter/sources.ts";
import type { Served } from "../filter/symbols.ts";
import { candidateOf } from "../trial/trial.ts";
import type { Live } from "./changes.ts";

/** The artifact of a live filter, or of its candidate, that has this digest, and the file that it is from. */
export function servedBy(
  live: Live | undefined,
  digest: string,
  components: ComponentStore,
): Served | undefined {
  for (const { name, component, candidate } of live?.config.filters ?? []) {
    const versions = [
      { artifact: live?.loaded.artifacts[name], component },
      { artifact: live?.loaded.artifacts[candidateOf(name)], component: candidate?.component ?? "" },
    ];
    const found = versions.find(({ artifact }) => artifact?.digest === digest);
    if (found?.artifact === undefined) continue;
    const file = isReference(found.component)
      ? components.fileOf(digest)
      : componentFile(found.component, name);
    return { artifact: found.artifact, file };
  }
  return undefined;
}
