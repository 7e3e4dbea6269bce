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
  /** Resolves when the destination has taken all that waits, or has failed. For the end of the process. */
  flush(): Promise<void>;
  /** Drops what waits and writes nothing more, so that the end of the process does not wait for a reader that has stopped. */
  abandon(): void;
}

export interface LogOptions {
  readonly level: LogThreshold;
  /** A file descriptor or a path; standard output when it is not given. */
  readonly destination?: number | string;
}

/** The process's one log: the main thread writes, workers post their lines to it. */
export function createLog(options: LogOptions): Log {
  const sink = new Sink(options.destination ?? 1);
  // No hostname: whoever collects logs adds it, and the workers' hand-built lines have the same members.
  const logger = pino({ level: options.level, base: { pid: process.pid } }, sink);
  return {
    logger,
    get dropped() {
      return sink.dropped;
    },
    writeBatch: (lines) => sink.write(lines),
    flush: () => sink.flush(),
    abandon: () => sink.abandon(),
  };
}

/** The destination, with a bound and a count of what did not fit. */
class Sink {
  dropped = 0;
  readonly #stream: ReturnType<typeof pino.destination>;
  #gone = false;

  constructor(destination: number | string) {
    // Without a minimum length flush() would not wait for the write under way. One byte holds no line back.
    this.#stream = pino.destination({
      dest: destination,
      sync: false,
      minLength: 1,
      maxLength: LOG_BYTES_MAX,
    });
    this.#stream.on("drop", (lines: string) => {
      this.dropped += count(lines);
    });
    // A full disk or a closed pipe must not end the proxy. What could not be written is tried again with the next
    // line, until the bound; after a broken pipe pino's destination swallows every line.
    this.#stream.on("error", (error: NodeJS.ErrnoException) => {
      this.#gone ||= error.code === "EPIPE";
    });
  }

  write(lines: string): void {
    if (this.#gone) this.dropped += count(lines);
    else this.#stream.write(lines);
  }

  flush(): Promise<void> {
    if (this.#gone) return Promise.resolve();
    // The callback's error is about fsync, which pipes and terminals do not have.
    return new Promise((resolve) => this.#stream.flush(() => resolve()));
  }

  abandon(): void {
    this.#gone = true;
    // Otherwise pino would write what is left, in a loop, before it lets the process end.
    this.#stream.destroy();
  }
}

function count(lines: string): number {
  let found = 0;
  for (let at = lines.indexOf("\n"); at >= 0; at = lines.indexOf("\n", at + 1)) found += 1;
  return found;
}
