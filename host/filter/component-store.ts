import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Evidence, SIGNATURES_MAX } from "../trust/evidence.ts";

/** A component as the store has it. */
export interface KeptComponent {
  readonly digest: string;
  readonly bytes: number;
  /** Unix milliseconds. */
  readonly usedAt: number;
}

/**
 * Components on disk by their digests, each in a folder of its own, with the forms that are made of it beside it. Several processes may
 * have the same store: all that is written is renamed into place.
 */
export class ComponentStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = join(folder, "sha256");
  }

  /** Where the forms of a component are. */
  folderOf(digest: string): string {
    return join(this.#folder, digest);
  }

  fileOf(digest: string): string {
    return join(this.#folder, digest, COMPONENT);
  }

  /** Keeps a component, and its signatures when there are any. What is damaged is written again. */
  async keep(digest: string, bytes: Uint8Array, evidence: readonly Evidence[]): Promise<void> {
    await mkdir(this.folderOf(digest), { recursive: true });
    if ((await this.read(digest)) === undefined) await this.#write(digest, COMPONENT, bytes);
    const before = await this.evidence(digest);
    // The same bytes may be at two places, each signed by somebody else: a restart asks for both.
    const added = evidence.filter(({ text }) => !before.some((other) => other.text === text));
    if (added.length > 0)
      await this.#write(digest, EVIDENCE, JSON.stringify([...added, ...before].slice(0, SIGNATURES_MAX)));
  }

  /** Undefined when it is not there, or not what it was. */
  async read(digest: string): Promise<Buffer | undefined> {
    const bytes = await readFile(this.fileOf(digest)).catch(() => undefined);
    return bytes !== undefined && digestOf(bytes) === digest ? bytes : undefined;
  }

  /** Newest first; none when they are damaged. */
  async evidence(digest: string): Promise<readonly Evidence[]> {
    try {
      const kept: unknown = JSON.parse(await readFile(join(this.folderOf(digest), EVIDENCE), "utf8"));
      return Array.isArray(kept) && kept.every(isEvidence) ? kept : [];
    } catch {
      return [];
    }
  }

  /** It is used now. */
  async touch(digest: string, now: Date = new Date()): Promise<void> {
    // It may be removed at this moment by somebody who thinks that nobody uses it: then it is kept again.
    await utimes(this.fileOf(digest), now, now).catch(() => {});
  }

  /** The one that was used last comes first. */
  async list(): Promise<readonly KeptComponent[]> {
    const found = await Promise.all((await this.#digests()).map((digest) => this.#look(digest)));
    return found.filter((kept) => kept !== undefined).toSorted((one, other) => other.usedAt - one.usedAt);
  }

  async remove(digest: string): Promise<void> {
    await rm(this.folderOf(digest), { recursive: true, force: true });
  }

  /** Removes a component of which no form could be made. One that has a form may run, with limits of another kind. */
  async removeFormless(digest: string): Promise<void> {
    const entries = await readdir(this.folderOf(digest), { withFileTypes: true }).catch(() => []);
    if (entries.some((entry) => entry.isDirectory() && !entry.name.startsWith(STAGED_FORM))) return;
    await this.remove(digest);
  }

  /** Removes what was last used before `usedBefore`, but what is named. Gives the digests. */
  async collect(named: ReadonlySet<string>, usedBefore: number): Promise<readonly string[]> {
    const removed: string[] = [];
    for (const digest of await this.#digests()) {
      const usedAt = (await this.#look(digest))?.usedAt ?? (await this.#madeAt(digest));
      if (usedAt >= usedBefore || named.has(digest)) {
        await this.#removeStaged(digest, usedBefore);
        continue;
      }
      await this.remove(digest);
      removed.push(digest);
    }
    return removed;
  }

  /** What a process was writing when it was killed. */
  async #removeStaged(digest: string, before: number): Promise<void> {
    for (const name of await readdir(this.folderOf(digest)).catch(() => [])) {
      if (!name.startsWith(".") && !name.startsWith(STAGED_FORM)) continue;
      const path = join(this.folderOf(digest), name);
      const at = (await stat(path).catch(() => undefined))?.mtimeMs;
      if (at !== undefined && at < before) await rm(path, { recursive: true, force: true });
    }
  }

  /** A component that is just being written is not there yet, but its folder is. */
  async #madeAt(digest: string): Promise<number> {
    return (await stat(this.folderOf(digest)).catch(() => undefined))?.mtimeMs ?? Date.now();
  }

  async #digests(): Promise<readonly string[]> {
    const names = await readdir(this.#folder).catch(() => []);
    return names.filter((name) => DIGEST.test(name));
  }

  async #look(digest: string): Promise<KeptComponent | undefined> {
    const stats = await stat(this.fileOf(digest)).catch(() => undefined);
    return stats && { digest, bytes: stats.size, usedAt: stats.mtimeMs };
  }

  async #write(digest: string, name: string, content: string | Uint8Array): Promise<void> {
    const staged = join(this.folderOf(digest), `.${name}.${process.pid}.${(staging += 1)}`);
    try {
      await writeFile(staged, content);
      await rename(staged, join(this.folderOf(digest), name));
    } catch (error) {
      // What is half there takes room where there may be none left.
      await rm(staged, { force: true }).catch(() => {});
      throw error;
    }
  }
}

export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function isEvidence(value: unknown): value is Evidence {
  const { kind, text, from } = (value ?? {}) as Partial<Record<keyof Evidence, unknown>>;
  return (kind === "key" || kind === "sigstore") && typeof text === "string" && typeof from === "string";
}

let staging = 0;

/** How the folder's name begins in which a form is made. */
export const STAGED_FORM = "new-";

const COMPONENT = "component.wasm";
const EVIDENCE = "signatures.json";
const DIGEST = /^[0-9a-f]{64}$/;
