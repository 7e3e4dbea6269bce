import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/config.ts";

/** A generation as it is kept: all that is needed to make it live again. */
export interface GenerationRecord {
  readonly number: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** Who asked for it. */
  readonly by: string;
  /** What is different from the one before it, a sentence each. */
  readonly changes: readonly string[];
  readonly config: Config;
  /** By filter, and by `<filter>@candidate`. */
  readonly digests: Readonly<Record<string, string>>;
  /** The configuration, as it was read from its file, on which it is based. */
  readonly base: string;
  /** What a configuration is made of, in this version of the host. */
  readonly form: typeof RECORD_FORM;
}

/** Raised when a `Config` of an earlier version is none any more: then its generations are forgotten. */
export const RECORD_FORM = 2;

/** The state on disk cannot be written, so that a change would not outlive the process. */
export class HistoryFailed extends Error {
  override readonly name = "HistoryFailed";
}

/**
 * The generations that were live, on disk: a file for each. The newest one is the live one, so that one renaming makes the change: a
 * process that is killed at any moment leaves the old generation or the new one. Each is written aside and forced to the disk before.
 */
export class History {
  readonly #folder: string | undefined;
  #records: GenerationRecord[];
  /** Files that go with the next change. */
  #forgotten: readonly string[];

  private constructor(
    folder: string | undefined,
    records: GenerationRecord[],
    forgotten: readonly string[] = [],
  ) {
    this.#folder = folder;
    this.#records = records;
    this.#forgotten = forgotten;
  }

  /** Without a folder it lasts as long as the process. */
  static async open(folder: string | undefined): Promise<History> {
    if (folder === undefined) return new History(undefined, []);
    const records = await readRecords(folder);
    const names = await recordNames(folder);
    const newest = records.at(-1);
    if (names.length === 0 || (newest !== undefined && names.at(-1) === fileOf(newest.number)))
      return new History(folder, records);
    // The one that was live is damaged: no earlier one is to take its place as if nothing had been.
    return new History(folder, [], names);
  }

  /** Oldest first. */
  get records(): readonly GenerationRecord[] {
    return this.#records;
  }

  /** The last one that was live. */
  get live(): GenerationRecord | undefined {
    return this.#records.at(-1);
  }

  find(number: number): GenerationRecord | undefined {
    return this.#records.find((record) => record.number === number);
  }

  /** This one is live from now on. When it rejects, the one before still is. */
  async append(record: GenerationRecord): Promise<void> {
    const kept = [...this.#records, record].slice(-KEPT);
    if (this.#folder !== undefined) {
      try {
        await mkdir(this.#folder, { recursive: true, mode: 0o700 });
        await write(this.#folder, fileOf(record.number), JSON.stringify(record));
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? String(error);
        throw new HistoryFailed(`the state in ${this.#folder} cannot be written (${code})`, { cause: error });
      }
    }
    const old = this.#records.filter((other) => !kept.includes(other)).map(({ number }) => fileOf(number));
    const gone = [...old, ...this.#forgotten.filter((name) => name !== fileOf(record.number))];
    this.#records = kept;
    this.#forgotten = [];
    if (this.#folder === undefined) return;
    for (const name of gone) await rm(join(this.#folder, name), { force: true }).catch(() => {});
  }
}

/** What a generation is based on: equal for configurations that were read alike. */
export function baseOf(config: Config): string {
  return createHash("sha256").update(JSON.stringify(config)).digest("hex");
}

/** The folder of a configuration file's generations, among those of others. */
export function stateFolder(artifacts: string, file: string): string {
  return join(artifacts, "state", createHash("sha256").update(file).digest("hex").slice(0, 16));
}

/** Digests that any configuration's kept generations name. */
export async function namedDigests(artifacts: string): Promise<Set<string>> {
  const folder = join(artifacts, "state");
  const names = await readdir(folder).catch(() => []);
  const all = await Promise.all(names.map((name) => readRecords(join(folder, name))));
  return new Set(all.flat().flatMap(({ digests }) => Object.values(digests)));
}

async function readRecords(folder: string): Promise<GenerationRecord[]> {
  const names = await recordNames(folder);
  const texts = names.map((name) => readFile(join(folder, name), "utf8").catch(() => ""));
  const records = (await Promise.all(texts)).flatMap((text) => {
    const record = parse(text) as GenerationRecord | undefined;
    return record?.form === RECORD_FORM ? [record] : [];
  });
  return records.toSorted((one, other) => one.number - other.number);
}

/** Oldest first. */
async function recordNames(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => RECORD.test(name)).toSorted();
}

/** What somebody has damaged counts as not there. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function write(folder: string, name: string, content: string): Promise<void> {
  const staged = join(folder, `.${name}.${process.pid}`);
  // A configuration holds what variables stood for.
  const file = await open(staged, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(staged, join(folder, name));
  try {
    await syncFolder(folder);
  } catch (error) {
    // It would be live after the next start, and is refused now.
    await rm(join(folder, name), { force: true });
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function fileOf(number: number): string {
  return `${String(number).padStart(10, "0")}.json`;
}

const RECORD = /^\d{10}\.json$/;

/** As many generations as can be returned to. */
const KEPT = 50;
