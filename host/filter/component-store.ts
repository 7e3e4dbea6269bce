import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Evidence } from "../trust/evidence.ts";

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

  /** Keeps a component, and its signatures when there are any. */
  async keep(digest: string, bytes: Uint8Array, evidence: readonly Evidence[]): Promise<void> {
    await mkdir(this.folderOf(digest), { recursive: true });
    if ((await sizeOf(this.fileOf(digest))) !== bytes.byteLength) await this.#write(digest, COMPONENT, bytes);
    if (evidence.length > 0) await this.#write(digest, EVIDENCE, JSON.stringify(evidence));
  }

  /** Undefined when it is not there, or not what it was. */
  async read(digest: string): Promise<Buffer | undefined> {
    const bytes = await readFile(this.fileOf(digest)).catch(() => undefined);
    return bytes !== undefined && digestOf(bytes) === digest ? bytes : undefined;
  }

  async evidence(digest: string): Promise<readonly Evidence[]> {
    try {
      return JSON.parse(await readFile(join(this.folderOf(digest), EVIDENCE), "utf8")) as Evidence[];
    } catch {
      return [];
    }
  }

  /** It is used now. */
  async touch(digest: string, now: Date = new Date()): Promise<void> {
    // It may be removed at this moment by somebody who thinks that nobody uses it: then it is kept again.
    await utimes(this.fileOf(digest), now, now).catch(() => {});
  }

  async list(): Promise<readonly KeptComponent[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const found = await Promise.all(
      names
        .filter((name) => DIGEST.test(name))
        .map(async (digest) => {
          const stats = await stat(this.fileOf(digest)).catch(() => undefined);
          return { digest, bytes: stats?.size ?? 0, usedAt: stats?.mtimeMs ?? 0 };
        }),
    );
    return found.toSorted((one, other) => other.usedAt - one.usedAt);
  }

  async remove(digest: string): Promise<void> {
    await rm(this.folderOf(digest), { recursive: true, force: true });
  }

  /** Removes what was last used before `usedBefore`, but what is named. Gives the digests. */
  async collect(named: ReadonlySet<string>, usedBefore: number): Promise<readonly string[]> {
    const old = (await this.list()).filter(({ digest, usedAt }) => usedAt < usedBefore && !named.has(digest));
    for (const { digest } of old) await this.remove(digest);
    return old.map(({ digest }) => digest);
  }

  async #write(digest: string, name: string, content: string | Uint8Array): Promise<void> {
    const staged = join(this.folderOf(digest), `.${name}.${process.pid}.${(staging += 1)}`);
    await writeFile(staged, content);
    await rename(staged, join(this.folderOf(digest), name));
  }
}

export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? -1;
}

let staging = 0;

const COMPONENT = "component.wasm";
const EVIDENCE = "signatures.json";
const DIGEST = /^[0-9a-f]{64}$/;
