import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { type Admin, startAdmin } from "../control/admin.ts";
import { Host } from "../host.ts";
import { createLog, type Log } from "../ops/log.ts";
import { DONE, FAILED } from "./exit-code.ts";

const STANDARD_ERROR = 2;

/** Runs the proxy until a signal ends it. Gives 0 when the exchanges in flight could end, 1 when a second signal broke them. */
export async function run(file: string): Promise<number> {
  const config = loadConfig(file);
  const log = createLog({ level: config.log.level, destination: STANDARD_ERROR });
  const signals = new StopSignals();
  try {
    return await serve(config, log, signals);
  } finally {
    signals.close();
    await log.flush();
  }
}

async function serve(config: Config, log: Log, signals: StopSignals): Promise<number> {
  const { logger } = log;
  const host = await Promise.race([Host.start(config, log), signals.second]);
  if (typeof host === "string") {
    // A start cannot be taken back half-way, and who asks twice does not want to wait for its end.
    logger.warn({ signal: host }, "stopped before it served");
    await log.flush();
    process.exit(FAILED);
  }
  const admin = await openAdmin(host, config, log);
  logger.info({ listen: host.status().listen, admin: admin?.address ?? null }, "serving");

  const signal = await signals.first;
  logger.info({ signal, drainMs: config.timeouts.drainMs }, "draining; a second signal ends it at once");
  // The admin API stays up meanwhile: /readyz says that the host drains, and the last metrics can be read.
  const drained = host.drain().then(() => "drained" as const);
  const forced = (await Promise.race([drained, signals.second])) !== "drained";
  if (forced) await host.force();
  await admin?.close();
  logger.info({ forced }, "stopped");
  return forced ? FAILED : DONE;
}

async function openAdmin(host: Host, config: Config, log: Log): Promise<Admin | undefined> {
  if (config.admin === null) return undefined;
  try {
    return await startAdmin(host, config.admin, log.logger);
  } catch (error) {
    await host.force();
    throw error;
  }
}

/** SIGTERM and SIGINT, counted together. */
class StopSignals {
  readonly first: Promise<NodeJS.Signals>;
  readonly second: Promise<NodeJS.Signals>;
  readonly #listener: (signal: NodeJS.Signals) => void;

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
  }

  close(): void {
    process.off("SIGTERM", this.#listener);
    process.off("SIGINT", this.#listener);
  }
}
