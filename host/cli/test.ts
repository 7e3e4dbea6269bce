import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { ConfigError } from "../config/problem.ts";
import { capsuleCase } from "../kit/capsule-case.ts";
import { caseFiles, readCaseFiles } from "../kit/case-file.ts";
import { junit, reportData, resultLines, summaryLine } from "../kit/case-report.ts";
import { type SuiteReport, runSuite } from "../kit/case-suite.ts";
import type { Case } from "../kit/case.ts";
import { placeOf } from "../kit/component-place.ts";
import { Kit } from "../kit/engine.ts";
import { complain, printable } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";
import { recordFileAt } from "./replay.ts";

export interface TestOptions {
  readonly cases?: string | undefined;
  readonly filter?: string | undefined;
  readonly update?: boolean | undefined;
  readonly watch?: boolean | undefined;
  readonly junit?: string | undefined;
  readonly json?: boolean | undefined;
  readonly invariance: boolean;
  readonly artifacts: string;
  /** A capsule. */
  readonly from?: string | undefined;
  readonly o?: string | undefined;
}

/** Runs the cases of a filter, once or whenever they or its component change. */
export async function test(target: string, options: TestOptions): Promise<number> {
  if (options.from !== undefined) return caseFrom(options.from, options.o);
  const kit = new Kit(options.artifacts);
  try {
    if (options.watch === true) return await watched(kit, target, options);
    return await testOnce(kit, target, options);
  } finally {
    await kit.close();
  }
}

/** Never overwrites: a case is edited when it is there. */
async function caseFrom(capsule: string, file: string | undefined): Promise<number> {
  const read = await recordFileAt(capsule);
  if (read === undefined) return FAILED;
  const text = capsuleCase(read);
  if (file === undefined) process.stdout.write(printable(text));
  else {
    mkdirSync(dirname(file), { recursive: true });
    try {
      writeFileSync(file, text, { flag: "wx" });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      say(`sluice: ${file} ${code === "EEXIST" ? "is there already" : `cannot be written: ${code}`}`);
      return FAILED;
    }
    say(`${file} written`);
  }
  return DONE;
}

async function testOnce(kit: Kit, target: string, options: TestOptions): Promise<number> {
  const { component, cases: folder, tried } = placeOf(target, options.cases, process.env["CARGO_TARGET_DIR"]);
  let cases: Case[];
  try {
    cases = readCaseFiles(caseFiles(folder));
  } catch (error) {
    return refused(error, folder);
  }
  const { filter } = options;
  const chosen = filter === undefined ? cases : cases.filter(({ name }) => name.includes(filter));
  if (chosen.length === 0) {
    say(
      `sluice: no case ${filter === undefined ? `in ${folder}` : `whose name has “${filter}” in ${folder}`}`,
    );
    return FAILED;
  }
  if (component === undefined && chosen.some((one) => one.component === null)) {
    say(
      `sluice: no component was found${tried.length === 0 ? "" : ` at ${tried[0]}`}: build it (sluice build), or name it`,
    );
    return FAILED;
  }
  const quiet = options.json === true;
  const report = await runSuite(
    kit,
    chosen,
    { component, update: options.update === true, all: cases, invariance: options.invariance },
    (result) => {
      if (!quiet) process.stdout.write(`${resultLines(result).map(printable).join("\n")}\n`);
    },
  );
  tell(report, options);
  return report.results.every(({ passed }) => passed) ? DONE : FAILED;
}

function tell(report: SuiteReport, { json, junit: file }: TestOptions): void {
  if (file !== undefined) writeFileSync(file, junit(report));
  if (json === true) return void process.stdout.write(`${JSON.stringify(reportData(report), null, 2)}\n`);
  for (const written of report.snapshotsWritten)
    process.stdout.write(`snapshots of ${relative(process.cwd(), written)} written\n`);
  process.stdout.write(`${summaryLine(report)}\n`);
}

/** Until a signal ends it. What changes while cases run is looked at when they have. */
async function watched(kit: Kit, target: string, options: TestOptions): Promise<number> {
  const { component, cases } = placeOf(target, options.cases, process.env["CARGO_TARGET_DIR"]);
  const { watch } = await import("chokidar");
  const watcher = watch([cases, ...(component === undefined ? [] : [component])], {
    ignoreInitial: true,
    awaitWriteFinish: { stabilityThreshold: 100, pollInterval: 20 },
  });
  await new Promise<void>((resolve) => watcher.once("ready", resolve));
  let wake: (() => void) | undefined;
  let pending = true;
  let ended = false;
  watcher.on("all", (_event, path) => {
    // What `--update` writes is no reason to run again.
    if (path.endsWith(".snap.yaml")) return;
    pending = true;
    wake?.();
  });
  const end = (): void => {
    ended = true;
    wake?.();
  };
  process.once("SIGINT", end).once("SIGTERM", end);
  let code = DONE;
  for (;;) {
    if (ended) break;
    if (pending) {
      pending = false;
      kit.forget();
      code = await testOnce(kit, target, options);
      process.stdout.write("\n");
    } else await new Promise<void>((resolve) => (wake = resolve));
  }
  await watcher.close();
  return code;
}

function refused(error: unknown, folder: string): number {
  if (error instanceof ConfigError) complain(error);
  else if (error instanceof AggregateError) for (const one of error.errors) complain(one);
  else if ((error as NodeJS.ErrnoException).code === "ENOENT")
    say(`sluice: ${folder} is not there: cases are looked for in it`);
  else throw error;
  return FAILED;
}

function say(sentence: string): void {
  process.stderr.write(`${printable(sentence)}\n`);
}
