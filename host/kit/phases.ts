import { basename, resolve } from "node:path";
import { parseConfig } from "../config/parse.ts";
import { ConfigError } from "../config/problem.ts";
import { Refusal } from "../control/control.ts";
import type { GrantName, NeededGrant } from "../filter/grants.ts";
import { Host } from "../host.ts";
import { createLog } from "../ops/log.ts";

/** The phases that a filter asks for. They follow from its configuration, so that without one they may not be known. */
export type Phases =
  | { readonly known: true; readonly phases: readonly string[] }
  /** Why not, as a sentence without its full stop. */
  | { readonly known: false; readonly why: string };

/**
 * Configures a filter in a host that has nothing else and serves nothing, and tells the phases of its plan. It is granted what it
 * imports; there are no upstreams that it could ask, and no secrets. `artifacts` is where its transpiled form is kept.
 */
export async function phasesOf(
  file: string,
  grants: readonly NeededGrant[],
  config: unknown,
  artifacts: string,
): Promise<Phases> {
  const name = filterNameOf(file);
  const grant = Object.fromEntries(grants.map((needed) => [needed.grant, NOTHING[needed.grant] ?? true]));
  const text = JSON.stringify({
    listen: ["127.0.0.1:0"],
    admin: false,
    artifacts,
    upstreams: { nobody: { servers: ["http://127.0.0.1:9"] } },
    filters: { [name]: { component: resolve(file), grant, ...(config !== undefined && { config }) } },
    routes: [{ filters: [name], upstream: "nobody" }],
  });
  // A panic's message is in the log.
  const log = createLog({ level: "warn", destination: STANDARD_ERROR });
  try {
    const [prepared] = await Host.check(parseConfig(text, file, {}), log);
    return { known: true, phases: prepared?.phases ?? [] };
  } catch (error) {
    // A config that the filter never gets: of a variable in it nothing is known here.
    if (error instanceof ConfigError)
      return { known: false, why: error.problems[0]?.sentence ?? error.message };
    if (!(error instanceof Refusal)) throw error;
    const hint = config === undefined ? "; it was given none, which --config does" : "";
    return { known: false, why: error.message + hint };
  } finally {
    await log.flush();
  }
}

const STANDARD_ERROR = 2;

/** The import, and nothing that can be reached through it. */
const NOTHING: Readonly<Partial<Record<GrantName, unknown>>> = { http: [], secrets: [] };

/** The name that a filter has in messages here: its file's. */
function filterNameOf(file: string): string {
  const name = basename(resolve(file))
    .replace(/(\.debug)?(\.wasm)?$/, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9_.-]/g, "-");
  return /^[a-z0-9]/.test(name) ? name.slice(0, 63) : "filter";
}
