import type { ComponentStore } from "../filter/component-store.ts";
import type { Live } from "./changes.ts";
import { namedDigests } from "./history.ts";

/** Removes artifacts that no kept generation names and nobody has used for a while. Gives their digests. */
export async function collectUnused(
  { config, loaded }: Live,
  components: ComponentStore,
): Promise<readonly string[]> {
  const named = await namedDigests(config.artifacts);
  for (const { digest } of Object.values(loaded.artifacts)) {
    named.add(digest);
    // A host without a state on disk is not in it, and another host may have the same store.
    await components.touch(digest);
  }
  return components.collect(named, Date.now() - UNUSED_MS);
}

const UNUSED_MS = 7 * 86_400_000;

/** How often they are looked for. */
export const COLLECT_MS = 3_600_000;
