/** What one generation answers with: its two filters' configs. */
export interface Version {
  readonly mark: string;
  readonly tag: string;
}

/**
 * Which versions may answer: those that were live when an exchange began, and all that came after. A change that is under way may have
 * happened or not.
 */
export class Versions {
  /** One entry for each change; in a trial there are two versions. */
  readonly #entries: (readonly Version[])[];
  /** Changes before this one have been acknowledged. */
  #acknowledged = 0;

  constructor(first: Version) {
    this.#entries = [[first]];
  }

  /** To be noted before an exchange begins. */
  get now(): number {
    return this.#acknowledged;
  }

  get live(): readonly Version[] {
    return this.#entries[this.#acknowledged] as readonly Version[];
  }

  /** A change is asked for that leads to one of these. Gives how to tell what came of it. */
  change(next: readonly Version[]): (isLive: boolean) => void {
    this.#entries.push(next);
    return (isLive) => {
      if (isLive) this.#acknowledged = this.#entries.length - 1;
      else this.#entries.pop();
    };
  }

  /** Throws when an exchange that began at `since` may not have had this answer. Without a tag any one will do. */
  check(
    since: number,
    answer: { readonly mark: string | undefined; readonly tag?: string | undefined },
  ): void {
    const fits = ({ mark, tag }: Version): boolean =>
      mark === answer.mark && (!("tag" in answer) || tag === answer.tag);
    if (this.#entries.slice(since).flat().some(fits)) return;
    const wasOver = this.#entries.slice(0, since).flat().some(fits);
    const what = wasOver ? "was over when the exchange began" : "has never been live";
    throw new Error(`an answer of mark ${answer.mark} and tag ${answer.tag}, which ${what}`);
  }
}
