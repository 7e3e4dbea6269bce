import type { Logger } from "pino";
import type { ComponentStore } from "../filter/component-store.ts";
import type { SymbolReader } from "../filter/symbols.ts";
import type { Kept } from "../ops/host-samples.ts";
import type { CapsuleMessage } from "../record/capsule-taker.ts";
import type { RecordRequest } from "../record/record-request.ts";
import type { RecordedLines } from "../record/worker-recordings.ts";
import { Capsules } from "./capsules.ts";
import type { Changes } from "./changes.ts";
import type { ConfigFile } from "./config-file.ts";
import { Refusal } from "./control.ts";
import { filterOf } from "./edits.ts";
import type { Members } from "./members.ts";
import { headerOf, type Recording, Recordings } from "./recordings.ts";

/** What workers record of exchanges: recordings that somebody has asked for, and failures that are kept. */
export class Records {
  readonly #recordings: Recordings;
  readonly #capsules: Capsules;
  readonly #changes: Changes;
  readonly #file: ConfigFile;

  constructor(
    members: Members,
    changes: Changes,
    file: ConfigFile,
    symbols: SymbolReader,
    components: ComponentStore,
    logger: Logger,
  ) {
    this.#changes = changes;
    this.#file = file;
    this.#recordings = new Recordings(members);
    this.#capsules = new Capsules(changes, file, symbols, components, logger);
  }

  /** How much of both has been kept so far. */
  get kept(): { readonly recorded: Kept; readonly capsules: Kept } {
    return { recorded: this.#recordings.kept, capsules: this.#capsules.kept };
  }

  heard(message: RecordedLines | CapsuleMessage): void {
    if (message.kind === "recorded") this.#recordings.heard(message);
    else void this.#capsules.keep(message);
  }

  /** Rejects with FILTER_UNKNOWN or RECORDING_REFUSED. */
  async record(name: string, request: RecordRequest): Promise<Recording> {
    const { live } = this.#changes;
    const { hidden } = this.#file;
    if (live === undefined) throw new Refusal("HOST_UNAVAILABLE", "the host does not serve yet");
    const entry = filterOf(live.config, name);
    const digest = live.loaded.artifacts[name]?.digest ?? "";
    const header = headerOf(live, entry, digest, request, hidden);
    return this.#recordings.begin(header, request);
  }

  /** Another generation is live: what is recorded is served no more. */
  changed(): void {
    this.#recordings.end("generation");
  }

  /** What workers have told of is written. */
  async close(): Promise<void> {
    this.#recordings.end("stopped");
    await this.#capsules.close();
  }
}
