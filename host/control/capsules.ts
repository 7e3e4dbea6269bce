import type { Logger } from "pino";
import type { ComponentStore } from "../filter/component-store.ts";
import type { SymbolReader } from "../filter/symbols.ts";
import { CapsuleFolder } from "../record/capsule-folder.ts";
import type { CapsuleMessage } from "../record/capsule-taker.ts";
import { encodeCapsule } from "../record/record-file.ts";
import { asFilter, candidateOf } from "../trial/trial.ts";
import type { FilterConfig } from "../config/config.ts";
import type { Changes, Live } from "./changes.ts";
import type { ConfigFile } from "./config-file.ts";
import { headerOf } from "./recordings.ts";
import { servedBy } from "./served.ts";

/** Keeps failures that workers tell of. No exchange waits for it, and what goes wrong with it is a line of the log. */
export class Capsules {
  readonly #folder = new CapsuleFolder();
  readonly #changes: Changes;
  readonly #file: ConfigFile;
  readonly #symbols: SymbolReader;
  readonly #components: ComponentStore;
  readonly #logger: Logger;
  /** So far. */
  readonly kept: { written: number; dropped: number } = { written: 0, dropped: 0 };
  #writing: Promise<unknown> = Promise.resolve();

  constructor(
    changes: Changes,
    file: ConfigFile,
    symbols: SymbolReader,
    components: ComponentStore,
    logger: Logger,
  ) {
    this.#changes = changes;
    this.#file = file;
    this.#symbols = symbols;
    this.#components = components;
    this.#logger = logger;
  }

  /** Never rejects. */
  keep(message: CapsuleMessage): Promise<void> {
    const { filter, reason } = message;
    const written = this.#keep(message).catch((error: unknown) => {
      this.kept.dropped += 1;
      this.#logger.error({ filter, reason, err: error }, "capsule not written");
    });
    this.#writing = Promise.all([this.#writing, written]);
    return written;
  }

  /** What workers have told of is on disk. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#folder.close();
  }

  async #keep({ filter, digest, reason, frames, exchange }: CapsuleMessage): Promise<void> {
    const { live } = this.#changes;
    const capsules = live?.config.capsules;
    const entry = live && entryOf(live, filter);
    // Of a version that was swapped a moment ago the config is known no more.
    if (!live || !capsules || entry === undefined || live.loaded.artifacts[filter]?.digest !== digest) return;
    if (!this.#folder.admits({ filter, reason })) return;
    const line = await this.#symbols.complete("{}", servedBy(live, digest, this.#components), frames);
    const { stack } = JSON.parse(line) as { stack: string[] };
    const { headers, bodies } = capsules;
    const rules = { headers, bodies };
    const header = headerOf(live, entry, digest, rules, this.#file.hidden);
    const text = encodeCapsule(header, { reason, stack }, exchange);
    const file = await this.#folder.write(capsules, { filter, reason }, text);
    this.kept[file === undefined ? "dropped" : "written"] += 1;
    if (file === undefined) this.#logger.warn({ filter, reason }, "capsule not written: it is too long");
    else this.#logger.info({ filter, reason, file }, "capsule written");
  }
}

/** Under the name of a candidate, as it is tried. */
function entryOf({ config }: Live, name: string): FilterConfig | undefined {
  for (const entry of config.filters) {
    if (entry.name === name) return entry;
    if (entry.candidate !== null && candidateOf(entry.name) === name) return asFilter(entry, entry.candidate);
  }
  return undefined;
}
