import { isDeepStrictEqual } from "node:util";
import type { Config, FilterConfig } from "../config/config.ts";
import { dockerConfigFile } from "../config/docker-config.ts";
import { readDebugKey, readGranted } from "../config/secret-source.ts";
import type { Artifact, ArtifactStore, TrustCheck } from "../filter/artifact.ts";
import { ArtifactRefused } from "../filter/contract.ts";
import { grantsOf } from "../filter/grants.ts";
import type { Registries } from "../oci/registries.ts";
import { RegistryFault } from "../oci/registry-fault.ts";
import type { UpstreamMaterial } from "../tls/material.ts";
import { readUpstream } from "../tls/pem-file.ts";
import { evidenceBeside } from "../trust/evidence.ts";
import { whyUntrusted } from "../trust/trust.ts";
import { candidateOf } from "../trial/trial.ts";
import { fileOf } from "./file-watch.ts";
import type { FilterSecrets } from "./messages.ts";

/** What a configuration needs of the outside: read once, in the main thread. */
export interface Loaded {
  /** By filter, and by `<filter>@candidate`. */
  readonly artifacts: Readonly<Record<string, Artifact>>;
  readonly materials: Readonly<Record<string, UpstreamMaterial>>;
  readonly secrets: FilterSecrets;
  /** What debug headers are signed with; null without `timelines.debug`. */
  readonly debugKey: Uint8Array | null;
}

/** What is taken over from what runs, so that a change depends on nothing that it does not change. */
export interface Kept {
  readonly config: Config;
  readonly loaded: Loaded;
  /** Filters whose components and secrets are read again all the same. */
  readonly fresh: ReadonlySet<string>;
  /** Whether every secret and certificate is. */
  readonly reread: boolean;
}

/** The generations of earlier processes: what runs does not depend on a registry, and neither does a restart. */
export interface Earlier {
  /** Of the component that last ran for a filter, as it is configured now. */
  digestOf(filter: FilterConfig): string | undefined;
  /** A component comes from them, as its registry does not give it; the sentence says why. */
  used(filter: string, sentence: string): void;
}

/** Loads what configurations need. */
export class Loader {
  readonly #store: ArtifactStore;
  /** Of the configuration that asked last. */
  #registries: { readonly key: string; readonly open: Promise<Registries> } | undefined;

  constructor(store: ArtifactStore) {
    this.#store = store;
  }

  /**
   * `digests`: the artifacts of a generation that was live before; they come from the store, whatever there is now where they came
   * from. Rejects with what the first one that cannot be loaded says.
   */
  async load(
    config: Config,
    kept: Kept | undefined,
    digests: Readonly<Record<string, string>> = {},
    earlier?: Earlier,
  ): Promise<Loaded> {
    const artifacts: Record<string, Artifact> = {};
    const secrets: Record<string, Readonly<Record<string, Uint8Array>>> = {};
    for (const filter of config.filters) {
      const { name } = filter;
      const before = kept?.config.filters.find((other) => other.name === name);
      const isFresh = kept === undefined || kept.fresh.has(name);
      const same = isFresh || before === undefined || !isSameSource(before, filter) ? undefined : before;
      Object.assign(
        artifacts,
        await this.#versions(filter, config, { same, kept, digest: digests[name], earlier }),
      );
      const known =
        isFresh || kept.reread || !isSameGrant(before, filter) ? undefined : kept.loaded.secrets[name];
      secrets[name] = known ?? readGranted(filter, config.secrets);
    }
    const materials =
      kept !== undefined && !kept.reread
        ? kept.loaded.materials
        : Object.fromEntries(
            config.upstreams.flatMap(({ name, tls }) => (tls === null ? [] : [[name, readUpstream(tls)]])),
          );
    const isSameKey =
      kept !== undefined && !kept.reread && kept.config.timelines.debug === config.timelines.debug;
    const debugKey = isSameKey ? kept.loaded.debugKey : readDebugKey(config);
    return { artifacts, materials, secrets, debugKey };
  }

