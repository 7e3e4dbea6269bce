import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { ConfigError } from "../config/problem.ts";
import { complain } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";

export interface CheckOptions {
  readonly json?: boolean | undefined;
}

/** Reads a configuration as `run` would, and prints everything that is wrong with it. */
export async function check(file: string, options: CheckOptions): Promise<number> {
  let config: Config;
  try {
    config = await loadConfig(file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (options.json) print({ ok: false, file: error.file, problems: error.problems });
    else complain(error);
    return FAILED;
  }
  if (options.json) print({ ok: true, file, problems: [] });
  else process.stdout.write(`${file}: ${describe(config)}, nothing wrong\n`);
  return DONE;
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
