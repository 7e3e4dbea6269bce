/**
 * Long runs, each bounded, that tests have no time for. Prints progress and figures, and fails when an aim is missed:
 *
 *   npm run soak                      all parts
 *   npm run soak -- bodies takeover   some of them
 *   npm run soak -- --quick           smaller: whether it works, not how well
 */
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { soakBodies } from "./soak/bodies.ts";
import { soakFaults } from "./soak/faults.ts";
import { soakInstances } from "./soak/instances.ts";
import { soakKills } from "./soak/kills.ts";
import { soakSwaps } from "./soak/swaps.ts";
import { soakTakeover } from "./soak/takeover.ts";

/** What a part has found; `missed` says which aim it has not met. */
export interface Finding {
  readonly figures: Readonly<Record<string, string | number>>;
  readonly missed: readonly string[];
}

export type Progress = (sentence: string) => void;

const PARTS: Readonly<Record<string, (quick: boolean, progress: Progress) => Promise<Finding>>> = {
  bodies: soakBodies,
  takeover: soakTakeover,
  faults: soakFaults,
  instances: soakInstances,
  swaps: soakSwaps,
  kills: soakKills,
};

const { values, positionals } = parseArgs({
  options: { quick: { type: "boolean", default: false } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  console.error(`soak: no part ${unknown.join(", ")}; there are ${Object.keys(PARTS).join(", ")}`);
  process.exit(1);
}

console.log(
  `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
);
for (const name of positionals.length > 0 ? positionals : Object.keys(PARTS)) {
  const began = performance.now();
  const since = (): string => `${((performance.now() - began) / 1000).toFixed(0)} s`.padStart(6);
  console.log(`${name}:`);
  const part = PARTS[name] as (typeof PARTS)[string];
  const { figures, missed } = await part(values.quick, (sentence) => console.log(`${since()}  ${sentence}`));
  for (const [what, figure] of Object.entries(figures)) console.log(`        ${what}: ${figure}`);
  for (const sentence of missed) console.log(`MISSED  ${sentence}`);
  if (missed.length > 0) process.exitCode = 1;
}
