import type { Case } from "./case.ts";
import { type CaseResult, runCase } from "./case-run.ts";
import { Kit } from "./engine.ts";
import { invarianceOf, sequenceViolations } from "./invariance.ts";
import type { Violation } from "./reruns.ts";
import { Snapshots } from "./snapshot.ts";

export interface SuiteOptions {
  /** The component of cases that name none. */
  readonly component: string | undefined;
  /** Whether snapshots are written instead of compared. */
  readonly update: boolean;
  /** All cases of the files, where only some are run: whose snapshots stay. */
  readonly all?: readonly Case[];
  readonly invariance: boolean;
}

/** One case with all that came of it. */
export interface SuiteResult extends CaseResult {
  readonly violations: readonly Violation[];
  readonly passed: boolean;
}

export interface SuiteReport {
  readonly results: readonly SuiteResult[];
  /** Exchanges that were run for the sake of invariance. */
  readonly runs: number;
  readonly snapshotsWritten: readonly string[];
  readonly ms: number;
}

/** Runs cases one after another; `done` is told of each. */
export async function runSuite(
  kit: Kit,
  cases: readonly Case[],
  options: SuiteOptions,
  done: (result: SuiteResult) => void,
): Promise<SuiteReport> {
  const began = performance.now();
  const snapshots = new Map<string, Snapshots>();
  const plain: CaseResult[] = [];
  for (const one of cases) {
    const kept = snapshots.get(one.file) ?? new Snapshots(one.file);
    snapshots.set(one.file, kept);
    plain.push(await runCase(kit, one, { ...options, snapshots: kept }));
  }
  const { component } = options;
  const sequences = options.invariance
    ? await sequenceViolations(kit, component, plain)
    : new Map<CaseResult, Violation>();
  let runs = 0;
  const results: SuiteResult[] = [];
  for (const result of plain) {
    const violations: Violation[] = [];
    const own = result.case.component ?? component;
    if (options.invariance && own !== undefined) {
      const varied = await invarianceOf(kit, own, result);
      runs += varied.runs;
      violations.push(...varied.violations);
      const sequence = sequences.get(result);
      // Where the same case twice shows it already, another one before it says nothing more.
      if (sequence !== undefined && !violations.some(({ kind }) => kind === "state"))
        violations.push(sequence);
    }
    const passed = result.refused === null && result.differences.length === 0 && violations.length === 0;
    const whole = { ...result, violations, passed };
    results.push(whole);
    done(whole);
  }
  const written = options.update ? writeSnapshots(snapshots, options.all ?? cases) : [];
  return { results, runs, snapshotsWritten: written, ms: performance.now() - began };
}

/** The files that have another content now. */
function writeSnapshots(snapshots: ReadonlyMap<string, Snapshots>, all: readonly Case[]): string[] {
  const names = Map.groupBy(all, ({ file }) => file);
  return Array.from(snapshots, ([file, kept]) =>
    kept.write(new Set(names.get(file)?.map(({ name }) => name))) ? [file] : [],
  ).flat();
}
