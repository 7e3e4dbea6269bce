import { printable } from "./complaint.ts";
import { duration } from "./wording.ts";

/** A line on standard error that is written over again and again; nothing where that is no terminal. */
export class LiveLine {
  #shown = false;

  show(text: string): void {
    if (!process.stderr.isTTY) return;
    this.#shown = true;
    // A line that wraps could not be taken back.
    const width = Math.max(1, process.stderr.columns - 1);
    process.stderr.write(`\r\u001B[K${printable(text).slice(0, width)}`);
  }

  clear(): void {
    if (this.#shown) process.stderr.write("\r\u001B[K");
    this.#shown = false;
  }
}

const SHOW_AFTER_MS = 1_000;

/** Waits for something, and from a second on says so. */
export async function withProgress<Value>(what: string, work: Promise<Value>): Promise<Value> {
  const line = new LiveLine();
  const begun = performance.now();
  const timer = setInterval(
    // Rounded, since a timer may fire a little early.
    () => line.show(`${what}: ${duration(Math.round((performance.now() - begun) / 1_000) * 1_000)}`),
    SHOW_AFTER_MS,
  );
  try {
    return await work;
  } finally {
    clearInterval(timer);
    line.clear();
  }
}
