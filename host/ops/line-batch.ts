/** A batch goes out at this length: one message to the main thread costs as much as many lines. */
const BATCH_BYTES = 262_144;

/** So that the line fits that makes a batch long enough. */
const ROOM_BYTES = 2 * BATCH_BYTES;

/** Of a UTF-16 unit. */
const UNIT_BYTES_MAX = 3;

/** A line waits no longer than this, so that somebody who reads along sees it at once. */
const WAIT_MS = 100;

/**
 * Collects a worker's log lines and posts them to the main thread, whole lines only.
 * The main thread alone writes, so lines of different workers never mix.
 */
export class LineBatch {
  readonly #post: (batch: string) => void;
  /** A line is put together of many pieces: it is copied into one here, while they are in the caches. */
  readonly #bytes = Buffer.allocUnsafeSlow(ROOM_BYTES);
  #used = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(post: (batch: string) => void) {
    this.#post = post;
  }

  /** Takes one line that ends in `\n`. */
  add(line: string): void {
    const bytesMax = line.length * UNIT_BYTES_MAX;
    if (bytesMax > ROOM_BYTES - this.#used) this.flush();
    if (bytesMax > ROOM_BYTES) return this.#post(line);
    this.#used += this.#bytes.utf8Write(line, this.#used);
    if (this.#used >= BATCH_BYTES) this.flush();
    // Lines that wait must not keep a worker alive that has nothing else to do: whoever ends it calls flush().
    else this.#timer ??= setTimeout(() => this.flush(), WAIT_MS).unref();
  }

  /** Posts what waits. To be called before the worker ends. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#used === 0) return;
    const batch = this.#bytes.utf8Slice(0, this.#used);
    this.#used = 0;
    this.#post(batch);
  }
}
