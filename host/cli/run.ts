import { resolve } from "node:path";
import type { Logger } from "pino";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { dashboardAt } from "../control/admin-address.ts";
import { type Admin, startAdmin } from "../control/admin.ts";
import { Refusal } from "../control/control.ts";
import type { InheritedSockets } from "../control/inherited-sockets.ts";
import { Host } from "../host.ts";
import { createLog, type Log } from "../ops/log.ts";
import { sentenceOf } from "./complaint.ts";
import { DONE, FAILED } from "./exit-code.ts";
import { takeInheritance } from "./inheritance.ts";
import { Succession, tellPredecessor } from "./succession.ts";
import { tellSupervisor } from "./supervisor.ts";

const STANDARD_ERROR = 2;

/** How long the last lines of the log may take to be written. */
const FLUSH_MS_MAX = 2_000;

/** Runs the proxy until a signal ends it. Gives 0 when the exchanges in flight could end, 1 when a second signal broke them. */
export async function run(file: string): Promise<number> {
  try {
    return await runWith(resolve(file), loadConfig(file), takeInheritance(process.env));
  } catch (error) {
    await tellPredecessor({ sluice: "failed", sentence: sentenceOf(error) });
    throw error;
  }
}

async function runWith(file: string, config: Config, inherited: InheritedSockets): Promise<number> {
  // To ask for the stream makes a pipe non-blocking. Otherwise a write for which nobody makes room would hold a thread of the
  // process, and not even process.exit could end it.
  process.stderr.on("error", () => {});
  const signals = new Signals();
  const log = openLog(config);
  const succession = new Succession(log.logger);
  let code = FAILED;
  try {
    code = await serve(file, config, log, { inherited, signals, succession });
    return code;
  } finally {
    signals.close();
    succession.close();
    await flushOrExit(log, code);
  }
}

function openLog({ log: { level, file } }: Config): Log {
  try {
    return createLog({ level, file, destination: STANDARD_ERROR });
  } catch (error) {
    throw new Refusal(
      "HOST_UNAVAILABLE",
      `The log cannot be written to ${file}: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
}

/** Who reads the log may have stopped: its last lines are not worth a process that does not end. */
async function flushOrExit(log: Log, code: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => resolve("late"), FLUSH_MS_MAX);
  const outcome = await Promise.race([log.flush(), promise]);
  clearTimeout(timer);
  if (outcome !== "late") return;
  log.abandon();
  // What is under way would keep the process as long as nobody reads.
  process.exit(code);
}

interface Life {
  readonly inherited: InheritedSockets;
  readonly signals: Signals;
  readonly succession: Succession;
}

async function serve(
  file: string,
  config: Config,
  log: Log,
  { inherited, signals, succession }: Life,
): Promise<number> {
  const { logger } = log;
  signals.onReopen(() => log.reopen());
  const host = await Promise.race([Host.start(config, log, inherited, file), signals.second]);
  if (typeof host === "string") {
    // A start cannot be taken back half-way, and who asks twice does not want to wait for its end.
    logger.warn({ signal: host }, "stopped before it served");
    await flushOrExit(log, FAILED);
    process.exit(FAILED);
  }
  const admin = await openAdmin(host, config, log, inherited);
  for (const name of inherited.closeRest()) logger.warn(`nothing is configured for ${name}: closed`);
  const dashboard = admin === undefined ? null : dashboardAt(admin.address);
  logger.info({ listen: host.status().listen, admin: admin?.address ?? null, dashboard }, "serving");
  signals.onReload(() => {
    // What is refused has been logged, and what ran before still runs.
    host.apply(undefined, { by: "signal" }).catch(() => {});
  });
  tellSupervisor(logger, "READY=1", `MAINPID=${process.pid}`);
  await tellPredecessor({ sluice: "serving" });
  succession.allow(() => [...host.sockets, ...(admin === undefined ? [] : [admin.socket])]);

  const reason = await Promise.race([signals.first, succession.taken]);
  return typeof reason === "number"
    ? makeWay(reason, { host, admin, logger, signals })
    : stop(reason, config, { host, admin, logger, signals, succession });
}

interface Served {
  readonly host: Host;
  readonly admin: Admin | undefined;
  readonly logger: Logger;
  readonly signals: Signals;
}

/** Another process serves: the exchanges that are here end here. */
async function makeWay(successor: number, { host, admin, logger, signals }: Served): Promise<number> {
  logger.info({ successor }, "draining: a successor serves; a signal ends this process at once");
  // Operators' questions are the successor's from now on.
  const [forced] = await Promise.all([drain(host, signals.first), admin?.leave()]);
  logger.info({ forced }, "stopped");
  return forced ? FAILED : DONE;
}

async function stop(
  signal: NodeJS.Signals,
  { timeouts }: Config,
  { host, admin, logger, signals, succession }: Served & { readonly succession: Succession },
): Promise<number> {
  logger.info({ signal, drainMs: timeouts.drainMs }, "draining; a second signal ends it at once");
  tellSupervisor(logger, "STOPPING=1");
  succession.end();
  // The admin API stays up meanwhile: /readyz says that the host drains, and the last metrics can be read.
  const forced = await drain(host, signals.second);
  await admin?.close();
  logger.info({ forced }, "stopped");
  return forced ? FAILED : DONE;
}

/** Gives whether the exchanges in flight were broken, because a signal came before their end. */
async function drain(host: Host, signal: Promise<NodeJS.Signals>): Promise<boolean> {
  const drained = host.drain().then(() => "drained" as const);
  const forced = (await Promise.race([drained, signal])) !== "drained";
  if (forced) await host.force();
  return forced;
}

async function openAdmin(
  host: Host,
  config: Config,
  log: Log,
  inherited: InheritedSockets,
): Promise<Admin | undefined> {
  if (config.admin === null) return undefined;
  try {
    return await startAdmin(host, config.admin, log.logger, inherited);
  } catch (error) {
    await host.force();
    throw error;
  }
}

/** SIGTERM and SIGINT, counted together, SIGHUP and SIGUSR1. */
class Signals {
  readonly first: Promise<NodeJS.Signals>;
  readonly second: Promise<NodeJS.Signals>;
  readonly #listener: (signal: NodeJS.Signals) => void;
  #reload: () => void = () => {};
  readonly #hangup = (): void => this.#reload();
  #reopen: () => void = () => {};
  readonly #moved = (): void => this.#reopen();

  constructor() {
    const first = Promise.withResolvers<NodeJS.Signals>();
    const second = Promise.withResolvers<NodeJS.Signals>();
    let count = 0;
    this.#listener = (signal) => {
      count += 1;
      (count === 1 ? first : second).resolve(signal);
    };
    this.first = first.promise;
    this.second = second.promise;
    process.on("SIGTERM", this.#listener);
    process.on("SIGINT", this.#listener);
    // From the beginning: without a listener the signal would end the process.
    process.on("SIGHUP", this.#hangup);
    // Without a listener Node would open its debugger's port.
    process.on("SIGUSR1", this.#moved);
  }

  /** What a SIGHUP does from now on. One that came before the host served had nothing to read again. */
  onReload(reload: () => void): void {
    this.#reload = reload;
  }

  /** What a SIGUSR1 does from now on. */
  onReopen(reopen: () => void): void {
    this.#reopen = reopen;
  }

  close(): void {
    process.off("SIGTERM", this.#listener);
    process.off("SIGINT", this.#listener);
    process.off("SIGHUP", this.#hangup);
    process.off("SIGUSR1", this.#moved);
  }
}
