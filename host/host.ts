import { readFileSync } from "node:fs";
import { formatAddress } from "./config/address.ts";
import type { Address, Config, FilterConfig, Json, LogLevel } from "./config/config.ts";
import type { Problem } from "./config/problem.ts";
import { candidateOf, type TrialView } from "./trial/trial.ts";
import { readGranted, SecretRefused } from "./config/secret-source.ts";
import { Certificates } from "./control/certificates.ts";
import {
  type ArtifactView,
  type ChangeResult,
  type ConfigView,
  type Control,
  type Differences,
  type Explanation,
  type GenerationView,
  Refusal,
  type RefusedRequest,
  type WorkerView,
  type RefusalCode,
  type Status,
  type SwapRequest,
  type SwapResult,
} from "./control/control.ts";
import { Fleet } from "./control/fleet.ts";
import { type InheritedSocket, InheritedSockets } from "./control/inherited-sockets.ts";
import type { FilterSecrets, PreparedFilter } from "./control/messages.ts";
import { type ArtifactWatch, watchArtifacts } from "./control/watch.ts";
import { OrderFailed } from "./control/worker-link.ts";
import { type Artifact, ArtifactStore } from "./filter/artifact.ts";
import { ArtifactRefused, ConfigRefused } from "./filter/contract.ts";
import { type Served, SymbolReader } from "./filter/symbols.ts";
import type { Log } from "./ops/log.ts";
import { merged } from "./ops/merge.ts";
import { Exposition, type MainFacts } from "./ops/metrics.ts";
import type { ServerView } from "./ops/server-meter.ts";
import type { TrialSnapshot } from "./ops/trial-meter.ts";
import type { ListenerMaterial, UpstreamMaterial } from "./tls/material.ts";
import { readUpstream } from "./tls/pem-file.ts";

/** What a change did to one filter. */
type Change = Omit<SwapResult, "generation" | "durationMs" | "changes">;

/**
 * A running proxy: workers that serve a generation, and the changes from one to the next. It carries no traffic itself.
 *
 * Every change is one transaction: load, prepare on all workers, commit on all of them, or nothing. Changes wait for each other.
 */
