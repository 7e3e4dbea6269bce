import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../host/config/config.ts";
import { Host } from "../../host/host.ts";
import { createLog } from "../../host/ops/log.ts";
import type { TrialSnapshot } from "../../host/ops/trial-meter.ts";
import { type Candidate, TRIAL_DEFAULTS, type TrialKey, type TrialRequest } from "../../host/trial/trial.ts";
import { component, type ConfigParts, configOf, TestHost } from "../support/test-host.ts";
import type { Upstream } from "../support/upstream.ts";
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

/** A host in front of one upstream, whose generation has these trials. */
export async function startTrial(upstream: Upstream, parts: ConfigParts, trials: Trials): Promise<TestHost> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-trial-"));
  try {
    const config = configOf({ upstreams: { main: { servers: [upstream.origin] } }, ...parts }, folder);
    const log = createLog({ level: config.log.level, destination: join(folder, "log") });
    return new TestHost(await Host.start(tried(config, trials), log), folder);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
}

function tried(config: Config, trials: Trials): Config {
  return {
    ...config,
    filters: config.filters.map((filter) => ({ ...filter, candidate: trials[filter.name] ?? null })),
  };
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
