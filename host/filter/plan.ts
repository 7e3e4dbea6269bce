import { type BodyMode, FilterFault, type Plan } from "./contract.ts";

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

/** Why this plan is refused, as the end of a sentence; undefined when it is taken. */
export function whyRefused(plan: Plan, bodyBufferedBytesMax: number): string | undefined {
  for (const [name, mode] of [
    ["request", plan.requestBody],
    ["response", plan.responseBody],
  ] as const) {
    if (mode.kind === "buffered" && mode.bytesMax > bodyBufferedBytesMax)
      return `asks for whole ${name} bodies of up to ${mode.bytesMax} bytes; limits.body-buffered-bytes is ${bodyBufferedBytesMax}`;
  }
  return undefined;
}

/** The phases and bodies of a plan, for people. */
export function describe(plan: Plan): string[] {
  const names: string[] = [];
  const name = (wanted: boolean, phase: string): void => {
    if (wanted) names.push(phase);
  };
  name(plan.request, "request");
  name(plan.requestBody.kind !== "none", `request-body ${plan.requestBody.kind}`);
  name(plan.requestTrailers, "request-trailers");
  name(plan.response, "response");
  name(plan.responseBody.kind !== "none", `response-body ${plan.responseBody.kind}`);
  name(plan.responseTrailers, "response-trailers");
  name(plan.end, "end");
  return names;
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
