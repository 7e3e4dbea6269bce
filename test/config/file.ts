import type { Config } from "../../host/config/config.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { ConfigError } from "../../host/config/problem.ts";
import type { Variables } from "../../host/config/substitution.ts";

/** The least that a file must say; whatever a test is about comes on top. */
export const MINIMAL = `\
listen: ["127.0.0.1:8080"]
upstreams:
  api: { servers: ["http://127.0.0.1:9000"] }
routes:
  - upstream: api
`;

export function parse(text: string, variables: Variables = {}): Config {
  return parseConfig(text, "/etc/sluice/sluice.yaml", variables);
}

/** The lines of the error that a text is refused with; none when it is accepted. */
export function complaints(text: string, variables: Variables = {}): string[] {
  try {
    parseConfig(text, "sluice.yaml", variables);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
}

/** What is wrong with one more line below the smallest file; that line is the file's sixth. */
export function wrongWith(line: string): string[] {
  return complaints(MINIMAL + line);
}

/** What is wrong with a filter that has this beside its component, from line 9 on. */
export function wrongWithFilter(lines: string): string[] {
  return wrongWith(`filters:\n  keys:\n    component: keys.wasm\n${lines}`);
}

/** What is wrong with these routes, from line 6 on. */
export function wrongWithRoutes(lines: string): string[] {
  return complaints(
    `${MINIMAL.slice(0, MINIMAL.indexOf("routes:"))}filters: { keys: { component: k.wasm } }\nroutes:\n${lines}`,
  );
}
