import type { Config, LogLevel } from "./config/config.ts";
import type { Problem } from "./config/problem.ts";
import { Changes, type Live, refusalOf } from "./control/changes.ts";
import { ChangingHost } from "./control/changing.ts";
import { ConfigFile } from "./control/config-file.ts";
import { redacted, viewOf } from "./control/config-view.ts";
import {
  type ArtifactView,
  type ConfigView,
  type Control,
  type ExchangeQuestion,
  type Explanation,
  type GenerationView,
  Refusal,
  type RefusedRequest,
  type Status,
  type WorkerView,
} from "./control/control.ts";
import { filterOf } from "./control/edits.ts";
import { exchangeOf, exchangesOf } from "./control/exchanges.ts";
import { FileWatch } from "./control/file-watch.ts";
import { Fleet } from "./control/fleet.ts";
import { COLLECT_MS, collectUnused } from "./control/garbage.ts";
import { baseOf, History, stateFolder } from "./control/history.ts";
import { type InheritedSocket, InheritedSockets } from "./control/inherited-sockets.ts";
import { Loader } from "./control/loader.ts";
import type { PreparedFilter } from "./control/messages.ts";
import { Operations } from "./control/operations.ts";
import { Records } from "./control/records.ts";
import type { RecordRequest } from "./record/record-request.ts";
import { resume } from "./control/resuming.ts";
import { servedBy } from "./control/served.ts";
import { VERSION } from "./control/version.ts";
import { artifactViews, explanationOf, generationViews, readinessOf, statusOf } from "./control/views.ts";
import { ArtifactStore } from "./filter/artifact.ts";
import { SymbolReader } from "./filter/symbols.ts";
import type { Log } from "./ops/log.ts";
import { Exposition, type ExpositionFormat } from "./ops/exposition.ts";
import type { MeterSnapshot } from "./ops/meter.ts";
import type { TimelineView } from "./ops/timeline-view.ts";
import type { TrialSnapshot } from "./ops/trial-meter.ts";
import type { ServerView } from "./ops/server-meter.ts";
import { Slos } from "./slo/slos.ts";
import { Tracing } from "./trace/tracing.ts";
import { candidatesOf, type TrialView } from "./trial/trial.ts";
import { Trials } from "./trial/trials.ts";

/**
 * A running proxy: workers that serve a generation, and the changes from one to the next. It carries no traffic itself.
 */
export class Host extends ChangingHost implements Control {
  readonly #log: Log;
  readonly #artifacts: ArtifactStore;
  readonly #loader: Loader;
  readonly #fleet: Fleet;
  readonly #history: History;
  readonly #changes: Changes;
  readonly #exposition = new Exposition();
  readonly #symbols = new SymbolReader();
  readonly #watch: FileWatch;
  readonly #trials: Trials;
  readonly #slos = new Slos({ counts: () => this.#fleet.members.slos(), now: () => performance.now() });
  readonly #records: Records;
  readonly #tracing: Tracing;
  readonly #collecting: NodeJS.Timeout;
  readonly #startedAt = Date.now();
  readonly #file: ConfigFile;
  protected readonly operations: Operations;
  /** Generations that were live in this process, and of which nothing is left. */
  readonly #drained = new Set<number>();

