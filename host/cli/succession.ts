import { type ChildProcess, spawn } from "node:child_process";
import type { Logger } from "pino";
import type { InheritedSocket } from "../control/inherited-sockets.ts";
import { bequest } from "./inheritance.ts";

/** What a successor tells the process that has started it. */
type Report = { readonly sluice: "serving" } | { readonly sluice: "failed"; readonly sentence: string };

/** The descriptors before are standard input, output and error, and the channel for its report. */
const SOCKETS_FIRST = 4;

/** Longer than any start takes: hundreds of components that have to be transpiled. */
const START_MS_MAX = 120_000;

/**
 * Starts another process in the place of this one when SIGUSR2 asks for it. The successor is started as this one was: the same
 * command, so that it is the version that is installed now, and the same file, read again. It gets this process's listening
 * sockets, so that no connection that waits is lost, and says when it serves. One that fails changes nothing.
 */
export class Succession {
  /** Resolves with the id of a process that serves in the place of this one. */
  readonly taken: Promise<number>;
  readonly #logger: Logger;
  readonly #take: (pid: number) => void;
  readonly #listener: () => void;
  #sockets: (() => readonly InheritedSocket[]) | undefined;
  #child: ChildProcess | undefined;

  constructor(logger: Logger) {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#logger = logger;
    this.taken = promise;
    this.#take = resolve;
    this.#listener = () => this.#asked();
    // Without a listener the signal would end the process.
    process.on("SIGUSR2", this.#listener);
  }

  /** From here on it can be asked for. */
  allow(sockets: () => readonly InheritedSocket[]): void {
    this.#sockets = sockets;
  }

  /** No process takes this one's place any more: it is going to end. */
  end(): void {
    this.#sockets = undefined;
    this.#child?.kill("SIGTERM");
  }

  close(): void {
    process.off("SIGUSR2", this.#listener);
  }

  #asked(): void {
    const sockets = this.#sockets;
    if (sockets === undefined) return this.#logger.warn("no upgrade: this process does not serve now");
    if (this.#child !== undefined) return this.#logger.warn("no upgrade: one is under way");
    // The first process of a container takes all others with it when it ends.
    if (process.pid === 1) return this.#logger.error("no upgrade: nothing can take the place of process 1");
    try {
      this.#start(sockets());
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error));
    }
  }

  #start(sockets: readonly InheritedSocket[]): void {
    const child = spawn(process.argv0, [...process.execArgv, ...process.argv.slice(1)], {
      env: bequest(process.env, sockets, SOCKETS_FIRST),
      stdio: ["ignore", "inherit", "inherit", "ipc", ...sockets.map(({ fd }) => fd)],
    });
    this.#child = child;
    this.#logger.info({ successor: child.pid }, "upgrading: a successor starts");
    let why: string | undefined;
    const late = setTimeout(() => {
      why = `it did not serve within ${START_MS_MAX / 1000} s`;
      child.kill("SIGKILL");
    }, START_MS_MAX);
    child.on("message", (message) => {
      const report = message as Report;
      if (report.sluice === "failed") why = report.sentence;
      else {
        clearTimeout(late);
        child.removeAllListeners("exit");
        // It goes on when this process has ended.
        child.disconnect();
        child.unref();
        this.#take(child.pid as number);
      }
    });
    child.on("error", (error) => {
      why ??= error.message;
      // A command that cannot be started has no exit.
      if (child.pid === undefined) over();
    });
    const over = (code?: number | null): void => {
      clearTimeout(late);
      this.#child = undefined;
      this.#failed(why ?? `the successor ended with ${code ?? "a signal"} before it served`);
    };
    child.on("exit", over);
  }

  #failed(why: string): void {
    if (this.#sockets !== undefined) this.#logger.error(`upgrade failed, this process serves on: ${why}`);
  }
}

/** Tells the process that has started this one to take its place, if there is one, what has become of it. */
export function tellPredecessor(report: Report): Promise<void> {
  if (process.send === undefined || !process.connected) return Promise.resolve();
  // It may have ended meanwhile, and this process serves all the same.
  return new Promise((resolve) => process.send?.(report, undefined, undefined, () => resolve()));
}
