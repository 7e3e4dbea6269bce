/** A batch goes out at this length: one message to the main thread costs as much as many lines. In UTF-16 units, which is close enough to bytes. */
const BATCH_LENGTH = 16_384;

/** A line waits no longer than this, so that somebody who reads along sees it at once. */
const WAIT_MS = 100;

/**
 * Collects a worker's log lines and posts them to the main thread, whole lines only.
 * The main thread alone writes, so lines of different workers never mix.
 */
export class LineBatch {
  readonly #post: (batch: string) => void;
  #lines = "";
  #timer: NodeJS.Timeout | undefined;

  constructor(post: (batch: string) => void) {
    this.#post = post;
  }

  /** Takes one line that ends in `\n`. */
  add(line: string): void {
    this.#lines += line;
    if (this.#lines.length >= BATCH_LENGTH) this.flush();
    // Lines that wait must not keep a worker alive that has nothing else to do: whoever ends it calls flush().
    else this.#timer ??= setTimeout(() => this.flush(), WAIT_MS).unref();
  }

  /** Posts what waits. To be called before the worker ends. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines === "") return;
    const batch = this.#lines;
    this.#lines = "";
    this.#post(batch);
  }
}
