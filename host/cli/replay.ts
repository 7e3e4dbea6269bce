import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Json } from "../config/config.ts";
import { ArtifactRefused, ConfigRefused } from "../filter/contract.ts";
import { placeOf } from "../kit/component-place.ts";
import { Kit } from "../kit/engine.ts";
import { replaySettings } from "../kit/replay-host.ts";
import { Replay, type ReplayDifference, type ReplayReport, requestOf } from "../kit/replay.ts";
import { RecordRefused } from "../record/record-pieces.ts";
import { type RecordFile, readRecordFile } from "../record/record-reader.ts";
import { printJson } from "./asking.ts";
import { printable } from "./complaint.ts";
import { DIFFERS, DONE, FAILED } from "./exit-code.ts";
import { LiveLine } from "./live-line.ts";
import { count, short, time } from "./wording.ts";

export interface ReplayOptions {
  readonly filter?: string | undefined;
  readonly against?: string | undefined;
  readonly config?: string | undefined;
  readonly diff?: boolean | undefined;
  readonly json?: boolean | undefined;
  readonly artifacts: string;
}

/** Plays what was recorded to a component; exits with 2 where it does something else. */
export async function replay(file: string, options: ReplayOptions): Promise<number> {
  const read = await recordFileAt(file);
  if (read === undefined) return FAILED;
  const component = componentOf(options);
  if (component === undefined)
    return refuse("no component was found: build it (sluice build), or name it with --filter or --against");
  const kit = new Kit(options.artifacts);
  try {
    const config = options.config === undefined ? read.header.config : configOf(options.config);
    const played = await Replay.load(kit, component, read, replaySettings(read.header, config));
    try {
      return read.failure === undefined
        ? await compare(read, played, component, options)
        : await reproduce(read, read.failure, played, component, options);
    } finally {
      played.close();
    }
  } catch (error) {
    if (error instanceof RecordRefused) return refuse(`${file}: ${error.message}`);
    if (error instanceof ArtifactRefused || error instanceof ConfigRefused) return refuse(error.message);
    if (error instanceof SyntaxError) return refuse(`--config is no JSON: ${error.message}`);
    throw error;
  } finally {
    await kit.close();
  }
}

/** Undefined when it cannot be read; standard error says why. */
export async function recordFileAt(file: string): Promise<RecordFile | undefined> {
  try {
    return readRecordFile(await readFile(file, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!(error instanceof RecordRefused) && code === undefined) throw error;
    refuse(`${file}: ${error instanceof RecordRefused ? error.message : `it cannot be read: ${code}`}`);
    return undefined;
  }
}

async function compare(
  { header, count: total, end }: RecordFile,
  played: Replay,
  component: string,
  { diff, json }: ReplayOptions,
): Promise<number> {
  const line = new LiveLine();
  let shownAt = performance.now();
  const report = await played.run({
    shownMax: diff === true ? ALL_SHOWN_MAX : SHOWN_MAX,
    progress: (done) => {
      if (performance.now() - shownAt < SHOW_EVERY_MS) return;
      shownAt = performance.now();
      line.show(`${bar(done / total)} ${done} of ${total}`);
    },
  });
  line.clear();
  const result = {
    ...report,
    filter: header.filter,
    recorded: header.digest,
    played: played.digest,
    component,
  };
  if (json === true) printJson({ ...result, end: end ?? null });
  else process.stdout.write(printable(`${reportLines(result).join("\n")}\n`));
  return report.different > 0 ? DIFFERS : DONE;
}

function reportLines(
  report: ReplayReport & { filter: string; recorded: string; played: string; component: string },
): string[] {
  const { exchanges, different, partly, uncompared, kinds, differences, ms } = report;
  const same = exchanges - different - uncompared;
  const versions =
    report.recorded === report.played
      ? short(report.played)
      : `${short(report.played)} against ${short(report.recorded)}`;
  const lines = [
    `${report.filter} (${versions}): ${count(exchanges, "exchange")}, ${same} the same, ${different} different (${time(ms)})`,
  ];
  if (partly > 0) lines.push(`  ${partly} compared in part: bodies were left out, or too long`);
  if (uncompared > 0) lines.push(`  ${uncompared} not compared: what the filter decided was not recorded`);
  for (const [kind, number] of Object.entries(kinds)) lines.push(`  ${kind}: ${number}`);
  for (const difference of differences) lines.push("", ...differenceLines(difference));
  const all = Object.values(kinds).reduce((sum, number) => sum + number, 0);
  if (all > differences.length) lines.push("", `${all - differences.length} more: --diff tells them`);
  return lines;
}

function differenceLines({ exchange, request, message, kind, detail, lines }: ReplayDifference): string[] {
  return [
    `exchange ${exchange}, ${request}`,
    `  ${message}, ${kind}: ${detail}`,
    ...lines.map((line) => `    ${line}`),
  ];
}

async function reproduce(
  file: RecordFile,
  recorded: NonNullable<RecordFile["failure"]>,
  played: Replay,
  component: string,
  { json }: ReplayOptions,
): Promise<number> {
  const { header } = file;
  const failure = await played.failure();
  const reproduced = failure?.reason === recorded.reason;
  if (json === true) {
    printJson({
      filter: header.filter,
      component,
      recorded,
      failure: failure ?? null,
      reproduced,
      same: header.digest === played.digest,
    });
  } else {
    const lines = [
      `${header.filter} (${short(header.digest)}) has failed (${recorded.reason}) in generation ${header.generation}: ${requestOf(file.record(0))}`,
      ...recorded.stack.map((place) => `    ${place}`),
      failure === undefined
        ? `${short(played.digest)} does not fail`
        : `${short(played.digest)} ${reproduced ? "fails so, too" : `fails otherwise (${failure.reason})`}: ${failure.detail}`,
      ...(failure?.stack ?? []).map((place) => `    ${place}`),
    ];
    process.stdout.write(printable(`${lines.join("\n")}\n`));
  }
  return reproduced ? DONE : DIFFERS;
}

function componentOf({ filter, against }: ReplayOptions): string | undefined {
  const named = against ?? filter;
  return named === undefined
    ? placeOf(".", undefined, process.env["CARGO_TARGET_DIR"]).component
    : resolve(named);
}

/** JSON, or `@` and a file with it. */
function configOf(text: string): Json {
  return JSON.parse(text.startsWith("@") ? readFileSync(text.slice(1), "utf8") : text) as Json;
}

function bar(share: number): string {
  const done = Math.round(share * BAR_LENGTH);
  return `[${"=".repeat(done)}${" ".repeat(BAR_LENGTH - done)}]`;
}

function refuse(sentence: string): number {
  process.stderr.write(`sluice: ${printable(sentence)}\n`);
  return FAILED;
}

const SHOWN_MAX = 10;
const ALL_SHOWN_MAX = 100_000;
const SHOW_EVERY_MS = 50;
const BAR_LENGTH = 30;
