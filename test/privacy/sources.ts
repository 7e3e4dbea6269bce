import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Agent, request } from "undici";
import { PATIENCE_MS } from "../support/waiting.ts";

/** Where something may be written down, and what is there. */
export type Sources = Map<string, string>;

/** Values for the parameters in paths of the admin API, by the parameter; where none is known, the test says so. */
export type Parameters = Readonly<Record<string, readonly string[]>>;

interface Description {
  readonly paths: Readonly<Record<string, { readonly get?: object }>>;
}

/** What every GET endpoint answers that the API's own description names: a new one is among them by itself. */
export async function adminAnswers(socketPath: string, parameters: Parameters): Promise<Sources> {
  const agent = new Agent({ connect: { socketPath }, bodyTimeout: PATIENCE_MS, headersTimeout: PATIENCE_MS });
  try {
    const { body } = await request("http://localhost/openapi.json", { dispatcher: agent });
    const { paths } = (await body.json()) as Description;
    const asked = Object.entries(paths).flatMap(([path, { get }]) =>
      get === undefined ? [] : filledIn(path, parameters),
    );
    const answers: Sources = new Map();
    for (const path of asked) answers.set(`GET ${path}`, await answerOf(agent, path));
    return answers;
  } finally {
    await agent.destroy();
  }
}

/** Every file under a folder but those that its user has written, as Latin-1. */
export function filesUnder(folder: string, but: readonly string[]): Sources {
  const files: Sources = new Map();
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const path = join(folder, name);
    if (statSync(path).isFile() && !but.includes(name)) files.set(name, readFileSync(path, "latin1"));
  }
  return files;
}

function filledIn(path: string, parameters: Parameters): string[] {
  const [whole, name] = /\{(\w+)\}/.exec(path) ?? [];
  if (whole === undefined || name === undefined) return [path];
  const values = parameters[`${path.split("/")[2]}/${name}`] ?? parameters[name];
  if (values === undefined) throw new Error(`the test knows no value for {${name}} in ${path}`);
  return values.flatMap((value) => filledIn(path.replace(whole, encodeURIComponent(value)), parameters));
}

/** Whatever the status. Of a stream of events what comes first: it would not end. */
async function answerOf(agent: Agent, path: string): Promise<string> {
  const { statusCode, headers, body } = await request(`http://localhost${path}`, {
    dispatcher: agent,
    headers: { accept: path === "/metrics" ? "application/openmetrics-text" : "*/*" },
  });
  const before = `${statusCode} ${JSON.stringify(headers)}\n`;
  if (!String(headers["content-type"]).startsWith("text/event-stream")) return before + (await body.text());
  for await (const piece of body) return before + String(piece);
  return before;
}