  /** Finds a component that may become a filter's, and keeps it. Gives its digest. */
  take(filter: FilterConfig, config: Config): Promise<string> {
    const wanted = {
      filter: filter.name,
      component: filter.component,
      sha256: filter.sha256,
      bytesMax: config.limits.componentBytesMax,
      granted: grantsOf(filter.grant),
      signed: filter.verify !== null,
    };
    const places = { registry: () => this.#registry(config), evidenceBeside };
    return this.#store.take(wanted, places, trustOf(filter));
  }

  async close(): Promise<void> {
    const registries = await this.#registries?.open;
    await registries?.close();
  }

  /** A filter's artifact, and its candidate's. */
  async #versions(
    filter: FilterConfig,
    config: Config,
    { same, kept, digest, earlier }: Source,
  ): Promise<Record<string, Artifact>> {
    const { name, candidate } = filter;
    const artifacts: Record<string, Artifact> = {};
    const running = (version: string): Artifact | undefined => {
      const isAsIs = same?.limits.memoryBytesMax === filter.limits.memoryBytesMax;
      return isAsIs ? kept?.loaded.artifacts[version] : undefined;
    };
    const open = (asked: FilterConfig, known: string): Promise<Artifact> =>
      this.#store.open(
        fileOf(asked) ?? asked.component,
        known,
        filter.limits.memoryBytesMax,
        trustOf(filter),
      );
    const known = digest ?? (same && kept?.loaded.artifacts[name]?.digest);
    const runs = running(name);
    artifacts[name] =
      runs !== undefined && runs.digest === known
        ? runs
        : await open(filter, known ?? (await this.#find(filter, config, earlier)));
    if (candidate === null) return artifacts;
    const tried = running(candidateOf(name));
    artifacts[candidateOf(name)] =
      tried?.digest === candidate.digest
        ? tried
        : await open({ ...filter, component: candidate.component }, candidate.digest);
    return artifacts;
  }

  async #find(filter: FilterConfig, config: Config, earlier: Earlier | undefined): Promise<string> {
    try {
      return await this.take(filter, config);
    } catch (error) {
      if (!(error instanceof ArtifactRefused && error.cause instanceof RegistryFault)) throw error;
      const digest = earlier?.digestOf(filter);
      if (digest === undefined || (await this.#store.components.read(digest)) === undefined) throw error;
      earlier?.used(filter.name, `${error.message}; the component that ran last is taken from the store`);
      return digest;
    }
  }

  /** Loaded by those that need it. What a registry is spoken with is read again when the configuration says otherwise of it. */
  #registry({ registries, timeouts, limits }: Config): Promise<Registries> {
    const options = {
      registries,
      credentials: dockerConfigFile(),
      timeoutMs: timeouts.registryMs,
      componentBytesMax: limits.componentBytesMax,
    };
    const key = JSON.stringify(options);
    if (this.#registries?.key !== key) {
      void this.close();
      const open = import("../oci/registries.ts").then((module) => new module.Registries(options));
      this.#registries = { key, open };
    }
    return this.#registries.open;
  }
}

/** Where the versions of a filter may come from, besides from where the configuration says that they are. */
interface Source {
  /** The filter as it runs, when it is from the same source and that is not read again. */
  readonly same: FilterConfig | undefined;
  readonly kept: Kept | undefined;
  readonly digest: string | undefined;
  readonly earlier: Earlier | undefined;
}

/** What the configuration asks for, when it does. */
function trustOf({ verify }: FilterConfig): TrustCheck | undefined {
  return verify === null ? undefined : (artifact, evidence) => whyUntrusted(verify, artifact, evidence);
}

function isSameGrant(one: FilterConfig | undefined, other: FilterConfig): boolean {
  return JSON.stringify(one?.grant.secrets) === JSON.stringify(other.grant.secrets);
}

function isSameSource(one: FilterConfig, other: FilterConfig): boolean {
  return (
    one.component === other.component &&
    one.sha256 === other.sha256 &&
    isDeepStrictEqual(one.verify, other.verify)
  );
}
