import { lookup } from "node:dns/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type AddressHasher, formFor, tellsAs, type TellsClient } from "./client-address.ts";
import type { Config, FilterConfig, GrantConfig, UpstreamConfig } from "./config/config.ts";
import type { FilterSecrets, PreparedFilter } from "./control/messages.ts";
import type { Artifact } from "./filter/artifact.ts";
import type { InstanceBudget } from "./filter/budget.ts";
import { ConfigRefused, type HostServices } from "./filter/contract.ts";
import { Filter, type FilterPlace, type FilterSettings } from "./filter/filter.ts";
import { HttpClient } from "./filter/http-client.ts";
import { Secrets } from "./filter/secrets.ts";
import { Succession, type Successor } from "./filter/succession.ts";
import type { RemoteGrant } from "./filter/store-access.ts";
import { describe } from "./filter/plan.ts";
import { settingsOf } from "./filter/settings.ts";
import { Generation } from "./generation.ts";
import type { FilterLog } from "./ops/filter-log.ts";
import type { MetricScope } from "./ops/custom-metrics.ts";
import type { WorkerMeter } from "./ops/meter.ts";
import type { UpstreamLog } from "./ops/upstream-log.ts";
import { HeadParser } from "./http1/head-parser.ts";
import type { Observer } from "./observer.ts";
import { OwnRequests } from "./own-request.ts";
import { Registry } from "./registry.ts";
import { Router } from "./router.ts";
import { routesOf } from "./routes.ts";
import { openRemote } from "./store/opening.ts";
import type { RemoteStore } from "./store/remote-store.ts";
import { spaceOf } from "./store/shared-store.ts";
import type { Store } from "./store/store.ts";
import type { Sweeper } from "./sweeper.ts";
import type { UpstreamMaterial } from "./tls/material.ts";
import type { CapsuleMessage } from "./record/capsule-taker.ts";
import { NotedInputs } from "./record/noted-inputs.ts";
import type { Recordable, Recorded } from "./record/recordable.ts";
import { Recorders } from "./record/recorders.ts";
import { Choice } from "./trial/choice.ts";
import type { Taken, Tried } from "./trial/route-trial.ts";
import type { ShadowQueue } from "./trial/shadow-queue.ts";
import { ShadowTaker } from "./trial/taker.ts";
import { asFilter, candidateOf, type Candidate, whyTooMany } from "./trial/trial.ts";
import { Upstream } from "./upstream.ts";
import { limitsOf, RESPONSE_FIELDS_MAX } from "./upstream/limits.ts";

/** What the filters of a worker have in common, and whom they tell. */
export interface AssemblyOwner {
  readonly budget: InstanceBudget;
  /** How this host names itself in Via. */
  readonly viaName: string;
  /** Where copies of exchanges go that candidates see in the shadow. */
  readonly shadows: ShadowQueue;
  /** Names of clients' addresses. */
  readonly addresses: AddressHasher;
  /** Who looks on, where somebody writes a filter. */
  readonly observer?: Observer | undefined;
  /** A filter has failed, and is to be kept with what it was given. */
  capsule(message: CapsuleMessage): void;
  quarantined(filter: string, forMs: number, failures: number, of: number): void;
  released(filter: string): void;
}

/** What the filters of a generation that is being built come from, and where they are told. */
interface Means {
  readonly number: number;
  readonly config: Config;
  readonly artifacts: Readonly<Record<string, Artifact>>;
  readonly secrets: FilterSecrets;
  readonly live: Generation | undefined;
  readonly undo: (() => Promise<void>)[];
  readonly prepared: PreparedFilter[];
  readonly taken: Taken[];
  readonly recorded: Map<string, Recorded>;
}

