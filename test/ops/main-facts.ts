import type { MainFacts } from "../../host/ops/host-samples.ts";

/** What the main thread tells of a host that has done nothing yet. */
export const IDLE_FACTS: MainFacts = {
  version: "0.1.0",
  generation: 1,
  generationsDrained: 0,
  draining: false,
  swapsOk: 0,
  swapsRefused: 0,
  reloadsOk: 0,
  reloadsRefused: 0,
  fileValid: true,
  slos: [],
  connectionsRefused: 0,
  workerRestarts: 0,
  recorded: { written: 0, dropped: 0 },
  capsules: { written: 0, dropped: 0 },
  logLinesDropped: 0,
  spans: { sent: 0, full: 0, failed: 0 },
};
