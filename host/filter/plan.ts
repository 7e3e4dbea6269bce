import { type BodyMode, FilterFault, type Plan } from "./contract.ts";

/** WIT `filter.phases`, by bit. */
export const PHASES = ["request", "request-trailers", "response", "response-trailers", "end"] as const;

/** A `filter.plan` as the canonical ABI hands it over. */
export function planOf(phases: number, requestBody: RawBody, responseBody: RawBody): Plan {
  return {
    request: (phases & 1) !== 0,
    requestTrailers: (phases & 2) !== 0,
    response: (phases & 4) !== 0,
    responseTrailers: (phases & 8) !== 0,
    end: (phases & 16) !== 0,
    requestBody: bodyMode(requestBody),
    responseBody: bodyMode(responseBody),
  };
}

/** What of a plan this host does not offer yet, by the contract's names; empty when it offers all. */
export function notOffered(plan: Plan): string[] {
  const missing: string[] = [];
  if (plan.requestTrailers) missing.push("phase request-trailers");
  if (plan.responseTrailers) missing.push("phase response-trailers");
  if (plan.requestBody.kind !== "none") missing.push(`request-body ${plan.requestBody.kind}`);
  if (plan.responseBody.kind !== "none") missing.push(`response-body ${plan.responseBody.kind}`);
  return missing;
}

/** The phases and bodies of a plan, for people. */
export function describe(plan: Plan): string[] {
  const flags = [plan.request, plan.requestTrailers, plan.response, plan.responseTrailers, plan.end];
  return PHASES.filter((_, bit) => flags[bit]);
}

interface RawBody {
  readonly tag: number;
  readonly bytesMax: number;
}

function bodyMode({ tag, bytesMax }: RawBody): BodyMode {
  if (tag === 0) return { kind: "none" };
  if (tag === 1) return { kind: "stream" };
  if (tag === 2) return { kind: "buffered", bytesMax };
  throw new FilterFault(`${tag} is no case of a body mode`);
}
