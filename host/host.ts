import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { formatAddress } from "./config/address.ts";
import type { Config, FilterConfig, Json, LogLevel } from "./config/config.ts";
import { loadConfig, placeInFile, readConfig } from "./config/load.ts";
import { ConfigError, formatPath, type Problem } from "./config/problem.ts";
import { addedImports, type Change, Changes, type Live, refusalOf } from "./control/changes.ts";
import { redacted, viewOf } from "./control/config-view.ts";
import {
  type ArtifactView,
  type Asked,
  type ChangeResult,
  type ConfigView,
  type Control,
  type Difference,
  type Differences,
  type Explanation,
  type FileStatus,
  type GenerationView,
  Refusal,
  type RefusedRequest,
  type Status,
  type SwapRequest,
  type SwapResult,
  type WorkerView,
} from "./control/control.ts";
import { differencesOf, restartNeeded, sentenceOf } from "./control/differences.ts";
import { carriedOver, filterOf, withFilter, withServer } from "./control/edits.ts";
import { Fleet } from "./control/fleet.ts";
import { baseOf, History, namedDigests, stateFolder } from "./control/history.ts";
import { type InheritedSocket, InheritedSockets } from "./control/inherited-sockets.ts";
import { candidateName, type Loaded, Loader } from "./control/loader.ts";
import type { PreparedFilter } from "./control/messages.ts";
import { type ArtifactWatch, watchArtifacts } from "./control/watch.ts";
import { ArtifactStore } from "./filter/artifact.ts";
import { digestOf } from "./filter/component-store.ts";
import { componentFile, isReference } from "./filter/sources.ts";
import { SymbolReader } from "./filter/symbols.ts";
import type { Log } from "./ops/log.ts";
import { merged } from "./ops/merge.ts";
import { Exposition } from "./ops/metrics.ts";
import type { ServerView } from "./ops/server-meter.ts";
import type { TrialView } from "./trial/trial.ts";

/**
 * A running proxy: workers that serve a generation, and the changes from one to the next. It carries no traffic itself.
 */
export class Host implements Control {
  readonly #log: Log;
  readonly #artifacts: ArtifactStore;
  readonly #loader: Loader;
  readonly #fleet: Fleet;
  readonly #history: History;
  readonly #changes: Changes;
  readonly #exposition = new Exposition();
  readonly #symbols = new SymbolReader();
  readonly #watch: ArtifactWatch;
  readonly #collecting: NodeJS.Timeout;
  readonly #startedAt = Date.now();
  /** Absolute; undefined when there is none. */
  readonly #file: string | undefined;
  /** As the file had it when it was last in order. */
  #fileConfig: Config;
  #fileProblems: readonly Problem[] = [];
  #fileRefusal: string | null = null;
  #swaps = { ok: 0, refused: 0 };
  #reloads = { ok: 0, refused: 0 };
  /** Generations that were live in this process, and of which nothing is left. */
  readonly #drained = new Set<number>();

