import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Config } from "../config/config.ts";
import { InheritedSockets } from "../control/inherited-sockets.ts";
import { ArtifactStore } from "../filter/artifact.ts";
import { digestOf } from "../filter/component-store.ts";
import { type NeededGrant, neededGrants } from "../filter/grants.ts";
import { SymbolReader } from "../filter/symbols.ts";
import { Host } from "../host.ts";
import type { Log } from "../ops/log.ts";
import { build } from "./build.ts";
import { BuildQueue } from "./build-queue.ts";
import {
  configOfFile,
  type DevConfig,
  type DevPlace,
  grantLine,
  minimalConfig,
  minimalText,
} from "./dev-config.ts";
import { nameFunctions } from "./profile.ts";
import { watchSources } from "./source-watch.ts";
import { profileOfWorker } from "./worker-profile.ts";

export interface DevOptions extends DevPlace {
  /** Of the project. */
  readonly folder: string;
  /** Undefined: the project has none, and a minimal one is made. */
  readonly file: string | undefined;
}

/** Who has typed `sluice dev`, and reads along. */
export interface DevOwner {
  readonly log: Log;
  /** It serves at this address, for the first time. */
  serves(address: string, config: Config): void;
  /** A sentence about how it goes. */
  tells(sentence: string): void;
  /** What went wrong; what serves serves on. */
  complains(error: unknown): void;
}

/** A filter that is built and swapped whenever its sources are saved, in a proxy with one worker. */
export class DevSession {
  readonly #options: DevOptions;
  readonly #owner: DevOwner;
  readonly #queue = new BuildQueue(() => this.#build());
  readonly #ending = new AbortController();
  #host: Host | undefined;
  #live: DevConfig | undefined;
  /** Of the component that serves. */
  #digest = "";
  /** Of a minimal configuration. */
  #grants: readonly NeededGrant[] = [];
  #watch: (() => Promise<void>) | undefined;
  /** Of the profile under way: what ends it, and when it is written. */
  #profile: { readonly end: () => void; readonly written: Promise<void> } | undefined;

  constructor(options: DevOptions, owner: DevOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  /** Begins to watch, and to build. */
  async start(): Promise<void> {
    this.#watch = await watchSources(dirname(this.#options.crate.manifest), () => this.rebuild());
    this.rebuild();
  }

  rebuild(): void {
    if (!this.#ending.signal.aborted) this.#queue.ask();
  }

  /** Records a profile of the worker for a while, or ends the one under way. */
  profile(): void {
    if (this.#profile !== undefined) return this.#profile.end();
    const live = this.#live;
    if (live === undefined) return this.#owner.tells("nothing serves yet that could be profiled");
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    this.#profile = { end, written: this.#profiled(live, over) };
    setTimeout(end, PROFILE_MS).unref();
    this.#owner.tells(`profiling the worker for ${PROFILE_MS / 1000} s; p ends it sooner`);
  }

  /** Ends a build that is under way, and all exchanges. */
  async close(): Promise<void> {
    this.#ending.abort();
    this.#profile?.end();
    await this.#profile?.written;
    await this.#watch?.();
    await this.#queue.close();
    await this.#host?.force();
  }

  /** Never rejects: after whatever went wrong, the next save may put it right. */
  async #build(): Promise<void> {
    const { signal } = this.#ending;
    const began = performance.now();
    try {
      this.#owner.tells(`building ${this.#options.crate.package}`);
      const { file } = await build({ folder: this.#options.folder, signal });
      const ms = performance.now() - began;
      await this.#serve(file, digestOf(await readFile(file)), `built in ${(ms / 1000).toFixed(1)} s`);
    } catch (error) {
      if (signal.aborted) return;
      this.#owner.complains(error);
      this.#owner.tells(
        this.#host === undefined ? "nothing serves yet; save to try again" : "the version before serves on",
      );
    }
  }

  async #serve(file: string, digest: string, built: string): Promise<void> {
    if (this.#host === undefined) await this.#begin(file);
    else if (digest === this.#digest)
      return this.#owner.tells(`${built}: the component is the one that serves`);
    else await this.#swap(this.#host, file);
    this.#digest = digest;
    this.#owner.tells(`${built}: generation ${this.#host?.status().generation ?? 0} serves it`);
  }

  async #begin(component: string): Promise<void> {
    const { file } = this.#options;
    if (file === undefined) this.#grants = await this.#needed(component);
    const live =
      file === undefined ? minimalConfig(this.#options, this.#grants) : configOfFile(file, this.#options);
    const host = await Host.start(live.config, this.#owner.log, new InheritedSockets(), undefined, OBSERVER);
    this.#host = host;
    this.#live = live;
    this.#owner.serves(host.status().listen[0] ?? "", live.config);
    if (file === undefined && this.#grants.length > 0) this.#tellGrants();
  }

  async #swap(host: Host, component: string): Promise<void> {
    if (this.#options.file === undefined) await this.#grantMore(host, component);
    for (const filter of this.#live?.filters ?? []) await host.swap(filter, { component }, ASKED);
  }

  /** What the new version imports and the one before did not. What nobody imports any more may stay granted. */
  async #grantMore(host: Host, component: string): Promise<void> {
    const needed = await this.#needed(component);
    const known = new Set(this.#grants.map(({ grant }) => grant));
    const more = needed.filter(({ grant }) => !known.has(grant));
    if (more.length === 0) return;
    const grants = [...this.#grants, ...more];
    await host.apply(minimalText(this.#options, grants), ASKED);
    this.#grants = grants;
    this.#tellGrants();
  }

  #tellGrants(): void {
    this.#owner.tells(`granted what it imports, as a configuration has to: ${grantLine(this.#grants)}`);
  }

  async #needed(component: string): Promise<readonly NeededGrant[]> {
    const store = new ArtifactStore(this.#options.artifacts);
    try {
      return neededGrants((await store.load(component, undefined)).imports);
    } finally {
      await store.close();
    }
  }

  /** Never rejects. */
  async #profiled(live: DevConfig, over: Promise<void>): Promise<void> {
    try {
      this.#owner.tells(await this.#record(live, over));
    } catch (error) {
      this.#owner.complains(error);
    } finally {
      this.#profile = undefined;
    }
  }

  /** Gives the sentence that says where it is. */
  async #record({ config, filters: [own] }: DevConfig, over: Promise<void>): Promise<string> {
    const { component, crate } = this.#options;
    const profile = await profileOfWorker(over);
    const filter = config.filters.find(({ name }) => name === own);
    // By its number alone, a function could be another filter's.
    const alone = config.filters.length === 1 && filter !== undefined;
    if (alone) {
      const store = new ArtifactStore(config.artifacts);
      const symbols = new SymbolReader();
      try {
        const artifact = await store.load(component, undefined, filter.limits.memoryBytesMax);
        await nameFunctions(profile, (frames) => symbols.functionsOf({ artifact, file: component }, frames));
      } finally {
        await Promise.all([store.close(), symbols.close()]);
      }
    }
    const file = join(dirname(component), `${crate.name}-${Date.now()}.cpuprofile`);
    await writeFile(file, JSON.stringify(profile));
    return `profile: ${file}${alone ? "" : "; with several filters their functions have numbers and no names"}`;
  }
}

const OBSERVER = new URL(
  import.meta.url.endsWith(".ts") ? "./dev-observer.ts" : "./dev-observer.js",
  import.meta.url,
).href;

const ASKED = { by: "dev" };

const PROFILE_MS = 5_000;
