import type { Config, RouteConfig } from "../config/config.ts";
import { explainRoutes } from "../config/explain.ts";
import { loadConfig } from "../config/load.ts";
import { ConfigError } from "../config/problem.ts";
import { formatMatch } from "../config/resolve.ts";
import type { Explanation } from "../control/control.ts";
import { type AskOptions, asking, printJson } from "./asking.ts";
import { complain, printable } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";
import { paint, table } from "./table.ts";
import { short } from "./wording.ts";

export interface ExplainOptions extends AskOptions {
  /** From the configuration file alone, without a host. */
  readonly offline?: boolean | undefined;
}

/** Says which route a request would take, what it would meet there, and why it would take no other. */
export function explain(method: string, url: string, options: ExplainOptions): Promise<number> {
  // As people type it, a host may come without its scheme.
  const whole = /^(?:https?:\/\/|\/)/i.test(url) ? url : `http://${url}`;
  if (options.offline) return Promise.resolve(explainFile(method, whole, options));
  return asking(options, async (client) => {
    const explanation = await client.explain(method, whole);
    if (options.json) printJson(explanation);
    else process.stdout.write(describe(explanation));
    return DONE;
  });
}

/** What a file alone tells: which artifacts its filters are, and which phases they take, only a host knows. */
function explainFile(method: string, url: string, { c: file = "sluice.yaml", json }: ExplainOptions): number {
  const config = loadOrSay(file, json);
  if (config === undefined) return FAILED;
  const { route, ...rest } = explainRoutes(config.routes, method, url);
  const told = { ...rest, route: route === null ? null : fileRoute(route, config) };
  if (json) printJson({ file, ...told });
  else process.stdout.write(describe(told));
  return DONE;
}

/** Undefined for a file that is refused, which has been said then. */
function loadOrSay(file: string, json = false): Config | undefined {
  try {
    return loadConfig(file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (json) printJson({ code: "CONFIG_REFUSED", detail: `${file} is refused.`, problems: error.problems });
    complain(error);
    return undefined;
  }
}

function fileRoute({ name, match, filters, upstream }: RouteConfig, { upstreams }: Config): FileRoute {
  const servers = upstreams.find((one) => one.name === upstream)?.servers ?? [];
  return {
    name,
    match: formatMatch(match),
    filters: filters.map((filter) => ({ name: filter })),
    upstream,
    servers: servers.map(({ origin }) => origin),
  };
}

interface FileRoute {
  readonly name: string;
  readonly match: string;
  readonly filters: readonly {
    readonly name: string;
    readonly digest?: string;
    readonly phases?: readonly string[];
  }[];
  readonly upstream: string;
  readonly servers: readonly string[];
}

type Told = Pick<Explanation, "canonicalPath" | "considered" | "overlaps"> & {
  readonly route: FileRoute | null;
};

function describe({ route, canonicalPath, considered, overlaps }: Told): string {
  return [
    ...(canonicalPath === "" ? [] : [printable(`path      ${canonicalPath}\n`)]),
    ...(route === null ? [paint("red", "no route takes it\n")] : describeRoute(route)),
    "\n",
    table(
      ["ROUTE", "TAKES IT", "WHY"],
      considered.map(({ name, matches, why }) => [
        name,
        { text: matches ? "yes" : "no", style: name === route?.name ? "green" : "dim" },
        why,
      ]),
    ),
    ...(overlaps.length === 0 ? [] : ["\n", ...overlaps.map((sentence) => `${printable(sentence)}\n`)]),
  ].join("");
}

function describeRoute({ name, match, filters, upstream, servers }: FileRoute): string[] {
  const chain = filters.map(({ name: filter, digest, phases }) => {
    const facts = [...(digest === undefined ? [] : [short(digest)]), ...(phases ?? [])];
    return facts.length === 0 ? filter : `${filter} (${facts.join(", ")})`;
  });
  return [
    `route     ${name}${name.endsWith(match) ? "" : `, ${match}`}`,
    `filters   ${chain.length === 0 ? "none" : chain.join(" → ")}`,
    `upstream  ${upstream}: ${servers.join(", ")}`,
  ].map((line) => `${printable(line)}\n`);
}