  private constructor(config: Config, log: Log, history: History, file: string | undefined, live: Config) {
    this.#log = log;
    this.#file = file;
    this.#fileConfig = config;
    this.#history = history;
    this.#artifacts = new ArtifactStore(config.artifacts);
    this.#loader = new Loader(this.#artifacts);
    this.#fleet = new Fleet(live, {
      lines: (lines) => log.writeBatch(lines),
      fault: (line, digest, frames) =>
        void this.#symbols.complete(line, this.#served(digest), frames).then((it) => log.writeBatch(it)),
      lost: (sentence) => log.logger.error(sentence),
      retired: (snapshot) => this.#exposition.retire(snapshot),
      drained: (generation) => {
        this.#drained.add(generation);
        log.logger.info({ generation }, "generation drained");
      },
    });
    const base = (): string => baseOf(this.#fileConfig);
    this.#changes = new Changes(this.#fleet, this.#loader, history, {
      logger: log.logger,
      get base() {
        return base();
      },
      watch: (...configs) => this.#watchFiles(configs),
      changed: ({ config: { log: lines } }) => {
        log.logger.level = lines.level;
      },
    });
    this.#watch = watchArtifacts({
      onChange: (path) => void this.#fileChanged(path),
      onError: (sentence) => log.logger.warn(sentence),
    });
    this.#collecting = setInterval(() => void this.collectArtifacts().catch(() => {}), COLLECT_MS).unref();
  }

  /**
   * Resolves when every worker serves and listens, on the sockets that were `inherited` where they fit. Rejects with a
   * `Refusal`, and leaves nothing behind.
   *
   * `file`: the configuration's; it is read again when it changes, and the generations that come of it outlive the process.
   */
  static async start(
    config: Config,
    log: Log,
    inherited: InheritedSockets = new InheritedSockets(),
    file?: string,
  ): Promise<Host> {
    const history = await History.open(
      file === undefined ? undefined : stateFolder(config.artifacts, file),
    );
    const last = history.live;
    const resumed = last?.base === baseOf(config) ? last : undefined;
    const host = new Host(config, log, history, file, resumed?.config ?? config);
    const asked: Asked = { by: "start" };
    try {
      if (resumed === undefined) await host.#changes.make({ config, asked, inherited });
      else await host.#resume(config, resumed, inherited);
      host.#lookAtComponents();
      return host;
    } catch (error) {
      await host.force();
      throw refusalOf(error);
    }
  }

  /** Loads and configures everything on one worker, and listens nowhere. Rejects with a `Refusal`. */
  static async check(config: Config, log: Log): Promise<readonly PreparedFilter[]> {
    const alone = { ...config, workers: 1, listen: [] };
    const host = new Host(alone, log, await History.open(undefined), undefined, alone);
    try {
      await host.#changes.make({ config: alone, asked: { by: "start" } });
      return host.#live.prepared;
    } catch (error) {
      throw refusalOf(error);
    } finally {
      await host.force();
    }
  }

  /** Takes no new connection, lets exchanges end for as long as the config allows, then breaks what is left. */
  async drain(): Promise<void> {
    await this.#changes.stop();
    await this.#fleet.drain(this.#live.config.timeouts.drainMs);
    await this.#close();
  }

  /** Ends everything at once. */
  async force(): Promise<void> {
    void this.#changes.stop();
    await this.#fleet.stop();
    await this.#close();
  }

  /** Where connections are taken, for a process that takes over. */
  get sockets(): readonly InheritedSocket[] {
    return this.#fleet.sockets;
  }

  status(): Status {
    const quarantined = this.#fleet.quarantined();
    const { number, config, loaded, prepared } = this.#live;
    return {
      version: VERSION,
      pid: process.pid,
      startedAt: this.#startedAt,
      generation: number,
      listen: this.#fleet.addresses.map(formatAddress),
      workers: this.#fleet.states(),
      filters: config.filters.map(({ name, component, onFailure, candidate }) => {
        const found = prepared.find((filter) => filter.name === name);
        return {
          name,
          component,
          digest: loaded.artifacts[name]?.digest ?? "",
          path: found?.path ?? "direct",
          phases: found?.phases ?? [],
          onFailure,
          quarantined: quarantined.get(name) ?? 0,
          trial: candidate && {
            kind: candidate.trial.kind,
            component: candidate.component,
            digest: candidate.digest,
          },
        };
      }),
      routes: config.routes.map(({ name, filters, upstream }) => ({ name, filters, upstream })),
      upstreams: config.upstreams.map(({ name, servers }) => ({
        name,
        servers: servers.map(({ origin }) => origin),
        drained: servers.filter(({ drained }) => drained).map(({ origin }) => origin),
      })),
      file: this.#fileStatus(),
    };
  }

  async servers(): Promise<readonly ServerView[]> {
    return merged(await this.#fleet.snapshots()).views;
  }

  workers(): Promise<readonly WorkerView[]> {
    return this.#fleet.views();
  }

  readiness(): { ready: boolean; reason: string } {
    if (this.#changes.stopping) return { ready: false, reason: "draining" };
    const { live } = this.#changes;
    if (live === undefined) return { ready: false, reason: "starting" };
    // One that was lost a moment ago is missed here, too.
    const serving = this.#fleet.states().filter(({ state }) => state === "serving").length;
    const waiting = live.config.workers - serving;
    if (waiting > 0) return { ready: false, reason: `${waiting} workers do not serve yet` };
    return { ready: true, reason: `generation ${live.number}` };
  }

  async metrics(): Promise<{ contentType: string; body: string }> {
    return this.#exposition.render(await this.#fleet.snapshots(), {
      version: VERSION,
      generation: this.#changes.live?.number ?? 0,
      swapsOk: this.#swaps.ok,
      swapsRefused: this.#swaps.refused,
      reloadsOk: this.#reloads.ok,
      reloadsRefused: this.#reloads.refused,
      fileValid: this.#fileProblems.length === 0 && this.#fileRefusal === null,
      connectionsRefused: this.#fleet.refusedConnections,
      logLinesDropped: this.#log.dropped,
    });
  }

  swap(name: string, request: SwapRequest, asked: Asked = LOCAL): Promise<SwapResult> {
    return this.#counted(this.#swaps, { filter: name, component: request.component }, "swap", () =>
      this.#changes.inTurn(asked, async (live) => {
        const began = performance.now();
        const present = filterOf(live.config, name);
        const next = await this.#swapped(present, request);
        const from = live.loaded.artifacts[name]?.digest ?? "";
        const config = withFilter(live.config, next);
        const fresh = next.candidate === null ? new Set([name]) : undefined;
        const changes = await this.#changes.make({ config, asked, ...(fresh && { fresh }) });
        const { number, loaded } = this.#live;
        const to = next.candidate?.digest ?? loaded.artifacts[name]?.digest ?? "";
        const candidate = next.candidate ?? { config: next.config };
        const result: SwapResult = {
          generation: number,
          filter: name,
          from,
          to,
          configChanged: !isDeepStrictEqual(present.config, candidate.config),
          durationMs: Math.round(performance.now() - began),
          changes,
        };
        this.#log.logger.info({ ...result, by: asked.by }, request.trial === undefined ? "swapped" : "trial begun");
        return result;
      }),
    );
  }

  diffSwap(name: string, request: SwapRequest): Promise<Differences> {
    const asked: Asked = { by: "diff" };
    return this.#changes.inTurn(asked, async (live) => {
      const present = filterOf(live.config, name);
      try {
        const config = withFilter(live.config, await this.#swapped(present, request));
        return await this.#compared(live, { config, asked, fresh: new Set([name]) });
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal.code === "TRIAL_REFUSED") throw refusal;
        return { generation: live.number, differences: [], refusals: [refusal.message] };
      }
    });
  }

  promote(name: string, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.#changed("promoted", { filter: name }, asked, ({ config }) => {
      const filter = filterOf(config, name);
      const { candidate } = filter;
      if (candidate === null) throw new Refusal("TRIAL_REFUSED", `${name} has no trial that could be promoted`);
      const { component, sha256, digest } = candidate;
      const next = { ...filter, component, sha256, config: candidate.config as Json, candidate: null };
      // What was tried is what becomes the filter, whatever its source has become meanwhile.
      return { config: withFilter(config, next), digests: { [name]: digest } };
    });
  }

  endTrial(name: string, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.#changed("trial ended", { filter: name }, asked, ({ config }) => {
      const filter = filterOf(config, name);
      if (filter.candidate === null) throw new Refusal("TRIAL_REFUSED", `${name} has no trial`);
      return { config: withFilter(config, { ...filter, candidate: null }) };
    });
  }

  async trial(name: string): Promise<TrialView | undefined> {
    filterOf(this.#live.config, name);
    return Promise.resolve(undefined);
  }

  rollback(to: number | undefined, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.#changed("rolled back", { to }, asked, ({ number, config: live }) => {
      const known = this.#history.records.filter((record) => record.number !== number);
      const target = to === undefined ? known.at(-1) : known.find((record) => record.number === to);
      if (target === undefined) {
        const kept = known.length === 0 ? "none is kept" : `kept are ${known.map((it) => it.number).join(", ")}`;
        throw new Refusal("GENERATION_UNKNOWN", `there is no generation ${to ?? "before"} to go back to: ${kept}`);
      }
      // A trial is over with the generation that it was of.
      const filters = target.config.filters.map((filter) => ({ ...filter, candidate: null }));
      const fixed = { admin: live.admin, workers: live.workers, artifacts: live.artifacts, store: live.store };
      return { config: { ...target.config, ...fixed, filters }, digests: target.digests, reread: true };
    });
  }

  async generations(): Promise<readonly GenerationView[]> {
    const exchanges = await this.#fleet.generations();
    const state = (number: number): GenerationView["state"] => {
      if (number === this.#live.number) return "live";
      if (this.#fleet.has(number)) return "draining";
      return this.#drained.has(number) ? "drained" : "kept";
    };
    return this.#history.records.toReversed().map(({ number, at, by, changes, digests }) => ({
      number,
      at,
      by,
      changes,
      digests,
      state: state(number),
      exchanges: exchanges.get(number) ?? 0,
    }));
  }

  config(): ConfigView {
    const { number, config } = this.#live;
    return { generation: number, config: redacted(viewOf(config)), file: this.#fileStatus() };
  }

  validate(text: string): readonly Problem[] {
    try {
      readConfig(text, this.#file ?? TEXT);
      return [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.problems;
    }
  }

  async diff(text: string | undefined): Promise<Differences> {
    const next = this.#read(text);
    const asked: Asked = { by: "diff" };
    return this.#changes.inTurn(asked, (live) => {
      const config = carriedOver(next, live.config);
      return this.#compared(live, { config, asked, reread: true });
    });
  }

  async apply(text: string | undefined, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.#counted(this.#reloads, {}, "reload", async () => {
      let next: Config;
      try {
        next = this.#read(text);
      } catch (error) {
        if (text === undefined && error instanceof Refusal) this.#fileProblems = error.problems;
        throw error;
      }
      if (text === undefined) {
        this.#fileConfig = next;
        this.#fileProblems = [];
      }
      return this.#changed("configuration applied", {}, asked, (live) => {
        const config = carriedOver(next, live.config);
        this.#refuseRestart(live.config, config, text);
        return { config, reread: true };
      })
        .then((result) => {
          if (text === undefined) this.#fileRefusal = null;
          return result;
        })
        .catch((error: unknown) => {
          if (text === undefined && error instanceof Refusal && error.code !== "GENERATION_CHANGED") {
            this.#fileProblems = error.problems;
            this.#fileRefusal = error.problems.length === 0 ? error.message : null;
          }
          throw error;
        });
    });
  }

  drainServer(upstream: string, server: string, drained: boolean, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.#changed("server changed", { upstream, server }, asked, ({ config }) => ({
      config: withServer(config, upstream, server, (found) => ({ ...found, drained })),
    }));
  }

  setWeight(upstream: string, server: string, weight: number, asked: Asked = LOCAL): Promise<ChangeResult> {
    return this.#changed("server changed", { upstream, server }, asked, ({ config }) => ({
      config: withServer(config, upstream, server, (found) => ({ ...found, weight })),
    }));
  }

  async artifacts(): Promise<readonly ArtifactView[]> {
    const { artifacts } = this.#live.loaded;
    const records = this.#history.records;
    return (await this.#artifacts.components.list()).map(({ digest, bytes, usedAt }) => ({
      digest,
      bytes,
      usedAt,
      filters: Object.keys(artifacts).filter((name) => artifacts[name]?.digest === digest),
      generations: records
        .filter(({ digests }) => Object.values(digests).includes(digest))
        .map(({ number }) => number),
    }));
  }

  async collectArtifacts(): Promise<readonly string[]> {
    const { live } = this.#changes;
    if (live === undefined) return [];
    const named = await namedDigests(live.config.artifacts);
    for (const { digest } of Object.values(live.loaded.artifacts)) named.add(digest);
    return this.#artifacts.components.collect(named, Date.now() - UNUSED_MS);
  }

  get logLevel(): LogLevel {
    return this.#log.logger.level as LogLevel;
  }

  async setLogLevel(level: LogLevel): Promise<void> {
    this.#log.logger.level = level;
    await this.#fleet.keepLines(level);
  }

  refusedRequests(): Promise<readonly RefusedRequest[]> {
    return this.#fleet.refusals();
  }

  explain(): Explanation {
    throw new Refusal("HOST_UNAVAILABLE", "explain");
  }

  get #live(): Live {
    const { live } = this.#changes;
    if (live === undefined) throw new Refusal("HOST_UNAVAILABLE", "the host does not serve yet");
    return live;
  }

  /** A generation of an earlier process; when it cannot be live again, what the file says. */
  async #resume(
    config: Config,
    resumed: NonNullable<History["live"]>,
    inherited: InheritedSockets,
  ): Promise<void> {
    const asked: Asked = { by: "start" };
    try {
      const { digests } = resumed;
      await this.#changes.make({ config: resumed.config, asked, inherited, digests, resumed });
      const differences = differencesOf(config, resumed.config).map(sentenceOf);
      this.#log.logger.info({ generation: resumed.number, differences }, "resumed");
    } catch (error) {
      const { message } = refusalOf(error);
      this.#log.logger.warn({ generation: resumed.number }, `not resumed, the file counts: ${message}`);
      await this.#changes.make({ config, asked, inherited });
    }
  }

  /** One change, in turn. Logs what came of it. */
  #changed(
    message: string,
    about: object,
    asked: Asked,
    change: (live: Live) => Omit<Change, "asked">,
  ): Promise<ChangeResult> {
    return this.#changes.inTurn(asked, async (live) => {
      const began = performance.now();
      const next = change(live);
      const isSame = isDeepStrictEqual(next.config, live.config) && next.reread !== true;
      const changes = isSame ? [] : await this.#changes.make({ ...next, asked });
      const result = {
        generation: this.#live.number,
        durationMs: Math.round(performance.now() - began),
        changes,
      };
      this.#log.logger.info({ ...result, ...about, by: asked.by }, message);
      return result;
    });
  }

  /** Counts and logs what is refused; refusals leave all as it was. */
  async #counted<Result>(
    counts: { ok: number; refused: number },
    about: object,
    what: string,
    change: () => Promise<Result>,
  ): Promise<Result> {
    try {
      const result = await change();
      counts.ok += 1;
      return result;
    } catch (error) {
      counts.refused += 1;
      const { code, message } = refusalOf(error);
      this.#log.logger.warn({ ...about, code }, `${what} refused: ${message}`);
      throw error;
    }
  }

  /** What a filter is with a new version in its place, or beside it. */
  async #swapped(present: FilterConfig, request: SwapRequest): Promise<FilterConfig> {
    const next: FilterConfig = {
      ...present,
      component: request.component ?? present.component,
      sha256: request.component === undefined ? present.sha256 : null,
      config: request.config === undefined ? present.config : (request.config as Json),
      candidate: null,
    };
    const pinned = request.sha256 === undefined ? next : { ...next, sha256: request.sha256 };
    if (present.candidate !== null)
      throw new Refusal("TRIAL_REFUSED", `${present.name} has a trial already: promote it or end it first`);
    if (request.trial === undefined) return pinned;
    const { component, sha256, config } = pinned;
    return {
      ...present,
      candidate: {
        component,
        sha256,
        config,
        digest: await this.#loader.take(pinned),
        trial: request.trial,
        startedAt: Date.now(),
        salt: randomBytes(16).toString("hex"),
      },
    };
  }

  async #compared(live: Live, change: Change): Promise<Differences> {
    const refusals = restartNeeded(live.config, change.config).map(
      (option) => `${option}: only a restart changes it, or SIGUSR2, which loses no request`,
    );
    const { refusals: others, loaded } = await this.#changes.rehearse(change, live);
    const artifacts = loaded === undefined ? [] : artifactDifferences(live, loaded);
    return {
      generation: live.number,
      differences: [...artifacts, ...differencesOf(live.config, change.config)],
      refusals: [...refusals, ...others],
    };
  }

  #read(text: string | undefined): Config {
    if (text === undefined && this.#file === undefined)
      throw new Refusal("NO_FILE", "the host was started without a configuration file");
    try {
      return text === undefined ? loadConfig(this.#file as string) : readConfig(text, this.#file ?? TEXT);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new Refusal("CONFIG_REFUSED", error.message, { cause: error, problems: error.problems });
    }
  }

  /** The process was made for these options, and serves on with what it has. */
  #refuseRestart(live: Config, next: Config, text: string | undefined): void {
    const options = restartNeeded(live, next);
    if (options.length === 0) return;
    const sentence = "only a restart changes it, or SIGUSR2, which loses no request";
    const problems =
      text === undefined && this.#file !== undefined
        ? options.map((option) => ({ ...placeInFile(this.#file as string, option), sentence }))
        : [];
    const file = this.#file ?? TEXT;
    const places = problems.map(({ line, column, path }) => `${file}:${line}:${column} ${path}: ${sentence}`);
    const message = places.length > 0 ? places.join("\n") : `${options.join(", ")}: ${sentence}`;
    throw new Refusal("RESTART_NEEDED", message, { problems });
  }

  #fileStatus(): FileStatus {
    const { live } = this.#changes;
    return {
      path: this.#file ?? null,
      differs:
        this.#fileProblems.length > 0 ||
        this.#fileRefusal !== null ||
        (live !== undefined && !isDeepStrictEqual(this.#fileConfig, live.config)),
      problems: this.#fileProblems,
      refusal: this.#fileRefusal,
    };
  }

  /** What a filter runs now that has this digest, and from where. */
  #served(digest: string): { artifact: Live["loaded"]["artifacts"][string]; file: string } | undefined {
    const { live } = this.#changes;
    const found = Object.entries(live?.loaded.artifacts ?? {}).find(([, artifact]) => artifact.digest === digest);
    if (found === undefined || live === undefined) return undefined;
    const [version, artifact] = found;
    const filter = live.config.filters.find(({ name }) => version === name || version === candidateName(name));
    const component = version === filter?.name ? filter.component : (filter?.candidate?.component ?? "");
    const file = isReference(component)
      ? this.#artifacts.components.fileOf(digest)
      : componentFile(component, filter?.name ?? "");
    return { artifact, file };
  }

  #watchFiles(configs: readonly Config[]): void {
    const components = configs.flatMap(({ filters }) => filters.map((filter) => fileOf(filter)));
    const file = this.#file === undefined ? [] : [this.#file];
    this.#watch.set([...components.filter((path) => path !== undefined), ...file]);
  }

  async #fileChanged(path: string): Promise<void> {
    if (path === this.#file) {
      await this.apply(undefined, { by: "file" }).catch(() => {
        // The refusal has been counted and logged; what ran before still runs.
      });
      return;
    }
    for (const filter of this.#changes.live?.config.filters ?? [])
      if (fileOf(filter) === path) await this.#componentChanged(filter.name, path);
  }

  /** A component's file is another one now: every filter that uses it gets it, without being asked. */
  async #componentChanged(name: string, path: string): Promise<void> {
    const asked: Asked = { by: "file" };
    await this.#changes
      .inTurn(asked, async ({ config, loaded }) => {
        const filter = config.filters.find((other) => other.name === name);
        // A swap may have come first, and a build may have written the same bytes again.
        if (filter === undefined || fileOf(filter) !== path) return false;
        return (await digestOfFile(path)) !== loaded.artifacts[name]?.digest;
      })
      .then((isOther) => (isOther ? this.swap(name, {}, asked) : undefined))
      .catch(() => {
        // The refusal has been counted and logged; what ran before still runs.
      });
  }

  /** What was resumed may be older than what lies on disk by now. */
  #lookAtComponents(): void {
    for (const filter of this.#live.config.filters) {
      const path = fileOf(filter);
      if (path !== undefined) void this.#componentChanged(filter.name, path);
    }
  }

  async #close(): Promise<void> {
    clearInterval(this.#collecting);
    await Promise.all([
      this.#watch.close(),
      this.#changes.close(),
      this.#artifacts.close(),
      this.#symbols.close(),
    ]);
  }
}

