import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./report.ts";

/** Brings the filters up to date. What that prints goes to standard error: standard output is the report's. */
export function buildProbe(): void {
  const script = join(ROOT, "scripts", "build-filters.ts");
  const { status } = spawnSync(process.execPath, [script], { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error("the filters did not build");
}
