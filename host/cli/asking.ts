import { ConfigError } from "../config/problem.ts";
import { AdminClient } from "../control/admin-client.ts";
import { AdminError } from "../control/admin-address.ts";
import type { ChangeResult } from "../control/control.ts";
import { type AdminTarget, findAdmin } from "./admin-target.ts";
import { complain, printable } from "./complaint.ts";
import { type CredentialOptions, readToken } from "./credential.ts";
import { FAILED } from "./exit-code.ts";
import { count } from "./wording.ts";

/** What every command takes that asks a running host. */
export interface AskOptions extends AdminTarget, CredentialOptions {
  readonly ifGeneration?: number | undefined;
  readonly json?: boolean | undefined;
}

/**
 * Has a command ask a running host, and gives its exit code. Under `--json` a failure is a document on standard output like
 * any result: scripts look for its code, and people read the sentence on standard error.
 *
 * `file` is whose text is asked about; without it problems are in the host's own file.
 */
export async function asking(
  options: AskOptions,
  ask: (client: AdminClient) => Promise<number>,
  file?: string,
): Promise<number> {
  let client: AdminClient | undefined;
  try {
    const { ifGeneration } = options;
    client = new AdminClient(await findAdmin(options), { token: readToken(options), ifGeneration });
    return await ask(client);
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    const { code = null, message: detail, problems } = error;
    if (options.json) printJson({ code, detail, ...(problems.length > 0 && { problems }) });
    if (problems.length === 0) throw error;
    complain(new ConfigError(file ?? (await fileOf(client)), problems));
    return FAILED;
  } finally {
    await client?.close();
  }
}

export function printJson(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

/** Says what a change has come to. */
export function printChange(result: ChangeResult, { json }: AskOptions): void {
  if (json) printJson(result);
  else process.stdout.write(printable(describeChange(result)));
}

function describeChange({ generation, durationMs, changes }: ChangeResult): string {
  if (changes.length === 0) return `nothing has changed: generation ${generation}\n`;
  const head = `generation ${generation}, ${count(changes.length, "change")}, ${Math.round(durationMs)} ms`;
  return [head, ...changes.map((change) => `  ${change}`)].map((line) => `${line}\n`).join("");
}

/** The configuration file as the host calls it. */
async function fileOf(client: AdminClient | undefined): Promise<string> {
  const status = await client?.status().catch(() => undefined);
  return status?.file.path ?? "configuration";
}