/** Builds the generations of one worker. Filters and upstreams that did not change are shared between them. */
export class Assembly {
  readonly #meter: WorkerMeter;
  readonly #log: FilterLog;
  readonly #upstreamLog: UpstreamLog;
  readonly #sweeper: Sweeper;
  readonly #owner: AssemblyOwner;
  readonly #store: Store;
  /** The store on a server, once a generation has it. */
  #remote: RemoteStore | undefined;
  /** Servers are trusted with more fields than clients are. */
  readonly #parser = new HeadParser({ fieldsMax: RESPONSE_FIELDS_MAX });
  readonly #recorders: Recorders;
  readonly #scopes = new WeakMap<Filter, MetricScope>();
  readonly #filters = new Registry<Filter>((filter) => {
    const { pool } = filter;
    this.#sweeper.remove(pool);
    this.#scopes.get(filter)?.release();
    return pool.close();
  });
  readonly #succession = new Succession(this.#filters);
  readonly #upstreams = new Registry<Upstream>((upstream) => upstream.close());

  constructor(
    meter: WorkerMeter,
    log: FilterLog,
    upstreamLog: UpstreamLog,
    sweeper: Sweeper,
    owner: AssemblyOwner,
    store: Store,
  ) {
    this.#owner = owner;
    this.#recorders = new Recorders((message) => owner.capsule(message));
    this.#meter = meter;
    this.#log = log;
    this.#upstreamLog = upstreamLog;
    this.#sweeper = sweeper;
    this.#store = store;
  }

  /**
   * Rejects with what the first filter that cannot be loaded says; nothing stays behind then. Filters of the generation that is
   * `live` hand their states to the versions after them.
   */
  async build(
    number: number,
    config: Config,
    artifacts: Readonly<Record<string, Artifact>>,
    materials: Readonly<Record<string, UpstreamMaterial>> = {},
    secrets: FilterSecrets = {},
    live?: Generation,
  ): Promise<{ generation: Generation; filters: PreparedFilter[] }> {
    const refusal = whyTooMany(config.filters);
    if (refusal !== undefined) throw new ConfigRefused(refusal);
    this.#remote ??= await openRemote(config, this.#upstreamLog);
    const undo: (() => Promise<void>)[] = [];
    const releaseAll = async (): Promise<void> => {
      await Promise.all(undo.map((release) => release()));
    };
    try {
      const filters = new Map<string, Filter>();
      const tried: Tried[] = [];
      const taken: Taken[] = [];
      const recorded = new Map<string, Recorded>();
      const prepared: PreparedFilter[] = [];
      // No closure of this method may know it: what the generation keeps would keep the live one, and all before that.
      const means = { number, config, artifacts, secrets, live, undo, prepared, taken, recorded };
      for (const entry of config.filters) {
        const present = await this.#version(entry, entry.name, means);
        filters.set(entry.name, present);
        const { candidate } = entry;
        if (candidate !== null) tried.push(await this.#trial(present, { ...entry, candidate }, means));
      }
      const upstreams = new Map<string, Upstream>();
      for (const entry of config.upstreams)
        upstreams.set(entry.name, await this.#upstream(entry, config, materials[entry.name] ?? null, undo));
      const adopt = (): void => {
        for (const { name, servers } of config.upstreams) upstreams.get(name)?.use(servers);
      };
      const routes = routesOf(
        config,
        { filters, tried, taken, upstreams },
        this.#meter,
        this.#owner.observer,
      );
      const generation = new Generation(
        number,
        new Router(routes),
        new OwnRequests(upstreams, this.#owner.viaName),
        [...filters.values(), ...tried.flatMap(({ canary }) => canary?.filter ?? [])],
        adopt,
        releaseAll,
      );
      this.#recorders.keep(generation, routes, recorded);
      return { generation, filters: prepared };
    } catch (error) {
      void releaseAll();
      throw error;
    }
  }

  /** What can be recorded of the exchanges of a generation. */
  recordable(generation: Generation): Recordable {
    return this.#recorders.recordable(generation);
  }

  /** Ends what no generation has of its own. */
  close(): void {
    this.#remote?.close();
  }

  #remoteGrant({ store, rateLimit }: GrantConfig): RemoteGrant | undefined {
    if (this.#remote === undefined) return undefined;
    return { store: this.#remote, space: store ?? "nobody", rates: `rates of ${rateLimit ?? "nobody"}` };
  }

  /** A filter, or the candidate of the one `ofName`, with what that is granted. */
  async #version(
    entry: FilterConfig,
    ofName: string,
    { number, config, artifacts, secrets, live, undo, prepared, taken, recorded }: Means,
  ): Promise<Filter> {
    const artifact = artifacts[entry.name];
    if (artifact === undefined) throw new Error(`no artifact for filter ${entry.name}`);
    const tried = live?.filter(candidateOf(ofName));
    // What was tried goes on as what it was: it knows more than the version beside which it was.
    const present = tried?.digest === artifact.digest ? tried : live?.filter(ofName);
    const granted = secrets[ofName] ?? {};
    const successor = { generation: number, present };
    const filter = await this.#filter(entry, artifact, granted, successor, config, undo);
    const own = this.#recorders.recorded(filter, entry, granted, this.#tellsClient(entry, config));
    recorded.set(entry.name, own);
    taken.push(...this.#recorders.capsules(own, config.capsules));
    prepared.push({
      name: entry.name,
      path: artifact.direct ? "direct" : "reference",
      phases: describe(filter.plan),
    });
    return filter;
  }

  /** A version beside the present one. Its counters are those of the trial, which other generations may have, too. */
  async #trial(
    present: Filter,
    entry: FilterConfig & { readonly candidate: Candidate },
    means: Means,
  ): Promise<Tried> {
    const { trial, startedAt, salt } = entry.candidate;
    const meter = this.#meter.trial(present.name, startedAt, trial.kind === "shadow");
    means.undo.push(() => Promise.resolve(this.#meter.endTrial(meter)));
    if (trial.kind === "canary") {
      const choice = new Choice(trial.key, trial.percent, salt);
      const filter = await this.#version(asFilter(entry, entry.candidate), entry.name, means);
      return { present, meter, canary: { filter, choice } };
    }
    const { tapped } = means.recorded.get(entry.name) as Recorded;
    means.taken.push({ tapped, taker: new ShadowTaker(meter, this.#owner.shadows) });
    return { present, meter, canary: undefined };
  }

  async #filter(
    entry: FilterConfig,
    artifact: Artifact,
    secrets: Readonly<Record<string, Uint8Array>>,
    successor: Successor,
    config: Config,
    undo: (() => Promise<void>)[],
  ): Promise<Filter> {
    const { limits, timeouts, capsules } = config;
    const settings = settingsOf(entry, limits, timeouts);
    const own = new Secrets(secrets);
    const { work } = this.#meter.filter(entry.name);
    const inputs = capsules ? new NotedInputs() : undefined;
    const host: HostServices = {
      ...(inputs !== undefined && { time: inputs, random: inputs }),
      filterName: entry.name,
      secrets: own,
      store: {
        store: this.#store,
        space: spaceOf(entry.grant.store ?? "nobody"),
        rates: spaceOf(`rates of ${entry.grant.rateLimit ?? "nobody"}`),
        remote: this.#remoteGrant(entry.grant),
        counts: work.stored,
      },
      metrics: this.#meter.custom.scope(entry.name, limits, (text) => own.redacted(text)),
      tellsClient: this.#tellsClient(entry, config),
      http: new HttpClient(entry.grant.http ?? [], settings.limits, (result) => work.requested(result)),
      logEnabled: this.#log.enabled.bind(this.#log),
      log: (level, id, message, attributes) => this.#log.said(level, entry.name, id, message, attributes),
      handlesLeaked: (count) => {
        this.#meter.filter(entry.name).handlesLeaked += count;
      },
      logDropped: () => {
        this.#meter.logLinesDropped += 1;
      },
    };
    const { http, store, rateLimit } = entry.grant;
    const version = JSON.stringify([
      artifact.digest,
      artifact.memoryBytesMax,
      settings,
      formFor(entry.grant, config),
      http,
      store,
      rateLimit,
      own.mark,
      // Only where it is so, for versions without it are what they were.
      ...(capsules ? [capsules.bytesMax, capsules.bodies, capsules.headers] : []),
    ]);
    const { filter, key } = await this.#succession.use(version, artifact, successor, async (predecessor) => {
      const loaded = await this.#load(artifact, settings, host, predecessor);
      if (inputs !== undefined) this.#recorders.notes(loaded, inputs);
      return loaded;
    });
    undo.push(() => this.#filters.release(key));
    return filter;
  }

  #tellsClient({ grant }: FilterConfig, config: Config): TellsClient {
    return tellsAs(formFor(grant, config), this.#owner.addresses);
  }

  async #load(
    artifact: Artifact,
    settings: FilterSettings,
    host: HostServices,
    predecessor: Filter | undefined,
  ): Promise<Filter> {
    const { name } = settings;
    const place: FilterPlace = {
      meter: this.#meter.filter(name),
      budget: this.#owner.budget,
      quarantine: {
        quarantined: (forMs, failures, of) => this.#owner.quarantined(name, forMs, failures, of),
        released: () => this.#owner.released(name),
      },
      line: (level, message, attributes) => this.#log.line(level, name, undefined, message, attributes),
      watched: this.#owner.observer?.watching(settings.limits.fuel),
    };
    const loading = Filter.load(artifact, settings, host, place, predecessor);
    // What a version has declared that comes to nothing must not stand in the way of the next one.
    const filter = await loading.catch((error: unknown) => {
      host.metrics.release();
      throw error;
    });
    this.#scopes.set(filter, host.metrics);
    this.#sweeper.add(filter.pool);
    // Exchanges go on between two filters, and a worker that loads hundreds does not pass for one that is stuck.
    await nextTurn();
    return filter;
  }

  async #upstream(
    entry: UpstreamConfig,
    config: Config,
    tls: UpstreamMaterial | null,
    undo: (() => Promise<void>)[],
  ): Promise<Upstream> {
    const limits = limitsOf(entry, config.timeouts);
    // One whose servers alone are other ones stays, and is told of them when the generation becomes live.
    const key = JSON.stringify([{ ...entry, servers: [] }, limits, tls]);
    const upstream = await this.#upstreams.use(
      key,
      async () =>
        new Upstream({
          config: entry,
          limits,
          parser: this.#parser,
          sweeper: this.#sweeper,
          tls,
          meter: this.#meter,
          log: this.#upstreamLog,
          lookup: (host) => lookup(host, { all: true, order: "verbatim" }),
        }),
    );
    undo.push(() => this.#upstreams.release(key));
    return upstream;
  }
}
