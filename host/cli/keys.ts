/** Single keys of a terminal, while the rest of it is left as it is; nothing where standard input is none. */
export class Keys {
  readonly #listener: (bytes: Buffer) => void;
  readonly #leave = (): void => this.close();
  #open: boolean = process.stdin.isTTY;

  /** Ctrl-C and Ctrl-D come as the key `q`: they are bytes like others here. */
  constructor(onKey: (key: string) => void) {
    this.#listener = (bytes) => {
      for (const key of bytes.toString("latin1")) onKey(ENDS.has(key) ? "q" : key);
    };
    if (!this.#open) return;
    process.stdin.setRawMode(true);
    process.stdin.on("data", this.#listener).resume();
    // Also where something throws that nobody catches.
    process.on("exit", this.#leave);
  }

  get isOpen(): boolean {
    return this.#open;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    process.off("exit", this.#leave);
    process.stdin.off("data", this.#listener).pause();
    process.stdin.setRawMode(false);
  }
}

const ENDS: ReadonlySet<string> = new Set(["\u0003", "\u0004"]);
