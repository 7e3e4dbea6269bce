import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import { SecretRefused } from "../config/secret-source.ts";
import { ArtifactRefused, ConfigRefused } from "../filter/contract.ts";
import { whyNotGranted, grantsOf } from "../filter/grants.ts";
import { PemRefused } from "../tls/pem-file.ts";
import { Certificates } from "./certificates.ts";
import { type Asked, Refusal, type RefusalCode } from "./control.ts";
import { differencesOf, sentenceOf } from "./differences.ts";
import type { Endpoint } from "./entrances.ts";
import type { Fleet } from "./fleet.ts";
import { type GenerationRecord, type History, HistoryFailed, RECORD_FORM } from "./history.ts";
import { InheritedSockets } from "./inherited-sockets.ts";
import { candidateOf } from "../trial/trial.ts";
import type { Earlier, Kept, Loaded, Loader } from "./loader.ts";
import type { PreparedFilter } from "./messages.ts";
import { OrderFailed } from "./worker-link.ts";

/** What runs. */
export interface Live {
  readonly number: number;
  readonly config: Config;
  readonly loaded: Loaded;
  readonly prepared: readonly PreparedFilter[];
}

/** What is to run instead. */
export interface Change {
  readonly config: Config;
  readonly asked: Asked;
  /** Filters whose components are read again although the configuration says the same of them. */
  readonly fresh?: ReadonlySet<string>;
  /** Whether secrets and certificates are read again. */
  readonly reread?: boolean;
  /** Artifacts that are to be taken from the store. */
  readonly digests?: Readonly<Record<string, string>>;
  /** What the history is to say besides the differences. */
  readonly notes?: readonly string[];
  /** Told before anybody else hears that it is live. */
  readonly committed?: () => void;
  /** Of a start: the sockets that the process was given. */
  readonly inherited?: InheritedSockets;
  /** Of a start: a generation that was live in an earlier process and is so again, under its own number. */
  readonly resumed?: GenerationRecord;
}

export interface ChangesOwner {
  readonly logger: Logger;
  /** The configuration, as its file had it when it was last read: by its digest. */
  readonly base: string;
  /** What is not to be shown, as it may be secret. */
  readonly hidden: ReadonlySet<string>;
  /** Before components are read: a change on disk that comes after that is told, and not lost. */
  watch(...configs: readonly Config[]): void;
  /** On all workers. */
  changed(live: Live): void;
}

/**
 * Makes one generation of the other. Every change is one transaction: load, prepare on all workers, write it down, commit on all of
 * them, or nothing. Changes wait for each other.
 */
export class Changes {
  live: Live | undefined;
  readonly #fleet: Fleet;
  readonly #loader: Loader;
  readonly #history: History;
  readonly #owner: ChangesOwner;
  #certificates: Certificates | undefined;
  /** The change under way; the next one begins when it has ended, well or not. */
  #turn: Promise<unknown> = Promise.resolve();
  #stopping = false;

  constructor(fleet: Fleet, loader: Loader, history: History, owner: ChangesOwner) {
    this.#fleet = fleet;
    this.#loader = loader;
    this.#history = history;
    this.#owner = owner;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Ends all changes but the one under way; resolves when that has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#turn.catch(() => {});
  }

  async close(): Promise<void> {
    this.#stopping = true;
    await this.#certificates?.close();
  }