export class Host implements Control {
  readonly #log: Log;
  readonly #store: ArtifactStore;
  readonly #fleet: Fleet;
  readonly #exposition = new Exposition();
  readonly #symbols = new SymbolReader();
  readonly #watch: ArtifactWatch;
  readonly #startedAt = Date.now();
  #config: Config;
  #artifacts: Readonly<Record<string, Artifact>> = {};
  /** Read at the start: a change of a filter does not depend on files that have nothing to do with it. */
  #materials: Readonly<Record<string, UpstreamMaterial>> | undefined;
  /** By filter: read with its artifact, so that a swap takes what is there now. */
  #secrets: FilterSecrets = {};
  #prepared: readonly PreparedFilter[] = [];
  #listen: readonly Address[] = [];
  #certificates: Certificates | undefined;
  #generation = 0;
  #swapsOk = 0;
  #swapsRefused = 0;
  #stopping = false;
  /** The change under way; the next one begins when it has ended, well or not. */
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(config: Config, log: Log) {
    this.#config = config;
    this.#log = log;
    this.#store = new ArtifactStore(config.artifacts);
    this.#fleet = new Fleet(config, {
      lines: (lines) => log.writeBatch(lines),
      fault: (line, digest, frames) =>
        void this.#symbols.complete(line, this.#served(digest), frames).then((it) => log.writeBatch(it)),
      lost: (sentence) => log.logger.error(sentence),
      retired: (snapshot) => this.#exposition.retire(snapshot),
    });
    this.#watch = watchArtifacts({
      onChange: (path) => void this.#fileChanged(path),
      onError: (sentence) => log.logger.warn(sentence),
    });
  }

  /**
   * Resolves when every worker serves and listens, on the sockets that were `inherited` where they fit. Rejects with a
   * `Refusal`, and leaves nothing behind.
   */
  static async start(
    config: Config,
    log: Log,
    inherited: InheritedSockets = new InheritedSockets(),
  ): Promise<Host> {
    const host = new Host(config, log);
    try {
      await host.#begin(inherited);
      return host;
    } catch (error) {
      await host.force();
      throw refusalOf(error);
    }
  }

  /** Loads and configures everything on one worker, and listens nowhere. Rejects with a `Refusal`. */
  static async check(config: Config, log: Log): Promise<readonly PreparedFilter[]> {
    const host = new Host({ ...config, workers: 1, listen: [] }, log);
    try {
      await host.#begin(new InheritedSockets());
      return host.#prepared;
    } catch (error) {
      throw refusalOf(error);
    } finally {
      await host.force();
    }
  }

  /** Takes no new connection, lets exchanges end for as long as the config allows, then breaks what is left. */
  async drain(): Promise<void> {
    this.#stopping = true;
    await this.#changing.catch(() => {});
    await this.#fleet.drain(this.#config.timeouts.drainMs);
    await this.#close();
  }

  /** Ends everything at once. */
  async force(): Promise<void> {
    this.#stopping = true;
    await this.#fleet.stop();
    await this.#close();
  }

  /** Where connections are taken, for a process that takes over. */
  get sockets(): readonly InheritedSocket[] {
    return this.#fleet.sockets;
  }

  status(): Status {
    const quarantined = this.#fleet.quarantined();
    return {
      version: VERSION,
      pid: process.pid,
      startedAt: this.#startedAt,
      generation: this.#generation,
      listen: this.#listen.map(formatAddress),
      workers: this.#fleet.states(),
      filters: this.#config.filters.map((filter) => {
        const prepared = this.#prepared.find(({ name }) => name === filter.name);
        return {
          name: filter.name,
          component: filter.component,
          digest: this.#artifacts[filter.name]?.digest ?? "",
          path: prepared?.path ?? "direct",
          phases: prepared?.phases ?? [],
          onFailure: filter.onFailure,
          quarantined: quarantined.get(filter.name) ?? 0,
          trial: null,
        };
      }),
      routes: this.#config.routes.map(({ name, filters, upstream }) => ({ name, filters, upstream })),
      upstreams: this.#config.upstreams.map(({ name, servers }) => ({
        name,
        servers: servers.map(({ origin }) => origin),
        drained: [],
      })),
      file: { path: null, differs: false, problems: [], refusal: null },
    };
  }

  async servers(): Promise<readonly ServerView[]> {
    return merged(await this.#fleet.snapshots()).views;
  }

  readiness(): { ready: boolean; reason: string } {
    if (this.#stopping) return { ready: false, reason: "draining" };
    // One that was lost a moment ago is missed here, too.
    const serving = this.#fleet.states().filter(({ state }) => state === "serving").length;
    const waiting = this.#config.workers - serving;
    if (waiting > 0) return { ready: false, reason: `${waiting} workers do not serve yet` };
    return {
      ready: this.#generation > 0,
      reason: this.#generation > 0 ? `generation ${this.#generation}` : "starting",
    };
  }

  async metrics(): Promise<{ contentType: string; body: string }> {
    const facts: MainFacts = {
      version: VERSION,
      generation: this.#generation,
      swapsOk: this.#swapsOk,
      swapsRefused: this.#swapsRefused,
      connectionsRefused: this.#fleet.refusedConnections,
      logLinesDropped: this.#log.dropped,
    };
    return this.#exposition.render(await this.#fleet.snapshots(), facts);
  }

  /** What has been counted of trials, all workers added up. */
  trialCounts(): Promise<readonly TrialSnapshot[]> {
    return this.#fleet.trials();
  }

  workers(): Promise<readonly WorkerView[]> {
    throw new Refusal("HOST_UNAVAILABLE", "workers");
  }
  diffSwap(): Promise<Differences> {
    throw new Refusal("HOST_UNAVAILABLE", "diffSwap");
  }
  promote(): Promise<ChangeResult> {
    throw new Refusal("HOST_UNAVAILABLE", "promote");
  }
  endTrial(): Promise<ChangeResult> {
    throw new Refusal("HOST_UNAVAILABLE", "endTrial");
  }
  trial(): Promise<TrialView | undefined> {
    throw new Refusal("HOST_UNAVAILABLE", "trial");
  }
  rollback(): Promise<ChangeResult> {
    throw new Refusal("HOST_UNAVAILABLE", "rollback");
  }
  generations(): Promise<readonly GenerationView[]> {
    throw new Refusal("HOST_UNAVAILABLE", "generations");
  }
  config(): ConfigView {
    throw new Refusal("HOST_UNAVAILABLE", "config");
  }
  validate(): readonly Problem[] {
    throw new Refusal("HOST_UNAVAILABLE", "validate");
  }
  diff(): Promise<Differences> {
    throw new Refusal("HOST_UNAVAILABLE", "diff");
  }
  apply(): Promise<ChangeResult> {
    throw new Refusal("HOST_UNAVAILABLE", "apply");
  }
  drainServer(): Promise<ChangeResult> {
    throw new Refusal("HOST_UNAVAILABLE", "drainServer");
  }
  setWeight(): Promise<ChangeResult> {
    throw new Refusal("HOST_UNAVAILABLE", "setWeight");
  }
  artifacts(): Promise<readonly ArtifactView[]> {
    throw new Refusal("HOST_UNAVAILABLE", "artifacts");
  }
  collectArtifacts(): Promise<readonly string[]> {
    throw new Refusal("HOST_UNAVAILABLE", "collectArtifacts");
  }
  get logLevel(): LogLevel {
    return this.#config.log.level;
  }
  setLogLevel(): Promise<void> {
    throw new Refusal("HOST_UNAVAILABLE", "setLogLevel");
  }
  refusedRequests(): Promise<readonly RefusedRequest[]> {
    throw new Refusal("HOST_UNAVAILABLE", "refusedRequests");
  }
  explain(): Explanation {
    throw new Refusal("HOST_UNAVAILABLE", "explain");
  }

  swap(name: string, request: SwapRequest): Promise<SwapResult> {
    return this.#inTurn(async () => {
      const present = this.#config.filters.find((filter) => filter.name === name);
      if (present === undefined) {
        const known = this.#config.filters.map((filter) => filter.name).join(", ");
        const refusal = new Refusal("FILTER_UNKNOWN", `there is no filter ${name}: ${known}`);
        throw this.#refused(name, request.component ?? "", refusal);
      }
      const next: FilterConfig = {
        ...present,
        component: request.component ?? present.component,
        sha256: request.sha256 ?? null,
        config: request.config === undefined ? present.config : (request.config as Json),
      };
      return this.#replace(present, next);
    });
  }

  async #begin(inherited: InheritedSockets): Promise<void> {
    this.#watchFiles(this.#config);
    await this.#apply(this.#config);
    const { listen } = this.#config;
    const certificates = new Certificates(listen, {
      renewed: (listener, material) => void this.#renew(listener, material),
      refused: (sentence) => this.#log.logger.warn(sentence),
    });
    this.#certificates = certificates;
    const endpoints = listen.map(({ kind, host, port }, at) => ({
      address: { kind, host, port },
      tls: certificates.materials[at] ?? null,
    }));
    this.#listen = await this.#fleet.listen(endpoints, inherited);
  }

  /** The files of a listener's certificates are other ones now. */
  async #renew(listener: number, material: ListenerMaterial): Promise<void> {
    const address = formatAddress(this.#listen[listener] as Address);
    try {
      await this.#fleet.renew(listener, material);
      this.#log.logger.info({ listen: address, certificates: material.pairs.length }, "certificates renewed");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#log.logger.error({ listen: address }, `certificates were not renewed on every worker: ${why}`);
    }
  }

  /** Counts and logs the result of a swap; refusals leave all as it was. */
  async #replace(present: FilterConfig, next: FilterConfig): Promise<SwapResult> {
    const began = performance.now();
    const from = this.#artifacts[present.name]?.digest ?? "";
    const configChanged = JSON.stringify(present.config) !== JSON.stringify(next.config);
    const config = {
      ...this.#config,
      filters: this.#config.filters.map((filter) => (filter === present ? next : filter)),
    };
    // Before the file is read: a change that comes while it is being made live is told afterwards, and not lost.
    this.#watchFiles(config, this.#config);
    try {
      await this.#apply(config, present.name);
    } catch (error) {
      this.#watchFiles(this.#config);
      throw this.#refused(present.name, next.component, refusalOf(error));
    }
    this.#swapsOk += 1;
    this.#watchFiles(config);
    const change: Change = {
      filter: present.name,
      from,
      to: this.#artifacts[present.name]?.digest ?? "",
      configChanged,
    };
    const result = {
      ...change,
      generation: this.#generation,
      durationMs: Math.round(performance.now() - began),
      changes: [],
    };
    this.#log.logger.info(result, "swapped");
    return result;
  }

  #refused(filter: string, component: string, refusal: Refusal): Refusal {
    this.#swapsRefused += 1;
    this.#log.logger.warn({ filter, component, code: refusal.code }, `swap refused: ${refusal.message}`);
    return refusal;
  }

  /**
   * Makes a config live as the next generation, on all workers or on none. Where one filter is `changed`, the others keep
   * what they run: their files may be half-way to their own change, or gone.
   */
  async #apply(config: Config, changed?: string): Promise<void> {
    if (this.#stopping && this.#generation > 0) throw new Refusal("HOST_UNAVAILABLE", "the host is stopping");
    const materials = (this.#materials ??= Object.fromEntries(
      config.upstreams.flatMap(({ name, tls }) => (tls === null ? [] : [[name, readUpstream(tls)]])),
    ));
    const artifacts: Record<string, Artifact> = {};
    for (const { name, component, sha256, limits, candidate } of config.filters) {
      const kept = changed === undefined || changed === name ? undefined : this.#artifacts[name];
      artifacts[name] =
        kept ?? (await this.#store.load(component, sha256 ?? undefined, limits.memoryBytesMax));
      if (candidate === null) continue;
      const { component: tried, sha256: pinned } = candidate;
      artifacts[candidateOf(name)] = await this.#store.load(
        tried,
        pinned ?? undefined,
        limits.memoryBytesMax,
      );
    }
    const secrets = Object.fromEntries(
      config.filters.map((filter) => {
        const kept =
          changed === undefined || changed === filter.name ? undefined : this.#secrets[filter.name];
        return [filter.name, kept ?? readGranted(filter, config.secrets)];
      }),
    );
    const generation = this.#generation + 1;
    const order = { kind: "prepare", generation, config, artifacts, materials, secrets } as const;
    this.#prepared = await this.#fleet.change(order);
    this.#config = config;
    this.#artifacts = artifacts;
    this.#secrets = secrets;
    this.#generation = generation;
  }

  /** A component's file is another one now: every filter that uses it gets it, without being asked. */
  async #fileChanged(path: string): Promise<void> {
    const names = this.#config.filters.filter(({ component }) => component === path).map(({ name }) => name);
    for (const name of names) {
      await this.#inTurn(async () => {
        const present = this.#config.filters.find(
          (filter) => filter.name === name && filter.component === path,
        );
        // A swap may have come first, and a build may have written the same bytes again.
        if (present === undefined || this.#stopping || (await this.#isSame(present))) return;
        await this.#replace(present, present);
      }).catch(() => {
        // The refusal has been counted and logged; what ran before still runs.
      });
    }
  }

  /** What a filter runs now that has this digest, and from where. */
  #served(digest: string): Served | undefined {
    for (const { name, component, candidate } of this.#config.filters) {
      const artifact = this.#artifacts[name];
      if (artifact?.digest === digest) return { artifact, file: component };
      const tried = this.#artifacts[candidateOf(name)];
      if (candidate !== null && tried?.digest === digest)
        return { artifact: tried, file: candidate.component };
    }
    return undefined;
  }

  #watchFiles(...configs: readonly Config[]): void {
    this.#watch.set(configs.flatMap(({ filters }) => filters.map(({ component }) => component)));
  }

  async #isSame({ name, component, sha256 }: FilterConfig): Promise<boolean> {
    try {
      return (
        (await this.#store.load(component, sha256 ?? undefined)).digest === this.#artifacts[name]?.digest
      );
    } catch {
      return false;
    }
  }

  #inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const turn = this.#changing.then(change, change);
    this.#changing = turn.catch(() => {});
    return turn;
  }

  async #close(): Promise<void> {
    await Promise.all([
      this.#watch.close(),
      this.#certificates?.close(),
      this.#store.close(),
      this.#symbols.close(),
    ]);
  }
}

/** Errors of loading and preparing, in the operator's terms. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ArtifactRefused) return new Refusal("ARTIFACT_REFUSED", message);
  if (error instanceof ConfigRefused || error instanceof SecretRefused)
    return new Refusal("CONFIGURE_REFUSED", message);
  if (error instanceof OrderFailed) return new Refusal(REFUSALS[error.fault], message);
  return new Refusal("HOST_UNAVAILABLE", message, { cause: error });
}

const REFUSALS: Readonly<Record<OrderFailed["fault"], RefusalCode>> = {
  artifact: "ARTIFACT_REFUSED",
  configure: "CONFIGURE_REFUSED",
  host: "HOST_UNAVAILABLE",
};

const VERSION = (
  JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }
).version;
