import type { Config, LogLevel } from "../../host/config/config.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { ConfigError, type Problem } from "../../host/config/problem.ts";
import {
  type ArtifactView,
  type Asked,
  type ChangeResult,
  type ConfigView,
  type Control,
  type Differences,
  type ExchangeQuestion,
  type Explanation,
  type FileStatus,
  type GenerationView,
  Refusal,
  type RefusedRequest,
  type Status,
  type SwapRequest,
  type SwapResult,
  type WorkerView,
} from "../../host/control/control.ts";
import { type MeterSnapshot, WorkerMeter } from "../../host/ops/meter.ts";
import type { ServerView } from "../../host/ops/server-meter.ts";
import type { TimelineView } from "../../host/ops/timeline-view.ts";
import type { TrialView } from "../../host/trial/trial.ts";
import { keptExchanges } from "./plain-exchanges.ts";
import { expositionOf } from "./plain-metrics.ts";
import {
  SERVERS,
  differencesOf,
  digestOf,
  findFilter,
  type Made,
  type State,
  statusOf,
  withoutTrial,
  withServer,
  withTrial,
} from "./plain-state.ts";

export const FILE = "/etc/sluice/sluice.yaml";

export const FILE_TEXT = `\
listen: ["127.0.0.1:8080"]
upstreams: { echo: { servers: ["http://127.0.0.1:9000"] } }
routes: [{ name: api, upstream: echo }]
`;

/**
 * Keeps filters as files with digests and runs nothing: what the operator's side needs of a host, and no more. Its changes wait
 * for each other, are refused for the reasons for which a host refuses them, and leave a history that can be gone back in.
 */
export class PlainControl implements Control {
  generation = 1;
  ready = true;
  logLevel: LogLevel = "info";
  /** What the configuration file says now; null: there is none. */
  file: string | null = FILE_TEXT;
  /** The config of each filter, as the last swap left it. */
  readonly configs: Map<string, unknown> = new Map();
  /** Workers that do not call a filter; to be set before `add`. */
  readonly quarantined: Map<string, number> = new Map();
  /** What changes were asked with, in their order. */
  readonly asked: Asked[] = [];

  /** Thrown by every call, when it is set. */
  failure: Error | undefined;
  /** Called by each change, which waits for it, when it is set. */
  gate: (() => Promise<void>) | undefined;

