import { constants, openSync } from "node:fs";
import { pino } from "pino";
import type { LogThreshold } from "./filter-log.ts";

/** Bytes that may wait for a destination that is slower than the host. Then lines are dropped and counted: no exchange ever waits for its log. */
export const LOG_BYTES_MAX = 8_388_608;

export interface Log {
  /** The main thread's own lines. */
  readonly logger: pino.Logger;
  /** Lines dropped since the start because the destination was too slow or is gone. */
  readonly dropped: number;
  /** Takes what a worker's `LineBatch` posts: whole lines. */
  writeBatch(lines: string): void;
  /** Lines go to this file from now on; null: to where they go without one. Throws when it cannot be opened: then they go on as before. */
  use(file: string | null): void;
  /** Opens the file anew, after somebody has moved it away. Throws like `use`. */
  reopen(): void;
  /** Resolves when the destination has taken all that waits, or has failed. For the end of the process. */
  flush(): Promise<void>;
  /** Drops what waits and writes nothing more, so that the end of the process does not wait for a reader that has stopped. */
  abandon(): void;
}

export interface LogOptions {
  readonly level: LogThreshold;
  /** A file descriptor or a path; standard output when it is not given. */
  readonly destination?: number | string;
  /** In its place, until `use` says otherwise. */
  readonly file?: string | null;
}

/** The process's one log: the main thread writes, workers post their lines to it. Throws when its file cannot be opened. */
export function createLog(options: LogOptions): Log {
  const sink = new Sink(options.destination ?? 1, options.file ?? null);
  // No hostname: whoever collects logs adds it, and the workers' hand-built lines have the same members.
  const logger = pino({ level: options.level, base: { pid: process.pid } }, sink);
  return {
    logger,
    get dropped() {
      return sink.dropped;
    },
    writeBatch: (lines) => sink.write(lines),
    use: (file) => sink.use(file),
    reopen: () => sink.reopen(),
    flush: () => sink.flush(),
    abandon: () => sink.abandon(),
  };
}

type Stream = ReturnType<typeof pino.destination>;

/** The destination, with a bound and a count of what did not fit. */
class Sink {
  dropped = 0;
  readonly #base: number | string;
  #file: string | null;
  #stream: Stream;
  /** Those before it, which write what waits in them. */
  readonly #leaving = new Set<Stream>();
  #gone = false;

  constructor(base: number | string, file: string | null) {
    this.#base = base;
    this.#file = file;
    this.#stream = this.#opened();
  }

  write(lines: string): void {
    if (this.#gone) this.dropped += count(lines);
    else this.#stream.write(lines);
  }

  use(file: string | null): void {
    if (file !== this.#file) this.#change(file);
  }

  /** Standard output and error belong to who has started the process. */
  reopen(): void {
    if (this.#file !== null || typeof this.#base === "string") this.#change(this.#file);
  }

  async flush(): Promise<void> {
    const streams = this.#gone ? [] : [this.#stream];
    await Promise.all([
      ...[...this.#leaving].map((stream) => new Promise((resolve) => stream.once("close", resolve))),
      // The callback's error is about fsync, which pipes and terminals do not have.
      ...streams.map((stream) => new Promise<void>((resolve) => stream.flush(() => resolve()))),
    ]);
  }

  abandon(): void {
    this.#gone = true;
    // Otherwise pino would write what is left, in a loop, before it lets the process end.
    for (const stream of [this.#stream, ...this.#leaving]) stream.destroy();
  }

  #change(file: string | null): void {
    const before = this.#file;
    const old = this.#stream;
    this.#file = file;
    try {
      this.#stream = this.#opened();
    } catch (error) {
      this.#file = before;
      throw error;
    }
    this.#gone = false;
    this.#leaving.add(old);
    old.once("close", () => this.#leaving.delete(old));
    // What it cannot write now will not be written: it must not be kept for ever.
    old.once("error", () => old.destroy());
    old.end();
  }

  #opened(): Stream {
    const destination = this.#file ?? this.#base;
    // Without a minimum length flush() would not wait for the write under way. One byte holds no line back.
    const stream = pino.destination({
      dest: typeof destination === "number" ? destination : openSync(destination, FILE_FLAGS, FILE_MODE),
      sync: false,
      minLength: 1,
      maxLength: LOG_BYTES_MAX,
    });
    stream.on("drop", (lines: string) => {
      this.dropped += count(lines);
    });
    // A full disk or a closed pipe must not end the proxy. What could not be written is tried again with the next
    // line, until the bound; after a broken pipe pino's destination swallows every line.
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (stream === this.#stream) this.#gone ||= error.code === "EPIPE";
    });
    return stream;
  }
}

function count(lines: string): number {
  let found = 0;
  for (let at = lines.indexOf("\n"); at >= 0; at = lines.indexOf("\n", at + 1)) found += 1;
  return found;
}

/** Where the file is a pipe, a write for which nobody makes room must not hold a thread. */
const FILE_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** Who is in the file's group may read it; whoever else is on the machine may not. */
const FILE_MODE = 0o640;
