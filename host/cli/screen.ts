/** The whole terminal for a while: another buffer without a cursor, in which lines that are too long are cut. */
export class Screen {
  readonly #onKey: (key: Key) => void;
  readonly #onResize: () => void;
  readonly #listener = (bytes: Buffer): void => this.#read(bytes.toString("latin1"));
  readonly #end = (): void => this.#onKey("quit");
  readonly #leave = (): void => this.close();
  #open = true;

  /** A signal that ends the process is the key `quit`. */
  constructor(onKey: (key: Key) => void, onResize: () => void) {
    this.#onKey = onKey;
    this.#onResize = onResize;
    process.stdout.write(`${CSI}?1049h${CSI}?25l${CSI}?7l`);
    process.stdout.on("resize", this.#onResize);
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(true);
      process.stdin.on("data", this.#listener).resume();
    }
    for (const signal of SIGNALS) process.on(signal, this.#end);
    // Also where something throws that nobody catches.
    process.on("exit", this.#leave);
  }

  get rows(): number {
    // A terminal that does not know its size says 0.
    return process.stdout.rows > 0 ? process.stdout.rows : ROWS_USUAL;
  }

  draw(lines: readonly string[]): void {
    if (this.#open) process.stdout.write(`${CSI}H${lines.join(`${CSI}K\r\n`)}${CSI}J`);
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    process.stdout.off("resize", this.#onResize);
    process.off("exit", this.#leave);
    for (const signal of SIGNALS) process.off(signal, this.#end);
    if (process.stdin.isTTY) {
      process.stdin.off("data", this.#listener).pause();
      process.stdin.setRawMode(false);
    }
    process.stdout.write(`${CSI}?7h${CSI}?25h${CSI}?1049l`);
  }

  #read(text: string): void {
    // Keys that are pressed quickly come together.
    for (const [sequence] of text.matchAll(SEQUENCE)) {
      const key = KEYS[sequence];
      if (key !== undefined) this.#onKey(key);
    }
  }
}

export type Key = "quit" | "sort" | "up" | "down" | "page-up" | "page-down" | "home" | "end";

const CSI = "\u001B[";
const ROWS_USUAL = 24;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

// oxlint-disable-next-line no-control-regex -- the keys of a terminal are control sequences
const SEQUENCE = /\u001B(?:\[|O)[\d;]*[A-Za-z~]|[^\u001B]/g;

const KEYS: Readonly<Record<string, Key>> = {
  q: "quit",
  // In raw mode Ctrl-C and Ctrl-D are bytes.
  "\u0003": "quit",
  "\u0004": "quit",
  s: "sort",
  k: "up",
  j: "down",
  " ": "page-down",
  [`${CSI}A`]: "up",
  [`${CSI}B`]: "down",
  "\u001BOA": "up",
  "\u001BOB": "down",
  [`${CSI}5~`]: "page-up",
  [`${CSI}6~`]: "page-down",
  [`${CSI}H`]: "home",
  [`${CSI}1~`]: "home",
  [`${CSI}F`]: "end",
  [`${CSI}4~`]: "end",
};