  #state: State = {
    filters: new Map(),
    trials: new Map(),
    servers: new Map([
      ["http://127.0.0.1:9000", { weight: 1, drained: false }],
      ["http://echo.test:80", { weight: 1, drained: false }],
    ]),
    text: FILE_TEXT,
  };
  readonly #history: { readonly view: GenerationView; readonly state: State }[] = [];
  /** Who has made the live generation, and what is different since. */
  #made = { by: "start", changes: [] as readonly string[] };
  #last: Promise<unknown> = Promise.resolve();
  #artifacts = ["a".repeat(64)];

  add(name: string, component: string, digest: string): void {
    const filter = {
      name,
      component,
      digest,
      path: "direct",
      phases: ["request", "end"],
      onFailure: "closed",
      quarantined: this.quarantined.get(name) ?? 0,
      trial: null,
    } as const;
    this.#state = { ...this.#state, filters: new Map([...this.#state.filters, [name, filter]]) };
  }

  status(): Status {
    if (this.failure !== undefined) throw this.failure;
    return {
      ...statusOf(this.#state, this.ready),
      generation: this.generation,
      file: this.#fileStatus(),
    };
  }

  servers(): Promise<readonly ServerView[]> {
    return Promise.resolve(SERVERS);
  }

  workers(): Promise<WorkerView[]> {
    const { workers } = this.status();
    const idle = { generation: this.generation, connections: 1, exchanges: 0, instances: 4 };
    return Promise.resolve(workers.map((worker) => ({ ...worker, ...idle })));
  }

  counts(): Promise<MeterSnapshot> {
    return Promise.resolve(new WorkerMeter().snapshot());
  }

  readiness(): { ready: boolean; reason: string } {
    return this.ready ? { ready: true, reason: "" } : { ready: false, reason: "worker 2 is starting" };
  }

  metrics(format: "text" | "openmetrics" = "text"): Promise<{ contentType: string; body: string }> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve(expositionOf(format, this.generation));
  }

  swap(name: string, change: SwapRequest, asked: Asked): Promise<SwapResult> {
    let from = "";
    let to = "";
    const swapped = this.#change(asked, async (state) => {
      const filter = findFilter(state, name);
      const component = change.component ?? filter.component;
      from = filter.digest;
      to = await digestOf(component, change.sha256, filter);
      if (change.trial !== undefined)
        return withTrial(state, filter, change.trial, { component, digest: to });
      if ("config" in change) this.configs.set(name, change.config);
      const filters = new Map([...state.filters, [name, { ...filter, component, digest: to }]]);
      return { state: { ...state, filters }, changes: [`filter ${name}: ${from} → ${to}`] };
    });
    return swapped.then((result) => ({
      ...result,
      filter: name,
      from,
      to,
      configChanged: "config" in change,
    }));
  }

  async diffSwap(name: string, change: SwapRequest): Promise<Differences> {
    const filter = findFilter(this.#state, name);
    const component = change.component ?? filter.component;
    const told = await digestOf(component, change.sha256, filter).then(
      (digest) => ({ digest, refusals: [] }),
      (error: Refusal) => ({ digest: filter.digest, refusals: [error.message] }),
    );
    const { digest, refusals } = told;
    const path = `filters.${name}.component`;
    const changed = { path, kind: "changed", from: filter.digest, to: digest } as const;
    return {
      generation: this.generation,
      differences: digest === filter.digest ? [] : [changed],
      refusals,
    };
  }

  promote(name: string, asked: Asked): Promise<ChangeResult> {
    return this.#change(asked, async (state) => withoutTrial(state, name, "promoted"));
  }

  endTrial(name: string, asked: Asked): Promise<ChangeResult> {
    return this.#change(asked, async (state) => withoutTrial(state, name, "rolled-back"));
  }

  async record(name: string): Promise<AsyncIterable<string>> {
    findFilter(this.#state, name);
    return ReadableStream.from(['{"end":{}}\n']);
  }

  async trial(name: string): Promise<TrialView | undefined> {
    if (this.failure !== undefined) throw this.failure;
    findFilter(this.#state, name);
    return this.#state.trials.get(name);
  }

  trials(): Promise<TrialView[]> {
    return Promise.resolve([...this.#state.trials.values()]);
  }

  rollback(to: number | undefined, asked: Asked): Promise<ChangeResult> {
    return this.#change(asked, async () => {
      const number = to ?? this.generation - 1;
      const found = this.#history.find(({ view }) => view.number === number);
      if (found === undefined) throw new Refusal("GENERATION_UNKNOWN", `There is no generation ${number}.`);
      return { state: found.state, changes: [`back to generation ${number}`] };
    });
  }

  generations(): Promise<GenerationView[]> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const live = this.#view();
    const past = this.#history.map(({ view }) => ({ ...view, state: "drained" as const }));
    return Promise.resolve([live, ...past.toReversed()]);
  }

  config(): ConfigView {
    return {
      generation: this.generation,
      config: parseConfig(this.#state.text, FILE, {}),
      file: this.#fileStatus(),
    };
  }

  configText(): string {
    if (this.file === null)
      throw new Refusal("NO_FILE", "This host was started without a configuration file.");
    return this.file;
  }

  validate(text: string): readonly Problem[] {
    try {
      parseConfig(text, FILE, {});
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
  }

  async diff(text: string | undefined): Promise<Differences> {
    const differences = differencesOf(this.#read(this.#state.text), this.#read(text));
    return { generation: this.generation, differences, refusals: [] };
  }

  apply(text: string | undefined, asked: Asked): Promise<ChangeResult> {
    return this.#change(asked, async (state) => {
      const differences = differencesOf(this.#read(state.text), this.#read(text));
      const fixed = differences.find(({ path }) => ["workers", "admin", "artifacts", "store"].includes(path));
      if (fixed !== undefined) {
        throw new Refusal("RESTART_NEEDED", `${fixed.path} changes with a restart or SIGUSR2 only.`);
      }
      return {
        state: { ...state, text: text ?? this.file ?? "" },
        changes: differences.map(({ path, kind }) => `${path} ${kind}`),
      };
    });
  }

  drainServer(upstream: string, server: string, drained: boolean, asked: Asked): Promise<ChangeResult> {
    const change = `${server} ${drained ? "drained" : "not drained any more"}`;
    return this.#change(asked, async (state) => withServer(state, upstream, server, change, { drained }));
  }

  setWeight(upstream: string, server: string, weight: number, asked: Asked): Promise<ChangeResult> {
    const change = `${server} weighs ${weight}`;
    return this.#change(asked, async (state) => withServer(state, upstream, server, change, { weight }));
  }

  artifacts(): Promise<ArtifactView[]> {
    const unused = { bytes: 1_000, usedAt: 0, filters: [], generations: [] };
    return Promise.resolve(this.#artifacts.map((digest) => ({ digest, ...unused })));
  }

  collectArtifacts(): Promise<string[]> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve(this.#artifacts.splice(0));
  }

  setLogLevel(level: LogLevel): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.logLevel = level;
    return Promise.resolve();
  }

  refusedRequests(): Promise<RefusedRequest[]> {
    const detail = "The head has a byte that no field may have, at byte 17.";
    return Promise.resolve([{ at: 1, worker: 1, code: "REQUEST_MALFORMED", status: 400, detail }]);
  }

  exchanges(question: ExchangeQuestion): Promise<readonly TimelineView[]> {
    return Promise.resolve(keptExchanges(question));
  }

  async exchange(id: string): Promise<TimelineView | undefined> {
    return keptExchanges({ failed: false, limit: 2 }).find(({ requestId }) => requestId === id);
  }

  explain(method: string, url: string): Explanation {
    if (this.failure !== undefined) throw this.failure;
    const { pathname } = new URL(url, "http://localhost");
    return {
      generation: this.generation,
      canonicalPath: pathname,
      route: { name: "api", match: "*/*", filters: [], upstream: "echo", servers: [] },
      considered: [{ name: "api", matches: true, why: `It takes every ${method}.` }],
      overlaps: [],
    };
  }

  /** One after the other, each on what the one before it left, or refused and nothing is changed. */
  #change(asked: Asked, change: (state: State) => Promise<Made>): Promise<ChangeResult> {
    this.asked.push(asked);
    const done = this.#last.then(async () => {
      await this.gate?.();
      if (this.failure !== undefined) throw this.failure;
      const { ifGeneration } = asked;
      if (ifGeneration !== undefined && ifGeneration !== this.generation) {
        const detail = `Generation ${this.generation} is live, not ${ifGeneration}.`;
        throw new Refusal("GENERATION_CHANGED", detail);
      }
      const { state, changes } = await change(this.#state);
      this.#history.push({ view: this.#view(), state: this.#state });
      this.#state = state;
      this.#made = { by: asked.by, changes };
      this.generation += 1;
      return { generation: this.generation, durationMs: 41.4, changes };
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  #view(): GenerationView {
    const digests = [...this.#state.filters.values()].map(({ name, digest }) => [name, digest]);
    return {
      number: this.generation,
      at: Date.now(),
      ...this.#made,
      digests: Object.fromEntries(digests) as Record<string, string>,
      state: "live",
      exchanges: 0,
    };
  }

  #fileStatus(): FileStatus {
    const differs = this.file !== this.#state.text;
    return { path: this.file === null ? null : FILE, differs, problems: [], refusal: null };
  }

  #read(text: string | undefined): Config {
    const source = text ?? this.file;
    if (source === null) throw new Refusal("NO_FILE", "This host was started without a configuration file.");
    const problems = this.validate(source);
    if (problems.length > 0)
      throw new Refusal("CONFIG_REFUSED", "The configuration is refused.", { problems });
    return parseConfig(source, FILE, {});
  }
}
