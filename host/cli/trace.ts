import type { Config } from "../config/config.ts";
import { parseDuration } from "../config/units.ts";
import { AdminError } from "../control/admin-address.ts";
import { type AskOptions, asking, printJson } from "./asking.ts";
import { DONE } from "./exit-code.ts";
import { describeExchanges, describeTimeline } from "./trace-view.ts";

export interface TraceOptions extends AskOptions {
  readonly failed?: boolean | undefined;
  readonly route?: string | undefined;
  readonly filter?: string | undefined;
  readonly limit?: number | undefined;
  /** Prints a debug header instead of asking. */
  readonly sign?: boolean | undefined;
  readonly for?: number | undefined;
}

/** Says what happened in one exchange, or lists those that are kept; or makes the header that has one kept. */
export function trace(id: string | undefined, options: TraceOptions): Promise<number> {
  const { failed = false, route, filter, limit = LIMIT_DEFAULT } = options;
  if (options.sign) return sign(options);
  if (options.for !== undefined) throw new AdminError("--for is for --sign: how long the header counts.");
  if (id === undefined) {
    return asking(options, async (client) => {
      const found = await client.exchanges({ failed, route, filter, limit });
      if (options.json) printJson(found);
      else process.stdout.write(describeExchanges(found, Date.now()));
      return DONE;
    });
  }
  if (failed || route !== undefined || filter !== undefined || options.limit !== undefined)
    throw new AdminError("--failed, --route, --filter and --limit are for the list: give no id with them.");
  return asking(options, async (client) => {
    const found = await client.exchange(idIn(id));
    if (options.json) printJson(found);
    else process.stdout.write(describeTimeline(found));
    return DONE;
  });
}

/** How long a header counts whose maker has said nothing. */
const SIGNED_MS = parseDuration("1h") as number;

/** As many as fit on a screen. */
const LIMIT_DEFAULT = 20;

/** The id may come with the name of its field, as it is copied from a response. */
function idIn(text: string): string {
  return text.replace(/^x-request-id:\s*/i, "").trim();
}

/** The key is where the host's configuration says that it is: nobody is asked. */
async function sign({
  c: file = "sluice.yaml",
  for: forMs = SIGNED_MS,
  json,
}: TraceOptions): Promise<number> {
  const { loadConfig } = await import("../config/load.ts");
  const expiresAt = Date.now() + forMs;
  const { DEBUG_HEADER, signDebug } = await import("../ops/debug-signature.ts");
  const value = signDebug(await keyOf(loadConfig(file), file), expiresAt);
  if (json) printJson({ header: DEBUG_HEADER, value, expiresAt });
  else process.stdout.write(`${DEBUG_HEADER}: ${value}\n`);
  return DONE;
}

async function keyOf(config: Config, file: string): Promise<Uint8Array> {
  const { readDebugKey } = await import("../config/secret-source.ts");
  const key = readDebugKey(config);
  if (key !== null) return key;
  throw new AdminError(
    `${file} has no timelines.debug, the name of the secret that debug headers are signed with.`,
  );
}
