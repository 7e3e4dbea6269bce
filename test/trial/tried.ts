import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../host/config/config.ts";
import { ArtifactStore } from "../../host/filter/artifact.ts";
import { Host } from "../../host/host.ts";
import { createLog } from "../../host/ops/log.ts";
import type { TrialSnapshot } from "../../host/ops/trial-meter.ts";
import {
  type Candidate,
  DIFFERENCE_KINDS,
  type DifferenceKind,
  TRIAL_DEFAULTS,
  type TrialKey,
  type TrialLimits,
  type TrialRequest,
} from "../../host/trial/trial.ts";
import type { Stage } from "../support/stage.ts";
import { component, type ConfigParts, configOf, TestHost } from "../support/test-host.ts";
import { type Answer, Upstream } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";

/** What is tried beside a filter of this name. */
export type Trials = Readonly<Record<string, Candidate>>;

/** A canary or a shadow, of a fixture with this configuration. */
export function candidate(fixture: string, config: unknown, trial: TrialRequest): Candidate {
  return {
    component: component(fixture),
    digest: "",
    sha256: null,
    config,
    trial,
    startedAt: 1_000,
    salt: "salt of the test",
  };
}

export function canary(percent: number, key: TrialKey = { kind: "none" }): TrialRequest {
  return { kind: "canary", percent, key, ...TRIAL_DEFAULTS };
}

export const SHADOW: TrialRequest = { kind: "shadow", ...TRIAL_DEFAULTS };

/** No trial ends by itself, whatever comes of it: for tests of what it does until then. */
const ENDLESS: TrialLimits = {
  forMs: 0,
  exchangesMin: 0,
  errorPercentMax: 100,
  failuresMax: Number.MAX_SAFE_INTEGER,
  addedMsMax: Number.MAX_SAFE_INTEGER,
  differencePercentMax: 100,
};

/** A host in front of one upstream, whose generation has these trials. `limits`: when they end by themselves. */
export async function startTrial(
  upstream: Upstream,
  parts: ConfigParts,
  trials: Trials,
  limits: TrialLimits = ENDLESS,
): Promise<TestHost> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-trial-"));
  try {
    const config = configOf({ upstreams: { main: { servers: [upstream.origin] } }, ...parts }, folder);
    const log = createLog({ level: config.log.level, destination: join(folder, "log") });
    return new TestHost(await Host.start(await tried(config, trials, limits), log), folder);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
}

/** As a swap leaves it: a candidate's component is in the store, and known by its digest. */
async function tried(config: Config, trials: Trials, limits: TrialLimits): Promise<Config> {
  const store = new ArtifactStore(config.artifacts);
  try {
    const filters = config.filters.map(async (filter) => {
      const trial = trials[filter.name];
      if (trial === undefined) return filter;
      const { digest } = await store.load(trial.component, undefined);
      return { ...filter, candidate: { ...trial, digest, trial: { ...trial.trial, ...limits } } };
    });
    return { ...config, filters: await Promise.all(filters) };
  } finally {
    await store.close();
  }
}

/** The counts of a filter's trial, once they are as they should be. */
export function counted(
  host: TestHost,
  filter: string,
  what: string,
  enough: (trial: TrialSnapshot) => boolean,
): Promise<TrialSnapshot> {
  return waitFor(`the trial of ${filter}: ${what}`, async () => {
    const found = (await host.host.trialCounts()).find((trial) => trial.filter === filter);
    return found !== undefined && enough(found) && found;
  });
}

/** A filter of one fixture, and a candidate in its shadow. */
export interface Tried {
  readonly fixture: string;
  readonly present: unknown;
  readonly candidate: unknown;
  /** Of the candidate, where it is another one. */
  readonly other?: string;
  readonly options?: object;
  readonly answer?: Answer;
  readonly workers?: number;
  readonly parts?: object;
}

/** A host and an upstream for it. */
export async function shadowed(stage: Stage, tried: Tried): Promise<{ host: TestHost; upstream: Upstream }> {
  const { fixture, present, options = {}, answer, workers = 1, parts = {} } = tried;
  const upstream = stage.use(await Upstream.start(answer));
  const filters = { tried: { component: component(fixture), config: present, ...options } };
  const routes = [{ upstream: "main", filters: ["tried"] }];
  const trials = { tried: candidate(tried.other ?? fixture, tried.candidate, SHADOW) };
  const all = { filters, routes, workers, ...parts };
  return { upstream, host: stage.use(await startTrial(upstream, all, trials)) };
}

/** What was found once so many exchanges have been seen. */
export async function seen(
  host: TestHost,
  count: number,
): Promise<{
  kinds: Partial<Record<DifferenceKind, number>>;
  details: string[];
  different: number;
  failures: number;
}> {
  const trial = await counted(host, "tried", `${count} seen`, (each) => each.candidate.exchanges === count);
  const { kinds, samples, different = 0 } = trial.shadow ?? {};
  return {
    kinds: Object.fromEntries(
      DIFFERENCE_KINDS.map((kind) => [kind, kinds?.[kind]]).filter(([, n]) => n !== 0),
    ),
    details: (samples ?? []).map(({ phase, kind, detail }) => `${phase} ${kind}: ${detail}`),
    different,
    failures: trial.candidate.failures,
  };
}