  /** Waits for those before it. Rejects with a `Refusal` when the condition does not hold by then. */
  inTurn<Result>(asked: Asked, change: (live: Live) => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(
      () => this.#begin(asked, change),
      () => this.#begin(asked, change),
    );
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** To be called in turn. Gives what is different. Rejects with a `Refusal`, and nothing has changed. */
  async make(change: Change): Promise<readonly string[]> {
    const { live } = this;
    this.#owner.watch(change.config, ...(live === undefined ? [] : [live.config]));
    try {
      return await this.#make(change, live);
    } catch (error) {
      if (live !== undefined) this.#owner.watch(live.config);
      throw refusalOf(error);
    }
  }

  /** To be called in turn. What stands against a change, as sentences, and what was loaded for it; nothing is changed. */
  async rehearse(
    change: Change,
    live: Live,
  ): Promise<{ refusals: readonly string[]; loaded: Loaded | undefined }> {
    let loaded: Loaded | undefined;
    try {
      loaded = await this.#loader.load(change.config, keptOf(change, live), change.digests);
      refuseUngranted(change.config, loaded, live);
      await this.#fleet.rehearse(this.#order(REHEARSED, change.config, loaded));
      return { refusals: [], loaded };
    } catch (error) {
      return { refusals: [refusalOf(error).message], loaded };
    }
  }

  async #begin<Result>(asked: Asked, change: (live: Live) => Promise<Result>): Promise<Result> {
    const { live } = this;
    if (this.#stopping || live === undefined)
      throw new Refusal("HOST_UNAVAILABLE", "the host is stopping, and changes nothing any more");
    if (asked.ifGeneration !== undefined && asked.ifGeneration !== live.number) {
      const sentence = `generation ${live.number} is live, and the change was meant for ${asked.ifGeneration}`;
      throw new Refusal("GENERATION_CHANGED", sentence);
    }
    return change(live);
  }

  async #make(change: Change, live: Live | undefined): Promise<readonly string[]> {
    const { config, resumed } = change;
    const kept = live && keptOf(change, live);
    // What runs is changed by nobody's word but a registry's; a start has to do with what there is.
    const earlier = live === undefined ? this.#earlier : undefined;
    const loaded = await this.#loader.load(config, kept, change.digests, earlier);
    if (live !== undefined) refuseUngranted(config, loaded, live);
    if (live !== undefined && change.fresh === undefined && isSame(live, config, loaded)) return [];
    const number = resumed?.number ?? (this.#history.live?.number ?? 0) + 1;
    const changes = this.#describe(change, live, loaded);
    const certificates = this.#certificatesOf(change, live);
    let prepared: readonly PreparedFilter[];
    try {
      prepared = await this.#fleet.change({
        order: this.#order(number, config, loaded),
        endpoints: endpointsOf(config, certificates),
        inherited: change.inherited ?? new InheritedSockets(),
        ready: () =>
          resumed === undefined ? this.#record(number, change, changes, loaded) : Promise.resolve(),
      });
    } catch (error) {
      if (certificates !== this.#certificates) void certificates.close();
      throw error;
    }
    if (certificates !== this.#certificates) void this.#certificates?.close();
    this.#certificates = certificates;
    this.live = { number, config, loaded, prepared };
    this.#owner.watch(config);
    change.committed?.();
    this.#owner.changed(this.live);
    return changes;
  }

  #describe(
    { config, notes = [], resumed }: Change,
    live: Live | undefined,
    loaded: Loaded,
  ): readonly string[] {
    if (live === undefined) return resumed?.changes ?? [];
    return [...notes, ...describe(live, config, loaded, this.#owner.hidden)];
  }

  async #record(number: number, change: Change, changes: readonly string[], loaded: Loaded): Promise<void> {
    if (this.#stopping && this.live !== undefined)
      throw new Refusal("HOST_UNAVAILABLE", "the host is stopping, and changes nothing any more");
    await this.#history.append({
      form: RECORD_FORM,
      number,
      at: Date.now(),
      by: change.asked.by,
      changes,
      config: change.config,
      digests: digestsOf(loaded),
      base: this.#owner.base,
    });
  }

  get #earlier(): Earlier {
    return {
      digestOf: ({ name, component, sha256 }) =>
        this.#history.records.findLast(({ config }) =>
          config.filters.some(
            (filter) => filter.name === name && filter.component === component && filter.sha256 === sha256,
          ),
        )?.digests[name],
      used: (filter, sentence) => this.#owner.logger.warn({ filter }, sentence),
    };
  }

  #order(generation: number, config: Config, loaded: Loaded) {
    return { kind: "prepare", generation, config, ...loaded } as const;
  }

  /** New ones only where the listeners are: each watches the files that it has read. */
  #certificatesOf({ config, reread }: Change, live: Live | undefined): Certificates {
    const same = JSON.stringify(live?.config.listen) === JSON.stringify(config.listen);
    if (this.#certificates !== undefined && same && reread !== true) return this.#certificates;
    const certificates = new Certificates(config.listen, {
      renewed: (at, material) => void this.#renew(certificates, at, material),
      refused: (sentence) => this.#owner.logger.warn(sentence),
    });
    return certificates;
  }

  /** The files of a listener's certificates are other ones now. */
  async #renew(from: Certificates, at: number, material: Parameters<Fleet["renew"]>[1]): Promise<void> {
    const entrance = this.#fleet.entrances[at];
    if (from !== this.#certificates || entrance === undefined) return;
    const listen = this.#fleet.addresses[at];
    const address = listen === undefined ? "" : `${listen.host}:${listen.port}`;
    try {
      await this.#fleet.renew(entrance.id, material);
      this.#owner.logger.info(
        { listen: address, certificates: material.pairs.length },
        "certificates renewed",
      );
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#owner.logger.error({ listen: address }, `certificates were not renewed on every worker: ${why}`);
    }
  }
}

