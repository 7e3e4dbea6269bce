import type { FailureCode } from "./failure.ts";
import type { BodyMode } from "./filter/contract.ts";
import type { Filter } from "./filter/filter.ts";
import type { HeldBody } from "./held-body.ts";
import { type FilterPhase, PHASE } from "./ops/meter.ts";

/** One of the two ways through a chain. */
export interface Way {
  readonly inward: boolean;
  readonly head: FilterPhase;
  readonly body: FilterPhase;
  readonly trailers: FilterPhase;
  /** Bits of phases. */
  readonly headPhase: number;
  readonly bodyPhases: number;
  readonly phases: number;
  readonly tooLarge: FailureCode;
}

export const REQUEST_WAY: Way = way(
  true,
  PHASE.request,
  PHASE["request-body"],
  PHASE["request-trailers"],
  "FILTER_BODY_TOO_LARGE",
);

export const RESPONSE_WAY: Way = way(
  false,
  PHASE.response,
  PHASE["response-body"],
  PHASE["response-trailers"],
  "FILTER_RESPONSE_TOO_LARGE",
);

/** A filter, as a message comes by. */
export interface Stage {
  readonly at: number;
  readonly filter: Filter;
  /** Whether its head phase is still to come. */
  head: boolean;
  mode: BodyMode["kind"];
  readonly bytesMax: number;
  trailers: boolean;
  /** What it holds back. */
  held: HeldBody | undefined;
  /** It has been told which chunk is the last. */
  told: boolean;
}

export function stageOf(filter: Filter, at: number, inward: boolean): Stage {
  const { plan } = filter;
  const body = inward ? plan.requestBody : plan.responseBody;
  return {
    at,
    filter,
    head: inward ? plan.request : plan.response,
    mode: body.kind,
    bytesMax: body.kind === "buffered" ? body.bytesMax : 0,
    trailers: inward ? plan.requestTrailers : plan.responseTrailers,
    held: undefined,
    told: false,
  };
}

function way(
  inward: boolean,
  head: FilterPhase,
  body: FilterPhase,
  trailers: FilterPhase,
  tooLarge: FailureCode,
): Way {
  const headPhase = 1 << head;
  const bodyPhases = (1 << body) | (1 << trailers);
  return { inward, head, body, trailers, headPhase, bodyPhases, phases: headPhase | bodyPhases, tooLarge };
}
