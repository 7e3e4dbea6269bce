import type { FilterConfig, HostTimeouts, Limits } from "../config/config.ts";
import type { FilterSettings } from "./filter.ts";
import { grantsOf } from "./grants.ts";

/** What the configuration makes of one filter. */
export function settingsOf(entry: FilterConfig, limits: Limits, timeouts: HostTimeouts): FilterSettings {
  return {
    name: entry.name,
    config: JSON.stringify(entry.config),
    onFailure: entry.onFailure,
    environment: entry.grant.env,
    granted: grantsOf(entry.grant),
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
