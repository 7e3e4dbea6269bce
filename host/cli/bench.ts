import { writeFileSync } from "node:fs";
import { ConfigError } from "../config/problem.ts";
import { ArtifactRefused, ConfigRefused } from "../filter/contract.ts";
import {
  bench as measure,
  type CaseCost,
  type Excess,
  excesses,
  Measured,
  type PhaseCost,
} from "../kit/bench.ts";
import type { Case } from "../kit/case.ts";
import { caseFiles, readCaseFiles } from "../kit/case-file.ts";
import { settingsOf } from "../kit/case-run.ts";
import { placeOf } from "../kit/component-place.ts";
import { Kit } from "../kit/engine.ts";
import { profiled, UNNAMED } from "../kit/profile.ts";
import { complain, printable } from "./complaint.ts";
import { DIFFERS, DONE, FAILED } from "./exit-code.ts";

export interface BenchOptions {
  readonly cases?: string | undefined;
  readonly filter?: string | undefined;
  readonly against?: string | undefined;
  readonly budget?: string | undefined;
  readonly time: string;
  readonly profile?: string | undefined;
  readonly json?: boolean | undefined;
  readonly artifacts: string;
}

/** Measures what the cases of a filter cost; exits with 2 where that is more than the budget allows. */
export async function bench(target: string, options: BenchOptions): Promise<number> {
  const wrong = whyNot(options);
  if (wrong !== undefined) return refuse(wrong);
  const kit = new Kit(options.artifacts);
  try {
    return await measured(kit, target, options);
  } catch (error) {
    if (error instanceof ConfigError) complain(error);
    else if (error instanceof AggregateError) for (const one of error.errors) complain(one);
    else if (error instanceof ArtifactRefused || error instanceof ConfigRefused) return refuse(error.message);
    else throw error;
    return FAILED;
  } finally {
    await kit.close();
  }
}

async function measured(kit: Kit, target: string, options: BenchOptions): Promise<number> {
  const { component, cases: folder } = placeOf(target, options.cases, process.env["CARGO_TARGET_DIR"]);
  if (component === undefined) return refuse("no component was found: build it (sluice build), or name it");
  let files: string[];
  try {
    files = caseFiles(folder);
  } catch {
    return refuse(`${folder} is not there: cases are looked for in it`);
  }
  const { filter } = options;
  const cases = readCaseFiles(files).filter(({ name }) => filter === undefined || name.includes(filter));
  if (cases.length === 0) return refuse(`no case was found in ${folder}`);
  const { against, json, profile } = options;
  const print = (cost: CaseCost): void => {
    if (json !== true) process.stdout.write(`${printable(costLines(cost).join("\n"))}\n\n`);
  };
  const costs = await measure(kit, cases, { component, against, ms: Number(options.time) }, print);
  const over = options.budget === undefined ? [] : excesses(costs, Number.parseFloat(options.budget) / 100);
  if (json === true) process.stdout.write(`${JSON.stringify({ cases: costs, over }, null, 2)}\n`);
  else for (const one of over) process.stdout.write(`over the budget: ${printable(excessLine(one))}\n`);
  if (profile !== undefined) await writeProfile(kit, component, cases, profile, Number(options.time));
  return over.length > 0 ? DIFFERS : DONE;
}

/** All cases in turn. The functions are named by the component of the first one. */
async function writeProfile(
  kit: Kit,
  component: string,
  cases: readonly Case[],
  file: string,
  ms: number,
): Promise<void> {
  const [first] = cases as [Case];
  const loaded = await kit.filter(first.component ?? component, settingsOf(first));
  const all = await Promise.all(cases.map((one) => Measured.load(kit, one.component ?? component, one)));
  const profile = await profiled(loaded, async () => {
    for (const one of all) await one.run(ms);
  });
  writeFileSync(file, JSON.stringify(profile));
  const ofFilter = profile.nodes.filter(
    ({ callFrame }) => callFrame.url !== "" && !callFrame.url.startsWith("file:"),
  );
  const unnamed = ofFilter.filter(({ callFrame }) => callFrame.functionName.startsWith(UNNAMED));
  // A few are the meter's own, which nobody has named.
  const hint =
    unnamed.length * 2 > ofFilter.length
      ? ": its functions have no names, which a .debug.wasm beside the component would give them"
      : "";
  process.stderr.write(`${printable(`${file} written${hint}`)}\n`);
}

function whyNot({ budget, against, time }: BenchOptions): string | undefined {
  if (budget !== undefined && !/^\d+(\.\d+)?%$/.test(budget))
    return `expected a budget like 10%, got ${budget}`;
  if (budget !== undefined && against === undefined)
    return "a budget needs --against: something to be compared with";
  if (!/^\d+$/.test(time) || Number(time) < 1) return `expected milliseconds, got ${time}`;
  return undefined;
}

function costLines({ name, exchanges, phases, against }: CaseCost): string[] {
  const head = ["", "time median", "p99", "fuel median", "p99", "memory"];
  const rows = phases.map((cost) =>
    row(
      cost,
      against?.find(({ phase }) => phase === cost.phase),
    ),
  );
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((cells) => (cells[at] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join("  ");
  return [
    `${name} (${exchanges} exchanges)`,
    ...[head, ...rows].map((cells) => `  ${line(cells)}`.trimEnd()),
  ];
}

function row({ phase, timeUs, fuel, memoryBytes }: PhaseCost, old: PhaseCost | undefined): string[] {
  return [
    phase,
    `${timeUs.median.toFixed(2)} µs${change(old?.timeUs.median, timeUs.median)}`,
    `${timeUs.p99.toFixed(2)} µs`,
    `${fuel.median}${change(old?.fuel.median, fuel.median)}`,
    String(fuel.p99),
    `${Math.round(memoryBytes / 1024)} KiB${change(old?.memoryBytes, memoryBytes)}`,
  ];
}

function change(before: number | undefined, now: number): string {
  if (before === undefined) return "";
  if (before === 0) return " (new)";
  const percent = (now / before - 1) * 100;
  return ` (${percent < 0 ? "" : "+"}${percent.toFixed(1)}%)`;
}

function excessLine({ case: name, phase, what, before, now }: Excess): string {
  return `${what} of ${phase} in “${name}”: ${before.toFixed(2)} before, ${now.toFixed(2)} now${change(before, now)}`;
}

function refuse(sentence: string): number {
  process.stderr.write(`sluice: ${printable(sentence)}\n`);
  return FAILED;
}
