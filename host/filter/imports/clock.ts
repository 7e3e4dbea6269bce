import type { Services } from "../services.ts";
import type { CoreImports } from "./core.ts";

export function coreClock(services: Services): CoreImports {
  return {
    "sluice:filter/clock@0.1.0": {
      "now-ns": () => services.time.wallNs,
      "monotonic-ns": () => services.time.monotonicNs,
    },
  };
}

export function referenceClock(services: Services): Record<string, Record<string, unknown>> {
  return {
    "sluice:filter/clock": {
      nowNs: () => services.time.wallNs,
      monotonicNs: () => services.time.monotonicNs,
    },
  };
}
