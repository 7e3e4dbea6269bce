import { randomBytes } from "node:crypto";
import type { FilterConfig, Json } from "../config/config.ts";
import { Refusal, type SwapRequest } from "./control.ts";

/** What a filter is with a new version in its place, or beside it when that is only tried. */
export async function swapped(
  present: FilterConfig,
  { component, sha256, config, trial }: SwapRequest,
  take: (filter: FilterConfig) => Promise<string>,
): Promise<FilterConfig> {
  if (present.candidate !== null)
    throw new Refusal("TRIAL_REFUSED", `${present.name} has a trial already: promote it or end it first`);
  const next: FilterConfig = {
    ...present,
    component: component ?? present.component,
    // A pin is of one component, and not of another one that takes its place.
    sha256: sha256 ?? (component === undefined ? present.sha256 : null),
    config: config === undefined ? present.config : (config as Json),
  };
  if (trial === undefined) return next;
  return {
    ...present,
    candidate: {
      component: next.component,
      sha256: next.sha256,
      config: next.config,
      digest: await take(next),
      trial,
      startedAt: Date.now(),
      salt: randomBytes(16).toString("hex"),
    },
  };
}

/** The candidate in the filter's place. */
export function promoted(filter: FilterConfig): { filter: FilterConfig; digest: string } {
  const { candidate } = filter;
  if (candidate === null)
    throw new Refusal("TRIAL_REFUSED", `${filter.name} has no trial that could be promoted`);
  const { component, sha256, config, digest } = candidate;
  return { filter: { ...filter, component, sha256, config: config as Json, candidate: null }, digest };
}
