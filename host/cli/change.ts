import type { LogLevel } from "../config/config.ts";
import type { AdminClient } from "../control/admin-client.ts";
import { AdminError } from "../control/admin-address.ts";
import type { ChangeResult } from "../control/control.ts";
import { type AskOptions, asking, printChange, printJson } from "./asking.ts";
import { DONE } from "./exit-code.ts";
import { withProgress } from "./live-line.ts";

/** Changes of what runs that are one question each. */

/** The host reads its file again. */
export function reload(options: AskOptions): Promise<number> {
  return change(options, "reading the configuration again", (client) => client.apply());
}

export function promote(filter: string, options: AskOptions): Promise<number> {
  return change(options, `promoting the candidate of ${filter}`, (client) => client.promote(filter));
}

export interface RollbackOptions extends AskOptions {
  /** The filter whose trial ends. */
  readonly trial?: string | undefined;
}

/** Back to a generation, to the one before, or out of a filter's trial. */
export function rollback(generation: number | undefined, options: RollbackOptions): Promise<number> {
  const { trial } = options;
  return change(options, "rolling back", (client) => {
    if (trial === undefined) return client.rollback(generation);
    if (generation === undefined) return client.endTrial(trial);
    throw new AdminError("A rollback is to a GENERATION or of a --trial: they exclude each other.");
  });
}

export interface DrainOptions extends AskOptions {
  readonly undo?: boolean | undefined;
}

export function drain(upstream: string, server: string, options: DrainOptions): Promise<number> {
  const what = options.undo ? `giving ${server} exchanges again` : `draining ${server}`;
  return change(options, what, (client) => client.drainServer(upstream, server, !options.undo));
}

export function setWeight(
  upstream: string,
  server: string,
  weight: number,
  options: AskOptions,
): Promise<number> {
  return change(options, `weighting ${server}`, (client) => client.setWeight(upstream, server, weight));
}

/** Shows the level of the log, or sets it. */
export function logLevel(level: LogLevel | undefined, options: AskOptions): Promise<number> {
  return asking(options, async (client) => {
    const found = level === undefined ? await client.logLevel() : await client.setLogLevel(level);
    if (options.json) printJson({ level: found });
    else process.stdout.write(`${found}\n`);
    return DONE;
  });
}

function change(
  options: AskOptions,
  what: string,
  ask: (client: AdminClient) => Promise<ChangeResult>,
): Promise<number> {
  return asking(options, async (client) => {
    printChange(await withProgress(what, ask(client)), options);
    return DONE;
  });
}
