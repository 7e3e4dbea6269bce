import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { Config, FilterConfig } from "../config/config.ts";
import { componentFile, isReference, possibleFiles } from "../filter/sources.ts";
import { SIGNATURE_SUFFIXES } from "../trust/evidence.ts";
import { type ArtifactWatch, watchArtifacts } from "./watch.ts";

export interface FileWatchOwner {
  /** The configuration's file is another one now. */
  configChanged(): Promise<void>;
  /** A file that is a filter's component is another one now. */
  componentChanged(filter: string, file: string, digest: string): Promise<void>;
  /** A sentence for the log. */
  blind(sentence: string): void;
}

/** Notices when the files change that the live generation is made of. */
export class FileWatch {
  readonly #owner: FileWatchOwner;
  readonly #config: string | undefined;
  readonly #watch: ArtifactWatch;
  #filters: readonly FilterConfig[] = [];

  /** `config`: the configuration's own file, if it has one. */
  constructor(config: string | undefined, owner: FileWatchOwner) {
    this.#owner = owner;
    this.#config = config;
    this.#watch = watchArtifacts({
      onChange: (path) => void this.#changed(path),
      onError: (sentence) => owner.blind(sentence),
    });
  }

  /** To be called before these are read: a change that comes meanwhile is told, and not lost. */
  set(...configs: readonly Config[]): void {
    this.#filters = configs.flatMap(({ filters }) => filters);
    const components = this.#filters.flatMap((filter) =>
      filesOf(filter).flatMap((path) =>
        // A component and its signature are two files, and either may come first.
        filter.verify === null ? [path] : [path, ...SIGNATURE_SUFFIXES.map((suffix) => path + suffix)],
      ),
    );
    this.#watch.set(this.#config === undefined ? components : [...components, this.#config]);
  }

  /** Looks at every component once: what a generation was made of may be older than what lies there now. */
  async look(): Promise<void> {
    const seen = new Set(this.#filters.map(fileOf).filter((path) => path !== undefined));
    for (const path of seen) await this.#componentChanged(path);
  }

  async close(): Promise<void> {
    await this.#watch.close();
  }

  async #changed(path: string): Promise<void> {
    if (path === this.#config) return this.#owner.configChanged();
    const files = new Set(this.#filters.flatMap(filesOf));
    const signed = SIGNATURE_SUFFIXES.filter((suffix) => path.endsWith(suffix)).map((suffix) =>
      path.slice(0, path.length - suffix.length),
    );
    await this.#componentChanged(files.has(path) ? path : (signed.find((file) => files.has(file)) ?? path));
  }

  async #componentChanged(path: string): Promise<void> {
    const digest = await digestOfFile(path).catch(() => undefined);
    // It is gone, or is being made anew: what runs goes on.
    if (digest === undefined) return;
    const names = new Set(this.#filters.filter((filter) => fileOf(filter) === path).map(({ name }) => name));
    for (const name of names) await this.#owner.componentChanged(name, path, digest);
  }
}

/** The file whose changes are a filter's; undefined for one that is in a registry. */
export function fileOf({ name, component }: FilterConfig): string | undefined {
  return isReference(component) ? undefined : componentFile(component, name);
}

/** Those that it may be, where a folder is named. */
function filesOf({ name, component }: FilterConfig): readonly string[] {
  return isReference(component) ? [] : possibleFiles(component, name);
}

/** However long it is: that it is too long is said by who loads it. */
async function digestOfFile(path: string): Promise<string | undefined> {
  // A device or a pipe may give bytes for ever.
  if (!(await stat(path)).isFile()) return undefined;
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