/** No generation ever has this number. */
const REHEARSED = 0;

/** Errors of loading and preparing, in the operator's terms. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const message = error instanceof Error ? error.message : String(error);
  const options = { cause: error };
  if (error instanceof ArtifactRefused) return new Refusal(ARTIFACT_REFUSALS[error.code], message, options);
  if (error instanceof ConfigRefused || error instanceof SecretRefused)
    return new Refusal("CONFIGURE_REFUSED", message, options);
  if (error instanceof PemRefused) return new Refusal("CONFIG_REFUSED", message, options);
  if (error instanceof OrderFailed) return new Refusal(ORDER_REFUSALS[error.fault], message, options);
  if (error instanceof HistoryFailed) return new Refusal("HOST_UNAVAILABLE", message, options);
  return new Refusal("HOST_UNAVAILABLE", message, options);
}

const ARTIFACT_REFUSALS: Readonly<Record<ArtifactRefused["code"], RefusalCode>> = {
  artifact: "ARTIFACT_REFUSED",
  grant: "GRANT_MISSING",
  signature: "SIGNATURE_REFUSED",
};

const ORDER_REFUSALS: Readonly<Record<OrderFailed["fault"], RefusalCode>> = {
  artifact: "ARTIFACT_REFUSED",
  grant: "GRANT_MISSING",
  configure: "CONFIGURE_REFUSED",
  host: "HOST_UNAVAILABLE",
};

/** What is different, artifacts included, a sentence each. */
export function describe(
  live: Live,
  config: Config,
  loaded: Loaded,
  hidden: ReadonlySet<string>,
): readonly string[] {
  const artifacts = Object.entries(loaded.artifacts).flatMap(([name, { digest }]) => {
    const before = live.loaded.artifacts[name]?.digest;
    return before === undefined || before === digest
      ? []
      : [`filters.${name} artifact: ${before.slice(0, 12)} → ${digest.slice(0, 12)}`];
  });
  return [...artifacts, ...differencesOf(live.config, config, hidden).map(sentenceOf)];
}

/** What an artifact imports that the one before it does not, by filter. */
export function addedImports(
  loaded: Loaded,
  live: Live,
): readonly (readonly [filter: string, name: string])[] {
  return Object.entries(loaded.artifacts).flatMap(([name, { imports }]) => {
    const before = live.loaded.artifacts[name.replace(/@candidate$/, "")]?.imports;
    return before === undefined
      ? []
      : imports.filter((added) => !before.includes(added)).map((added) => [name, added] as const);
  });
}

/** The capability gate: more than the version that runs may do is granted by name, or refused before anything is prepared. */
function refuseUngranted(config: Config, loaded: Loaded, live: Live): void {
  const added = addedImports(loaded, live);
  for (const { name, grant } of config.filters) {
    for (const version of [name, candidateOf(name)]) {
      const artifact = loaded.artifacts[version];
      const why = artifact && whyNotGranted(name, artifact.imports, grantsOf(grant));
      if (why === undefined) continue;
      const isMore = added.some(([filter]) => filter === version);
      throw new Refusal("GRANT_MISSING", isMore ? `${why}; the version that runs does not import it` : why);
    }
  }
}

/** Also what the configuration only names: artifacts, secrets, certificates. */
function isSame(live: Live, config: Config, loaded: Loaded): boolean {
  return (
    isDeepStrictEqual(config, live.config) &&
    isDeepStrictEqual(digestsOf(loaded), digestsOf(live.loaded)) &&
    isDeepStrictEqual(outsideOf(loaded), outsideOf(live.loaded))
  );
}

function outsideOf({ secrets, materials, debugKey }: Loaded): readonly unknown[] {
  return [secrets, materials, debugKey];
}

function keptOf({ fresh, reread }: Change, { config, loaded }: Live): Kept {
  return { config, loaded, fresh: fresh ?? new Set(), reread: reread ?? false };
}

function digestsOf({ artifacts }: Loaded): Record<string, string> {
  return Object.fromEntries(Object.entries(artifacts).map(([name, { digest }]) => [name, digest]));
}

function endpointsOf({ listen }: Config, { materials }: Certificates): Endpoint[] {
  return listen.map(({ kind, host, port, proxyProtocol }, at) => ({
    address: { kind, host, port },
    tls: materials[at] ?? null,
    proxyProtocol,
  }));
}
