import {
  type Activity,
  activityOf,
  type ExchangeActivity,
  type FilterActivity,
  type Look,
  serverKey,
} from "../ops/activity.ts";
import type { ServerView } from "../ops/server-meter.ts";
import type { TrialView } from "../trial/trial.ts";
import type { Control, FileStatus, Status, WorkerView } from "./control.ts";
import type { LiveFile, LiveFilter, LiveRoute, LiveServer, LiveView } from "./live-view.ts";

/** Looks at a host again and again, and tells what has happened in between. Keeps what it has seen for some seconds. */
export class LiveLook {
  readonly #control: Control;
  /** Oldest first. */
  readonly #looks: Look[] = [];

  constructor(control: Control) {
    this.#control = control;
  }

  /** Rejects while the host does not serve yet. */
  async view(): Promise<LiveView> {
    const [counts, workers] = await Promise.all([this.#control.counts(), this.#control.workers()]);
    const now = { atMs: performance.now(), counts };
    const before = this.#looks.at(-1) ?? now;
    const activity = activityOf(this.#looks[0] ?? now, before, now);
    this.#looks.push(now);
    if (this.#looks.length > LOOKS_MAX) this.#looks.shift();
    const status = this.#control.status();
    // Also those that have ended, which may have been between two looks.
    const trials = new Map((await this.#control.trials()).map((trial) => [trial.filter, trial]));
    const { ready, reason } = this.#control.readiness();
    return {
      version: status.version,
      startedAt: status.startedAt,
      generation: status.generation,
      listen: status.listen,
      ready,
      reason,
      totals: {
        ...activity.all,
        inFlight: counts.exchangesInFlight,
        connections: counts.connectionsOpen,
      },
      routes: routesOf(status, activity),
      filters: filtersOf(status, activity, now, trials),
      upstreams: upstreamsOf(status, activity, counts.views),
      workers: Object.fromEntries(workers.map(({ id, ...worker }: WorkerView) => [id, worker])),
      loops: Object.fromEntries([...activity.loops].filter(([place]) => place > 0)),
      failures: Object.fromEntries(counts.failures.filter(([, count]) => count > 0)),
      file: fileOf(status.file),
    };
  }
}

function filtersOf(
  status: Status,
  activity: Activity,
  { counts }: Look,
  trials: ReadonlyMap<string, TrialView>,
): Record<string, LiveFilter> {
  const instances = new Map(counts.filters.map((filter) => [filter.name, filter.instances]));
  return Object.fromEntries(
    status.filters.map(({ name, ...filter }) => {
      const trial = trials.get(name);
      return [
        name,
        {
          ...filter,
          ...(activity.filters.get(name) ?? UNCALLED),
          instances: instances.get(name) ?? 0,
          trial: trial && { ...trial, shadow: trial.shadow ?? undefined },
        },
      ];
    }),
  );
}

function routesOf({ routes }: Status, activity: Activity): Record<string, LiveRoute> {
  return Object.fromEntries(
    routes.map(({ name, filters, upstream, slo }, order) => {
      const own = activity.routes.get(name) ?? IDLE;
      return [name, { ...own, order, filters, upstream, slo: slo ?? undefined }];
    }),
  );
}

function upstreamsOf(
  { upstreams }: Status,
  activity: Activity,
  views: readonly ServerView[],
): LiveView["upstreams"] {
  const byServer = Map.groupBy(views, serverKey);
  return Object.fromEntries(
    upstreams.map(({ name, servers, drained }) => [
      name,
      Object.fromEntries(
        servers.map((server): [string, LiveServer] => {
          const key = serverKey({ upstream: name, server });
          const own = byServer.get(key) ?? [];
          const sum = (of: (view: ServerView) => number): number =>
            own.reduce((total, view) => total + of(view), 0);
          return [
            server,
            {
              ...(activity.servers.get(key) ?? UNTRIED),
              drained: drained.includes(server),
              states: statesOf(own),
              inFlight: sum(({ inFlight }) => inFlight),
              pending: sum(({ pending }) => pending),
              connections: sum(({ connections }) => connections),
            },
          ];
        }),
      ),
    ]),
  );
}

function statesOf(views: readonly ServerView[]): Record<string, number> {
  const states: Record<string, number> = {};
  for (const view of views)
    for (const [state, count] of Object.entries(view.states)) states[state] = (states[state] ?? 0) + count;
  return states;
}

function fileOf({ path, refusal, ...file }: FileStatus): LiveFile {
  return { ...file, path: path ?? undefined, refusal: refusal ?? undefined };
}

const IDLE: ExchangeActivity = { perSecond: 0, errorsPerSecond: 0 };
const UNCALLED: FilterActivity = { callsPerSecond: 0, failuresPerSecond: 0, memoryBytes: 0, failures: {} };
const UNTRIED = { triesPerSecond: 0, failuresPerSecond: 0 };

/** With a look each second, durations are those of the last ten. */
const LOOKS_MAX = 10;
