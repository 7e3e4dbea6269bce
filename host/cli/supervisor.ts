import { spawn } from "node:child_process";
import type { Logger } from "pino";

/** What systemd is told of a service of the kind `notify` (sd_notify(3)). */
export type SupervisorNews = "READY=1" | "STOPPING=1" | `MAINPID=${number}`;

/**
 * Tells systemd, when it has asked to be told. Its own command does so: the news go to a datagram socket in the file system,
 * which Node cannot reach. Nothing waits for it.
 */
export function tellSupervisor(logger: Logger, ...news: readonly SupervisorNews[]): void {
  if (process.env["NOTIFY_SOCKET"] === undefined) return;
  const child = spawn("systemd-notify", news, { stdio: "ignore" });
  child.on("error", (error) => logger.warn(`systemd was not told ${news.join()}: ${error.message}`));
  child.on("exit", (code) => {
    if (code !== 0) logger.warn(`systemd was not told ${news.join()}: systemd-notify ended with ${code}`);
  });
}
