import { resolve } from "node:path";
import { type Artifact, ArtifactStore } from "../filter/artifact.ts";
import type { Frame } from "../filter/fault.ts";
import { type Served, SymbolReader } from "../filter/symbols.ts";
import { deepStacks } from "./deep-stacks.ts";
import { KitFilter } from "./kit-filter.ts";
import type { KitSettings } from "./kit-host.ts";

/** Loads components, and keeps what they were compiled to. */
export class Kit {
  readonly #store: ArtifactStore;
  readonly #artifacts = new Map<string, Promise<Artifact>>();
  readonly #symbols = new SymbolReader();

  /** `folder`: where compiled components are kept between starts. */
  constructor(folder: string) {
    this.#store = new ArtifactStore(folder);
    deepStacks();
  }

  /** The same file is read once. */
  artifact(file: string, memoryBytesMax: number): Promise<Artifact> {
    const key = `${memoryBytesMax} ${resolve(file)}`;
    const known = this.#artifacts.get(key) ?? this.#store.load(file, undefined, memoryBytesMax);
    this.#artifacts.set(key, known);
    return known;
  }

  /** The file may be another one now. */
  forget(): void {
    this.#artifacts.clear();
  }

  /** A filter with one instance, configured. Rejects with an `ArtifactRefused` or a `ConfigRefused`. */
  async filter(file: string, settings: KitSettings): Promise<KitFilter> {
    return KitFilter.load(await this.artifact(file, settings.memoryBytesMax), file, settings, this.#symbols);
  }

  /** Where the code of a component was; innermost first. */
  async stackOf(served: Served, frames: readonly Frame[]): Promise<readonly string[]> {
    if (frames.length === 0) return [];
    const line = await this.#symbols.complete("{}", served, frames);
    return (JSON.parse(line) as { stack: string[] }).stack;
  }

  async close(): Promise<void> {
    await Promise.all([this.#store.close(), this.#symbols.close()]);
  }
}