function artifactDifferences(live: Live, loaded: Loaded): Difference[] {
  const artifacts = Object.entries(loaded.artifacts).flatMap(([name, { digest }]): Difference[] => {
    const before = live.loaded.artifacts[name]?.digest;
    if (before === digest) return [];
    const path = formatPath(["filters", name, "artifact"]);
    return before === undefined
      ? [{ path, kind: "added", to: digest }]
      : [{ path, kind: "changed", from: before, to: digest }];
  });
  const imports = addedImports(loaded, live).map(
    ([name, added]): Difference => ({
      path: formatPath(["filters", name, "imports"]),
      kind: "added",
      to: added,
    }),
  );
  return [...artifacts, ...imports];
}

/** The file whose changes are a filter's; undefined for one that is in a registry. */
function fileOf({ name, component }: FilterConfig): string | undefined {
  return isReference(component) ? undefined : componentFile(component, name);
}

async function digestOfFile(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  return bytes && digestOf(bytes);
}

/** Who embeds a host asks for himself. */
const LOCAL: Asked = { by: "local" };

/** What a text without a file is called in messages. */
const TEXT = "sluice.yaml";

/** How often artifacts that nobody needs are looked for, and how long nobody has needed them then. */
const COLLECT_MS = 3_600_000;
const UNUSED_MS = 7 * 86_400_000;

const VERSION = (
  JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }
).version;