  private constructor(log: Log, history: History, own: ConfigFile, live: Config, observer?: string) {
    super();
    this.#log = log;
    this.#file = own;
    this.#history = history;
    this.#artifacts = new ArtifactStore(live.artifacts);
    this.#loader = new Loader(this.#artifacts);
    this.#tracing = new Tracing(log.logger);
    this.#fleet = new Fleet(live, {
      observer,
      lines: (lines) => log.writeBatch(lines),
      fault: (line, digest, frames) =>
        void this.#symbols
          .complete(line, servedBy(this.#changes.live, digest, this.#artifacts.components), frames)
          .then((it) => log.writeBatch(it)),
      lost: (sentence) => log.logger.error(sentence),
      retired: (snapshot) => this.#exposition.retire(snapshot),
      recorded: (message) => this.#records.heard(message),
      traced: (exchanges) => this.#tracing.heard(exchanges),
      drained: (generation) => {
        this.#drained.add(generation);
        log.logger.info({ generation }, "generation drained");
      },
    });
    this.#changes = new Changes(this.#fleet, this.#loader, history, {
      logger: log.logger,
      get base() {
        return own.base;
      },
      get hidden() {
        return own.hidden;
      },
      watch: (...configs) => this.#watch.set(...configs),
      changed: ({ config: { log: lines, filters, routes, traces }, loaded }) => {
        this.#tracing.use(traces, loaded.traceHeaders);
        this.#records.changed();
        log.logger.level = lines.level;
        log.use(lines.file);
        this.#trials.watch(candidatesOf(filters));
        this.#slos.watch(routes);
      },
    });
    const { components } = this.#artifacts;
    this.#records = new Records(
      this.#fleet.members,
      this.#changes,
      own,
      this.#symbols,
      components,
      log.logger,
    );
    this.operations = new Operations(this.#changes, this.#loader, history, own, log.logger, (...end) =>
      this.#trials.ended(...end),
    );
    this.#trials = new Trials({
      counts: () => this.trialCounts(),
      slos: this.#slos,
      promote: (filter, why) => void this.#ignoring(this.operations.promote(filter, { by: "trial" }, why)),
      rollBack: (filter, why) => void this.#ignoring(this.operations.endTrial(filter, { by: "trial" }, why)),
      now: () => performance.now(),
    });
    this.#watch = new FileWatch(own.path, {
      configChanged: () => this.#ignoring(this.apply(undefined, { by: "file" })),
      // Every filter that uses a component gets what it is now, without being asked.
      componentChanged: (name, path, digest) =>
        this.#ignoring(this.operations.componentChanged(name, path, digest, { by: "file" })),
      blind: (sentence) => log.logger.warn(sentence),
    });
    this.#collecting = setInterval(() => void this.collectArtifacts().catch(() => {}), COLLECT_MS).unref();
  }

  /**
   * Resolves when every worker serves and listens, on the sockets that were `inherited` where they fit. Rejects with a
   * `Refusal`, and leaves nothing behind.
   *
   * `file`: the configuration's; it is read again when it changes, and the generations that come of it outlive the process.
   * `observer`: the URL of a module whose observer looks on (`observer.ts`), where somebody writes a filter.
   */
  static async start(
    config: Config,
    log: Log,
    inherited: InheritedSockets = new InheritedSockets(),
    file?: string,
    observer?: string,
  ): Promise<Host> {
    const history = await History.open(file === undefined ? undefined : stateFolder(config.artifacts, file));
    const last = history.live;
    const resumed = last?.base === baseOf(config) ? last : undefined;
    const host = new Host(log, history, new ConfigFile(file, config), resumed?.config ?? config, observer);
    try {
      if (resumed === undefined) await host.#changes.make({ config, asked: { by: "start" }, inherited });
      else await resume(host.#changes, resumed, { config, hidden: host.#file.hidden }, inherited, log.logger);
      void host.#watch.look();
      return host;
    } catch (error) {
      await host.force();
      throw refusalOf(error);
    }
  }

  /** Loads and configures everything on one worker, and listens nowhere. Rejects with a `Refusal`. */
  static async check(config: Config, log: Log): Promise<readonly PreparedFilter[]> {
    const alone = { ...config, workers: 1, listen: [] };
    const host = new Host(log, await History.open(undefined), new ConfigFile(undefined, alone), alone);
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
    const live = this.#live;
    return {
      version: VERSION,
      pid: process.pid,
      startedAt: this.#startedAt,
      ...statusOf(live, this.#fleet, this.#slos),
      file: this.#file.status(live.config),
    };
  }

  async servers(): Promise<readonly ServerView[]> {
    return (await this.counts()).views;
  }

  async counts(): Promise<MeterSnapshot> {
    // Who asks for these asks for the status with them.
    const [snapshots] = await Promise.all([this.#fleet.snapshots(), this.#slos.refresh()]);
    return this.#exposition.sum(snapshots);
  }

  workers(): Promise<readonly WorkerView[]> {
    return this.#fleet.members.views();
  }

  readiness(): { ready: boolean; reason: string } {
    return readinessOf(this.#changes, this.#fleet);
  }

  async metrics(format?: ExpositionFormat): Promise<{ contentType: string; body: string }> {
    const main = {
      version: VERSION,
      generation: this.#changes.live?.number ?? 0,
      generationsDrained: this.#drained.size,
      draining: this.#changes.stopping,
      swapsOk: this.operations.swaps.ok,
      swapsRefused: this.operations.swaps.refused,
      reloadsOk: this.operations.reloads.ok,
      reloadsRefused: this.operations.reloads.refused,
      fileValid: this.#file.isInOrder,
      slos: this.#slos.asked,
      connectionsRefused: this.#fleet.refusedConnections,
      workerRestarts: this.#fleet.restarts,
      ...this.#records.kept,
      logLinesDropped: this.#log.dropped,
      spans: this.#tracing.counts,
    };
    return this.#exposition.render(await this.#fleet.snapshots(), main, format);
  }

  /** What has been counted of trials, by all threads. */
  trialCounts(): Promise<readonly TrialSnapshot[]> {
    return this.#fleet.trials();
  }

  async trial(name: string): Promise<TrialView | undefined> {
    filterOf(this.#live.config, name);
    // As far as it has come by now, and not when it was last looked at.
    await this.#trials.look();
    return this.#trials.view(name);
  }

  trials(): Promise<readonly TrialView[]> {
    return this.#trials.views();
  }

  record(filter: string, request: RecordRequest): Promise<AsyncIterable<string>> {
    return this.#records.record(filter, request);
  }

  generations(): Promise<readonly GenerationView[]> {
    return generationViews(this.#live, this.#history.records, this.#fleet, this.#drained);
  }

  config(): ConfigView {
    const { number, config } = this.#live;
    return {
      generation: number,
      config: redacted(viewOf(config), this.#file.hidden),
      file: this.#file.status(config),
    };
  }

  configText(): string {
    return this.#file.text();
  }

  validate(text: string): readonly Problem[] {
    return this.#file.validate(text);
  }

  async artifacts(): Promise<readonly ArtifactView[]> {
    return artifactViews(await this.#artifacts.components.list(), this.#live, this.#history.records);
  }

  async collectArtifacts(): Promise<readonly string[]> {
    const { live } = this.#changes;
    return live === undefined ? [] : collectUnused(live, this.#artifacts.components);
  }

  get logLevel(): LogLevel {
    return this.#log.logger.level as LogLevel;
  }

  async setLogLevel(level: LogLevel): Promise<void> {
    this.#log.logger.level = level;
    await this.#fleet.keepLines(level);
  }

  refusedRequests(): Promise<readonly RefusedRequest[]> {
    return this.#fleet.members.refusals();
  }

  exchanges(question: ExchangeQuestion): Promise<readonly TimelineView[]> {
    return exchangesOf(this.#fleet.members, question);
  }

  exchange(requestId: string): Promise<TimelineView | undefined> {
    return exchangeOf(this.#fleet.members, requestId);
  }

  explain(method: string, url: string): Explanation {
    return explanationOf(this.#live, this.#fleet, this.#slos, method, url);
  }

  get #live(): Live {
    const { live } = this.#changes;
    if (live === undefined) throw new Refusal("HOST_UNAVAILABLE", "the host does not serve yet");
    return live;
  }

  /** The refusal has been counted and logged; what ran before still runs. */
  async #ignoring(change: Promise<unknown>): Promise<void> {
    await change.catch(() => {});
  }

  async #close(): Promise<void> {
    clearInterval(this.#collecting);
    this.#trials.close();
    this.#slos.close();
    await this.#records.close();
    await Promise.all([
      this.#tracing.close(),
      this.#watch.close(),
      this.#changes.close(),
      this.#artifacts.close(),
      this.#loader.close(),
      this.#symbols.close(),
    ]);
  }
}
