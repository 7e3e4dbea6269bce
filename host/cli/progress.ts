/** Tells on a terminal how far something is that takes over a second; elsewhere, and of what is faster, nothing. */
export class Progress implements Disposable {
  readonly #what: string;
  readonly #began = performance.now();
  #shown = false;

  constructor(what: string) {
    this.#what = what;
  }

  show(bytes: number, total: number): void {
    if (!process.stderr.isTTY || performance.now() - this.#began < PATIENCE_MS) return;
    this.#shown = true;
    process.stderr.write(`\r${this.#what}: ${mebibytes(bytes)} of ${mebibytes(total)} MiB\u{1b}[K`);
  }

  /** The line makes room for what is said in the end. */
  [Symbol.dispose](): void {
    if (this.#shown) process.stderr.write("\r\u{1b}[K");
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}

const PATIENCE_MS = 1_000;
