import { readFile } from "node:fs/promises";
import type { Config, FilterConfig } from "../config/config.ts";
import { digestOf } from "../filter/component-store.ts";
import { componentFile, isReference } from "../filter/sources.ts";
import { SIGNATURE_SUFFIXES } from "../trust/evidence.ts";
import { type ArtifactWatch, watchArtifacts } from "./watch.ts";

export interface FileWatchOwner {
  /** The configuration's file is another one now. */
  configChanged(): Promise<void>;
  /** A filter's component at `path` is another one now; `digest` is undefined when it cannot be read. */
  componentChanged(filter: string, path: string, digest: string | undefined): Promise<void>;
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
    const components = this.#filters.flatMap((filter) => {
      const path = fileOf(filter);
      if (path === undefined) return [];
      // A component and its signature are two files, and either may come first.
      return filter.verify === null ? [path] : [path, ...SIGNATURE_SUFFIXES.map((suffix) => path + suffix)];
    });
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
    const suffix = SIGNATURE_SUFFIXES.find((ending) => path.endsWith(`.wasm${ending}`)) ?? "";
    await this.#componentChanged(path.slice(0, path.length - suffix.length));
  }

  async #componentChanged(path: string): Promise<void> {
    const bytes = await readFile(path).catch(() => undefined);
    const names = new Set(this.#filters.filter((filter) => fileOf(filter) === path).map(({ name }) => name));
    for (const name of names) await this.#owner.componentChanged(name, path, bytes && digestOf(bytes));
  }
}

/** The file whose changes are a filter's; undefined for one that is in a registry. */
export function fileOf({ name, component }: FilterConfig): string | undefined {
  return isReference(component) ? undefined : componentFile(component, name);
}
