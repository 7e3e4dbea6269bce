import type { ExchangeQuestion } from "../../host/control/control.ts";
import type { TimelineView } from "../../host/ops/timeline-view.ts";

export const EXCHANGE: TimelineView = {
  requestId: "aB3-_x0",
  worker: 1,
  at: 1,
  durationMs: 12.5,
  route: "api",
  method: "GET",
  path: "/a",
  status: 500,
  requestBytes: 0,
  responseBytes: 15,
  generation: 1,
  failure: { code: "FILTER_TRAPPED", detail: "keys: unreachable" },
  repliedBy: null,
  versions: null,
  steps: [
    {
      kind: "call",
      filter: "keys",
      digest: "0".repeat(64),
      phase: "request",
      startMs: 0.1,
      ms: 0.2,
      fuel: 1_000,
      calls: 1,
      decision: "fail",
      reason: "trap",
      changed: [],
    },
  ],
  more: 0,
};

/** That one, and one that went well. */
export function keptExchanges({ failed, limit }: ExchangeQuestion): readonly TimelineView[] {
  const kept = [EXCHANGE, { ...EXCHANGE, requestId: "fine", failure: null, status: 200 }];
  return kept.filter(({ failure }) => !failed || failure !== null).slice(0, limit);
}
