import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { ConfigError, type Problem } from "../config/problem.ts";
import { Refusal } from "../control/control.ts";
import { Host } from "../host.ts";
import { createLog } from "../ops/log.ts";
import { complain, printable } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";

export interface CheckOptions {
  readonly json?: boolean | undefined;
}

const STANDARD_ERROR = 2;

/** Reads a configuration and loads and configures its filters, as `run` would, and prints what is wrong. */
export async function check(file: string, options: CheckOptions): Promise<number> {
  try {
    const config = loadConfig(file);
    await checkFilters(config);
    if (options.json) print({ ok: true, file, problems: [] });
    else process.stdout.write(`${file}: ${describe(config)}, nothing wrong\n`);
    return DONE;
  } catch (error) {
    const problems = problemsOf(error);
    if (options.json) print({ ok: false, file, problems });
    else if (error instanceof ConfigError) complain(error);
    else for (const { sentence } of problems) process.stderr.write(`${file}: ${printable(sentence)}\n`);
    return FAILED;
  }
}

async function checkFilters(config: Config): Promise<void> {
  // Where a filter panics while it is configured, its last words are in the log.
  const log = createLog({ level: "warn", destination: STANDARD_ERROR });
  try {
    await Host.check(config, log);
  } finally {
    await log.flush();
  }
}

/** Of what is wrong with a filter itself no place in the file is known. */
function problemsOf(
  error: unknown,
): readonly (Problem | { readonly code: string; readonly sentence: string })[] {
  if (error instanceof ConfigError) return error.problems;
  if (error instanceof Refusal) return [{ code: error.code, sentence: error.message }];
  throw error;
}

function describe({ routes, filters, upstreams }: Config): string {
  return [count(routes, "route"), count(filters, "filter"), count(upstreams, "upstream")].join(", ");
}

function count(things: readonly unknown[], noun: string): string {
  return `${things.length} ${noun}${things.length === 1 ? "" : "s"}`;
}

function print(result: unknown): void {
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}
