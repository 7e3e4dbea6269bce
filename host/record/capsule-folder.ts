import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CapsuleConfig } from "../config/config.ts";
import { CAPSULE_EVERY_MS } from "./capsule-taker.ts";

/** Whose failure it is that is kept. */
export interface CapsuleName {
  readonly filter: string;
  readonly reason: string;
}

/** The folder of capsules: so many files, the oldest makes room. One is written after the other. */
export class CapsuleFolder {
  /** By filter and reason: when there may be the next one, whichever worker it comes from. */
  readonly #next = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();
  #lastMs = 0;

  /** Whether one of this kind may be written now; it is taken for written then. */
  admits({ filter, reason }: CapsuleName): boolean {
    const key = `${filter} ${reason}`;
    const now = performance.now();
    if (now < (this.#next.get(key) ?? 0)) return false;
    if (this.#next.size >= KINDS_MAX) this.#next.clear();
    this.#next.set(key, now + CAPSULE_EVERY_MS);
    return true;
  }

  /** Gives the file; undefined when it would be too long. Rejects when it cannot be written. */
  write(config: CapsuleConfig, name: CapsuleName, text: string): Promise<string | undefined> {
    const turn = this.#turn.then(() => this.#write(config, name, text));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** What was begun is written. */
  async close(): Promise<void> {
    await this.#turn;
  }

  async #write(
    { folder, filesMax, bytesMax }: CapsuleConfig,
    { filter, reason }: CapsuleName,
    text: string,
  ): Promise<string | undefined> {
    if (Buffer.byteLength(text) > bytesMax) return undefined;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Each has a millisecond of its own, since names tell the order.
    this.#lastMs = Math.max(Date.now(), this.#lastMs + 1);
    const at = new Date(this.#lastMs).toISOString().replaceAll(/[-:.]/g, "");
    const who = `${filter}-${reason}`.replaceAll(/[^\w.@-]/g, "_").slice(0, 128);
    const file = join(folder, `capsule-${at}-${who}-${process.pid}.json`);
    // Nobody reads half of one.
    await writeFile(`${file}.part`, text, { mode: 0o600, flag: "wx" });
    await rename(`${file}.part`, file);
    const own = (await readdir(folder)).filter((one) => OWN.test(one)).toSorted();
    for (const old of own.slice(0, Math.max(0, own.length - filesMax)))
      await rm(join(folder, old), { force: true });
    return file;
  }
}

/** Whatever else lies in the folder is left there. Their names tell their order. */
const OWN = /^capsule-\d{8}T\d{9}Z-.*\.json$/;

/** Filters come and go, and reasons are few. */
const KINDS_MAX = 1_024;
