import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Config } from "../../host/config/config.ts";
import { type Difference, type FilterStatus, Refusal, type Status } from "../../host/control/control.ts";
import type { ServerView } from "../../host/ops/server-meter.ts";
import type { TrialRequest, TrialView } from "../../host/trial/trial.ts";

/** What a change leaves behind: what rollback goes back to. */
export interface State {
  readonly filters: ReadonlyMap<string, FilterStatus>;
  readonly trials: ReadonlyMap<string, TrialView>;
  /** By origin, those of the upstream `echo`. */
  readonly servers: ReadonlyMap<string, { readonly weight: number; readonly drained: boolean }>;
  readonly text: string;
}

/** Of the upstream `echo`, as two workers see them. */
export const SERVERS: readonly ServerView[] = [
  {
    upstream: "echo",
    server: "http://127.0.0.1:9000",
    address: "",
    states: { healthy: 2 },
    inFlight: 3,
    pending: 0,
    connections: 8,
  },
  {
    upstream: "echo",
    server: "http://echo.test:80",
    address: "192.0.2.7",
    states: { healthy: 1, ejected: 1 },
    inFlight: 0,
    pending: 1,
    connections: 0,
  },
];

export interface Made {
  readonly state: State;
  readonly changes: readonly string[];
}

export function statusOf({ filters, servers }: State, ready: boolean): Omit<Status, "generation" | "file"> {
  return {
    version: "0.1.0",
    pid: process.pid,
    startedAt: Date.now() - 65_000,
    listen: ["127.0.0.1:8080"],
    workers: [
      { id: 1, state: "serving" },
      { id: 2, state: ready ? "serving" : "starting" },
    ],
    filters: [...filters.values()],
    routes: [{ name: "api", filters: [...filters.keys()], upstream: "echo", slo: null }],
    upstreams: [
      {
        name: "echo",
        servers: [...servers.keys()],
        drained: [...servers].filter(([, { drained }]) => drained).map(([server]) => server),
      },
    ],
  };
}

export function findFilter(state: State, name: string): FilterStatus {
  const filter = state.filters.get(name);
  if (filter === undefined) throw new Refusal("FILTER_UNKNOWN", `There is no filter named ${name}.`);
  return filter;
}

export async function digestOf(
  component: string,
  wanted: string | undefined,
  present: FilterStatus,
): Promise<string> {
  if (component === present.component && wanted === undefined) return present.digest;
  const bytes = await readFile(component).catch((cause: unknown) => {
    throw new Refusal("ARTIFACT_REFUSED", `${component} cannot be read.`, { cause });
  });
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (wanted === undefined || wanted === digest) return digest;
  throw new Refusal("ARTIFACT_REFUSED", `${component} has the digest ${digest}, not ${wanted}.`);
}

export function withTrial(
  state: State,
  filter: FilterStatus,
  request: TrialRequest,
  candidate: { readonly component: string; readonly digest: string },
): Made {
  const { name } = filter;
  if (filter.trial !== null) throw new Refusal("TRIAL_REFUSED", `The filter ${name} has a trial already.`);
  const none = { exchanges: 0, failed: 0, failures: 0, meanMs: 0 };
  const trial: TrialView = {
    filter: name,
    request,
    ...candidate,
    startedAt: Date.now(),
    present: none,
    candidate: none,
    shadow: null,
    burns: [],
    state: "running",
    why: "It waits for exchanges.",
  };
  const tried = { ...filter, trial: { kind: request.kind, ...candidate } };
  return {
    state: {
      ...state,
      filters: new Map([...state.filters, [name, tried]]),
      trials: new Map([...state.trials, [name, trial]]),
    },
    changes: [`filter ${name}: ${request.kind} of ${candidate.digest}`],
  };
}

export function withServer(
  state: State,
  upstream: string,
  server: string,
  change: string,
  set: { readonly weight: number } | { readonly drained: boolean },
): Made {
  const known = upstream === "echo" ? state.servers.get(server) : undefined;
  if (known === undefined) throw new Refusal("SERVER_UNKNOWN", `${upstream} has no server ${server}.`);
  const servers = new Map([...state.servers, [server, { ...known, ...set }]]);
  return { state: { ...state, servers }, changes: [change] };
}

/** The filter's trial is over: the candidate is the filter, or is dropped. */
export function withoutTrial(state: State, name: string, end: "promoted" | "rolled-back"): Made {
  const filter = findFilter(state, name);
  const trial = state.trials.get(name);
  if (trial?.state !== "running") throw new Refusal("TRIAL_REFUSED", `The filter ${name} has no trial.`);
  const { component, digest } = end === "promoted" ? trial : filter;
  const filters = new Map([...state.filters, [name, { ...filter, component, digest, trial: null }]]);
  const trials = new Map([...state.trials, [name, { ...trial, state: end, why: "An operator said so." }]]);
  return { state: { ...state, filters, trials }, changes: [`filter ${name}: trial ${end}`] };
}

export function differencesOf(from: Config, to: Config): Difference[] {
  const keys = Object.keys(to) as (keyof Config)[];
  return keys
    .filter((path) => JSON.stringify(from[path]) !== JSON.stringify(to[path]))
    .map((path) => ({ path, kind: "changed", from: from[path], to: to[path] }));
}
