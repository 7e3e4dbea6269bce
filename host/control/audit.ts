import { constants, type FileHandle, open, stat } from "node:fs/promises";
import type { Logger } from "pino";
import type { AdminRole } from "../config/config.ts";
import { Flood } from "../ops/flood.ts";
import { AdminError } from "./admin-address.ts";

/** An attempt of a change, or of somebody who was refused. Never a token, a client's address or a body. */
export interface AuditLine {
  /** Unix milliseconds: when it was asked. */
  readonly time: number;
  /** A token's name, or `local`; null when it is not known who asks. */
  readonly by: string | null;
  readonly role: AdminRole | null;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  /** Of the problem; null when it was done. */
  readonly code: string | null;
  /** The live generation when it was asked. */
  readonly before: number | null;
  /** The one that it made, or that was live when it was refused. */
  readonly after: number | null;
  readonly durationMs: number;
  readonly filter?: string | undefined;
  readonly changes?: readonly string[] | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** What is told of a change that was made. */
export interface Outcome {
  /** The generation that it made, if it made one. */
  readonly generation?: number;
  /** What is different, a sentence each. */
  readonly changes: readonly string[];
  /** Digests, of a swap. */
  readonly from?: string;
  readonly to?: string;
}

/**
 * Who has changed what, or has tried to: a line of JSON each, in a file of its own or in the process's log.
 *
 * The file is opened again when it is another one, or gone: who rotates it only needs to rename it.
 */
export class AuditLog {
  readonly #log: Logger;
  readonly #path: string | null;
  readonly #strangers: Flood;
  readonly #waiting: Waiting[] = [];
  #file: FileHandle | undefined;
  #isClosed = false;
  #second: NodeJS.Timeout | undefined;
  #complainedMs = -SECOND_MS;
  #writing: Promise<void> | undefined;
  #lost = 0;
  /** Of those that the file itself does not tell of yet. */
  #untold = 0;
  /** A line may have been written in part. */
  #torn = false;

  private constructor(path: string | null, log: Logger) {
    this.#path = path;
    this.#log = log;
    this.#strangers = new Flood(STRANGERS_PER_SECOND_MAX, (code, suppressed) => {
      void this.#put({ time: Date.now(), code, suppressed });
    });
  }

  /** Throws an `AdminError` when the file cannot be written to: a host that cannot say who changes it does not start. */
  static async open(path: string | null, log: Logger): Promise<AuditLog> {
    const audit = new AuditLog(path, log);
    if (path === null) return audit;
    try {
      audit.#file = await openFile(path);
    } catch (error) {
      const sentence = `The audit log ${path} cannot be written: ${(error as Error).message}.`;
      throw new AdminError(sentence, undefined, { cause: error });
    }
    return audit;
  }

  /** Lines that could not be written. */
  get lost(): number {
    return this.#lost;
  }

  /** Resolves when the line is written, or lost, or has been waited for long enough; then it may still be written. */
  write(line: AuditLine): Promise<void> {
    return this.#put(line);
  }

  /**
   * Writes about somebody who is nobody here: so many in a second for each code, and later a line with the count of the rest.
   * Who can reach the address cannot fill the disk.
   */
  async writeStranger(line: AuditLine): Promise<void> {
    this.#second ??= setTimeout(() => this.#endSecond(), SECOND_MS).unref();
    if (this.#strangers.admits(String(line.code))) await this.#put(line);
  }

  /** Writes what waits, and closes the file. What is written later, of a change that outlives its client, opens it once more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endSecond();
    await bounded(this.#writing);
    if (this.#writing === undefined) await this.#closeFile();
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined);
  }

  #endSecond(): void {
    clearTimeout(this.#second);
    this.#second = undefined;
    this.#strangers.flush();
  }

  #put(line: object): Promise<void> {
    if (this.#path === null) {
      this.#logLine(line);
      return Promise.resolve();
    }
    if (this.#waiting.length >= WAITING_LINES_MAX) {
      this.#lose(1, "more lines wait for it than there is room for");
      return Promise.resolve();
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ text: `${JSON.stringify(line)}\n`, written: resolve });
    this.#writing ??= this.#drain(this.#path);
    return bounded(promise);
  }

  /** Also where the log's level would keep it back; but what is to be silent is. */
  #logLine(line: object): void {
    if (this.#log.level === "silent") return;
    // `time` is the log's own.
    const { time: _, ...rest } = line as { readonly time: number };
    this.#log.child({ audit: true }, { level: "info" }).info(rest, "admin");
  }

  async #drain(path: string): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting.splice(0, LINES_PER_WRITE_MAX);
      try {
        await this.#append(path, lines.map(({ text }) => text).join(""));
      } catch (error) {
        this.#lose(lines.length, (error as Error).message);
      }
      for (const { written } of lines) written();
    }
    // At once: whoever comes after this has to begin anew.
    this.#writing = undefined;
    if (this.#isClosed) await this.#closeFile();
  }

  async #append(path: string, text: string): Promise<void> {
    const file = await this.#present(path);
    const gap = this.#untold;
    const notice = gap === 0 ? "" : `${JSON.stringify({ time: Date.now(), lost: gap })}\n`;
    const repair = this.#torn ? "\n" : "";
    this.#torn = true;
    await file.appendFile(`${repair}${notice}${text}`);
    this.#torn = false;
    this.#untold -= gap;
  }

  /** The file that has this name now. */
  async #present(path: string): Promise<FileHandle> {
    const held = this.#file;
    const [own, named] = await Promise.all([held?.stat(), stat(path).catch(() => undefined)]);
    if (held !== undefined && own?.ino === named?.ino && own?.dev === named?.dev) return held;
    await this.#closeFile();
    this.#torn = false;
    this.#file = await openFile(path);
    return this.#file;
  }

  #lose(lines: number, why: string): void {
    this.#lost += lines;
    this.#untold += lines;
    const now = performance.now();
    if (now - this.#complainedMs < SECOND_MS) return;
    this.#complainedMs = now;
    this.#log.error({ file: this.#path, lost: this.#lost }, `the audit log cannot be written: ${why}`);
  }
}

interface Waiting {
  readonly text: string;
  readonly written: () => void;
}

/** For the host's user alone. A pipe that nobody reads is an error, and does not hold up a thread. */
function openFile(path: string): Promise<FileHandle> {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600);
}

/** No answer waits longer for its line. */
async function bounded(written: Promise<void> | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, WRITE_MS_MAX);
  await Promise.race([written, promise]);
  clearTimeout(timer);
}

const WRITE_MS_MAX = 1_000;
const SECOND_MS = 1_000;
const STRANGERS_PER_SECOND_MAX = 10;
/** More than there can be connections, each with some requests. */
const WAITING_LINES_MAX = 16_384;
const LINES_PER_WRITE_MAX = 256;
