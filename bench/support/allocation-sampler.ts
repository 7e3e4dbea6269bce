/**
 * Loaded into Sluice before its own code, by `bench/allocations.ts`: samples what a data worker allocates, also what is
 * collected at once, and writes it to the file that SLUICE_ALLOCATIONS names.
 */
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";
import { isMainThread, workerData } from "node:worker_threads";

/** Since the worker's start; the load goes on for longer. */
const WARM_MS = 6_000;
const SAMPLE_MS = 4_000;

const path = process.env["SLUICE_ALLOCATIONS"] ?? "";
// Other threads have no vitals.
if (
  !isMainThread &&
  path !== "" &&
  typeof workerData === "object" &&
  workerData !== null &&
  "vitals" in workerData
) {
  const session = new Session();
  session.connect();
  setTimeout(() => {
    session.post("HeapProfiler.startSampling", {
      samplingInterval: 8_192,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    setTimeout(() => {
      session.post("HeapProfiler.stopSampling", (error, result) => {
        writeFileSync(path, JSON.stringify(error ?? result.profile));
      });
    }, SAMPLE_MS).unref();
  }, WARM_MS).unref();
}
