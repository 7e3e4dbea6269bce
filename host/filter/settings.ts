import type { FilterConfig, GrantConfig, HostTimeouts, Limits } from "../config/config.ts";
import type { FilterSettings } from "./filter.ts";
import type { GrantName } from "./grants.ts";

/** What the configuration makes of one filter. */
export function settingsOf(entry: FilterConfig, limits: Limits, timeouts: HostTimeouts): FilterSettings {
  return {
    name: entry.name,
    config: JSON.stringify(entry.config),
    onFailure: entry.onFailure,
    environment: entry.grant.env,
    granted: granted(entry.grant),
    limits: {
      ...limits,
      fuel: entry.limits.fuel,
      waitMs: timeouts.instanceWaitMs,
      instanceIdleMs: timeouts.instanceIdleMs,
      httpMs: timeouts.httpMs,
    },
    quarantine: entry.quarantine,
  };
}

function granted(grant: GrantConfig): GrantName[] {
  const given: Readonly<Record<GrantName, boolean>> = {
    log: grant.log,
    "exchange-facts": grant.exchangeFacts,
    clock: grant.clock,
    random: grant.random,
    metrics: grant.metrics,
    store: grant.store !== null,
    "rate-limit": grant.rateLimit !== null,
    secrets: grant.secrets !== null,
    http: grant.http !== null,
  };
  return (Object.keys(given) as GrantName[]).filter((name) => given[name]);
}
