import { isDeepStrictEqual } from "node:util";
import type { Config, FilterConfig } from "../config/config.ts";
import { dockerConfigFile } from "../config/docker-config.ts";
import { readGranted } from "../config/secret-source.ts";
import type { Artifact, ArtifactStore, TrustCheck } from "../filter/artifact.ts";
import { grantsOf } from "../filter/grants.ts";
import type { Registries } from "../oci/registries.ts";
import type { UpstreamMaterial } from "../tls/material.ts";
import { readUpstream } from "../tls/pem-file.ts";
import { evidenceBeside } from "../trust/evidence.ts";
import { whyUntrusted } from "../trust/trust.ts";
import { candidateOf } from "../trial/trial.ts";
import type { FilterSecrets } from "./messages.ts";

/** What a configuration needs of the outside: read once, in the main thread. */
export interface Loaded {
  /** By filter, and by `<filter>@candidate`. */
  readonly artifacts: Readonly<Record<string, Artifact>>;
  readonly materials: Readonly<Record<string, UpstreamMaterial>>;
  readonly secrets: FilterSecrets;
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
  ): Promise<Loaded> {
    const artifacts: Record<string, Artifact> = {};
    const secrets: Record<string, Readonly<Record<string, Uint8Array>>> = {};
    for (const filter of config.filters) {
      const { name, candidate } = filter;
      const before = kept?.config.filters.find((other) => other.name === name);
      const isFresh = kept === undefined || kept.fresh.has(name);
      const stays = !isFresh && before !== undefined && isSameSource(before, filter);
      const digest = digests[name] ?? (stays ? kept?.loaded.artifacts[name]?.digest : undefined);
      artifacts[name] = await this.#artifact(filter, config, digest);
      if (candidate !== null) {
        const other = { ...filter, component: candidate.component, sha256: candidate.sha256 };
        artifacts[candidateOf(name)] = await this.#artifact(other, config, candidate.digest);
      }
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
    return { artifacts, materials, secrets };
  }

  /** Finds a component that may become a filter's, and keeps it. Gives its digest. */
  take(filter: FilterConfig, config: Config): Promise<string> {
    const wanted = {
      filter: filter.name,
      component: filter.component,
      sha256: filter.sha256,
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

  async #artifact(filter: FilterConfig, config: Config, known: string | undefined): Promise<Artifact> {
    const digest = known ?? (await this.take(filter, config));
    return this.#store.open(filter.component, digest, filter.limits.memoryBytesMax, trustOf(filter));
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
