import type { Artifact } from "./artifact.ts";
import type { Filter } from "./filter.ts";

/** Which version of a filter comes after which, in one worker: those with a state hand it on. */
export class Succession {
  readonly #keys = new WeakMap<Filter, string>();

  /**
   * The key under which a version is shared between generations, and the version that hands its state to it when it is new.
   * `version` is all that makes it, `generation` the one that is being built, `present` what serves until then.
   */
  next(
    version: string,
    artifact: Artifact,
    generation: number,
    present: Filter | undefined,
  ): { readonly key: string; readonly predecessor: Filter | undefined } {
    if (present === undefined || !present.stateful || !artifact.state)
      return { key: version, predecessor: undefined };
    const key = this.#keys.get(present) ?? "";
    if (key === version || key.startsWith(`${version} `)) return { key, predecessor: undefined };
    // A generation before the live one may still have this version. It knows nothing of what the present one has learned.
    return { key: `${version} ${generation}`, predecessor: present };
  }

  registered(filter: Filter, key: string): void {
    this.#keys.set(filter, key);
  }
}
