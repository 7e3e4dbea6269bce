import type { Registry } from "../registry.ts";
import type { Artifact } from "./artifact.ts";
import type { Filter } from "./filter.ts";

/** What asks for a version of a filter: the generation that is being built, and what serves until it does. */
export interface Successor {
  readonly generation: number;
  readonly present: Filter | undefined;
}

/** Which version of a filter comes after which, in one worker: those with a state hand it on. */
export class Succession {
  readonly #registry: Registry<Filter>;
  readonly #keys = new WeakMap<Filter, string>();

  constructor(registry: Registry<Filter>) {
    this.#registry = registry;
  }

  /**
   * Uses the version of which `version` is all that makes it. One that is new is loaded, with the predecessor that hands its state to it.
   * No closure beside `load` may know that one: whatever the new version keeps of it would keep all versions before it.
   */
  async use(
    version: string,
    artifact: Artifact,
    successor: Successor,
    load: (predecessor: Filter | undefined) => Promise<Filter>,
  ): Promise<{ readonly filter: Filter; readonly key: string }> {
    const { key, predecessor } = this.#place(version, artifact, successor);
    const filter = await this.#registry.use(key, () => load(predecessor));
    this.#keys.set(filter, key);
    return { filter, key };
  }

  #place(
    version: string,
    artifact: Artifact,
    { generation, present }: Successor,
  ): { readonly key: string; readonly predecessor: Filter | undefined } {
    if (present === undefined || !present.stateful || !artifact.state)
      return { key: version, predecessor: undefined };
    const key = this.#keys.get(present) ?? "";
    if (key === version || key.startsWith(`${version} `)) return { key, predecessor: undefined };
    // A generation before the live one may still have this version. It knows nothing of what the present one has learned.
    return { key: `${version} ${generation}`, predecessor: present };
  }
}
