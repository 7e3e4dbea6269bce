/**
 * `npm start`: builds what is missing, then runs a proxy with two filters in front of an echo upstream, and prints what to
 * try with it.
 *
 *   npm start -- [--port 8080] [--admin-port 9901]       0 lets the system choose
 *
 * Ctrl-C lets the requests in flight end; a second one does not wait for them.
 */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import {
  type Admin,
  AdminError,
  type Config,
  ConfigError,
  createLog,
  Host,
  type Log,
  parseConfig,
  Refusal,
  startAdmin,
} from "../host/index.ts";
import { Echo } from "../host/kit/echo.ts";
import { LOOPBACK, whyTaken } from "../host/kit/loopback.ts";
import { buildDashboard } from "./build-dashboard.ts";
import { buildFilters, FILTERS_DIRECTORY } from "./build-filters.ts";
import { BuildError } from "./build-step.ts";

const ROOT = join(import.meta.dirname, "..");
const CONFIG = join(ROOT, "examples", "quickstart", "sluice.yaml");
const ADMIN_PORT = 9901;
const STANDARD_ERROR = 2;

/** Why the quickstart cannot go on: a sentence for a person at a terminal, who needs no stack. */
class QuickstartError extends Error {
  override readonly name = "QuickstartError";
}

interface Ports {
  readonly port: number;
  readonly adminPort: number;
}

async function main(): Promise<void> {
  const ports = readPorts();
  // Asked before the build, which takes a while the first time.
  await mustBeFree(ports.port, "--port");
  await mustBeFree(ports.adminPort, "--admin-port");
  buildFilters({ filters: "quickstart" });
  await buildDashboard();

  const echo = await Echo.start(0);
  try {
    const config = readConfig(ports, echo);
    const log = createLog({ level: config.log.level, destination: STANDARD_ERROR });
    await serve(config, log).finally(() => log.flush());
  } finally {
    await echo.close();
  }
}

async function serve(config: Config, log: Log): Promise<void> {
  const host = await Host.start(config, log);
  let admin: Admin | undefined;
  try {
    admin = config.admin === null ? undefined : await startAdmin(host, config.admin, log.logger);
    // Listened for first: whoever reads that it serves may end it at once.
    const stop = stopSignal();
    console.log(instructions(host.status().listen[0] ?? "", admin?.address ?? ""));
    await stop;
    console.log("\nDraining: requests in flight end, new ones are not taken. Ctrl-C again ends it at once.");
    await Promise.race([host.drain(), stopSignal()]);
  } finally {
    await host.force();
    await admin?.close();
  }
}

function readPorts(): Ports {
  try {
    const { values } = parseArgs({ options: { port: { type: "string" }, "admin-port": { type: "string" } } });
    return {
      port: readPort(values.port ?? "8080", "--port"),
      adminPort: readPort(values["admin-port"] ?? String(ADMIN_PORT), "--admin-port"),
    };
  } catch (error) {
    throw new QuickstartError((error as Error).message, { cause: error });
  }
}

function readPort(text: string, option: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535))
    throw new QuickstartError(`${option} takes a port from 0 to 65535, and "${text}" is none.`);
  return port;
}

async function mustBeFree(port: number, option: string): Promise<void> {
  const why = await whyTaken(port);
  if (why === undefined) return;
  throw new QuickstartError(
    `Port ${port} on ${LOOPBACK} cannot be used: ${why}. End it, or choose another port: npm start -- ${option} ${port + 1}`,
  );
}

function readConfig({ port, adminPort }: Ports, echo: Echo): Config {
  const variables = { PORT: String(port), ADMIN_PORT: String(adminPort), ECHO_PORT: String(echo.port) };
  return parseConfig(readFileSync(CONFIG, "utf8"), CONFIG, variables);
}

function instructions(listen: string, admin: string): string {
  const component = join(FILTERS_DIRECTORY, "headers.wasm");
  const greeting = (text: string): unknown => ({ response: { set: { "x-greeting": text } } });
  const body = JSON.stringify({ component, config: greeting("hello again") });
  const words = `${relative(process.cwd(), component)} --config '${JSON.stringify(greeting("hello from here"))}'`;
  const option = admin.endsWith(`:${ADMIN_PORT}`) ? "" : ` --admin ${admin}`;
  return `
sluice serves http://${listen}, with the filters api-key and headers before an echo upstream.
Its configuration is ${relative(process.cwd(), CONFIG)}. Try, in another terminal:

1. Without a key: status 401, made by the filter api-key. The upstream does not see the request.

   curl -i http://${listen}/hello

2. With the key: status 200. The body is what the upstream saw: the key is gone and its name has come, and
   the filter headers has set x-was-asked. On the response it has set x-greeting: hello.

   curl -i -H 'x-api-key: open-sesame' http://${listen}/hello

3. A swap of the filter headers to another greeting, while requests flow. Then try 2 again.

   curl -X POST -H 'content-type: application/json' http://${admin}/v1/filters/headers/swap -d '${body}'

   By the command line, with a third greeting:

   npx sluice swap headers${option} ${words}

The dashboard, in a browser: http://${admin}/
Metrics: http://${admin}/metrics. Each request is a line of log below. Ctrl-C ends it.
`;
}

/** Resolves at the next one: for npm start that is Ctrl-C, for a supervisor SIGTERM. */
async function stopSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.once(signal, resolve);
  await promise;
  for (const signal of signals) process.off(signal, resolve);
}

try {
  await main();
} catch (error) {
  const expected = [QuickstartError, BuildError, ConfigError, AdminError, Refusal];
  if (!expected.some((kind) => error instanceof kind)) throw error;
  console.error(`\n${(error as Error).message}`);
  process.exitCode = 1;
}
