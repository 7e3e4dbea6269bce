import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { Config } from "../config/config.ts";
import { loadConfig, placeInFile, readConfig, valuesInFile } from "../config/load.ts";
import { ConfigError, type Problem } from "../config/problem.ts";
import { REDACTED } from "./config-view.ts";
import { type FileStatus, Refusal } from "./control.ts";
import { restartNeeded } from "./differences.ts";
import { baseOf } from "./history.ts";

/** The configuration's file, as it was when it was last read, and what came of that. */
export class ConfigFile {
  /** Absolute; undefined when there is none. */
  readonly path: string | undefined;
  /** As the file had it when it was last in order. */
  #config: Config;
  #problems: readonly Problem[] = [];
  #refusal: string | null = null;
  /** What the variables stand for that the file has named so far. */
  readonly #hidden = new Set<string>();

  constructor(path: string | undefined, config: Config) {
    this.path = path;
    this.#config = config;
    this.#hide();
  }

  /** What is not to be shown, as it may be secret. */
  get hidden(): ReadonlySet<string> {
    return this.#hidden;
  }

  /** By its digest. */
  get base(): string {
    return baseOf(this.#config);
  }

  get isInOrder(): boolean {
    return this.#problems.length === 0 && this.#refusal === null;
  }

  /** Whether this is what the file said when it was last read, and it was in order. */
  isKnown(config: Config): boolean {
    return this.isInOrder && isDeepStrictEqual(config, this.#config);
  }

  /** A configuration's text, or the file as it is now. Throws a `Refusal` with all that is wrong with it. */
  read(text: string | undefined): Config {
    if (text === undefined && this.path === undefined)
      throw new Refusal("NO_FILE", "the host was started without a configuration file");
    this.#hide();
    try {
      return text === undefined ? loadConfig(this.path ?? TEXT) : readConfig(text, this.path ?? TEXT);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new Refusal("CONFIG_REFUSED", error.message, { cause: error, problems: error.problems });
    }
  }

  /** As it is now, whether it is in order or not. */
  text(): string {
    if (this.path === undefined)
      throw new Refusal("NO_FILE", "the host was started without a configuration file");
    try {
      return readFileSync(this.path, "utf8");
    } catch (error) {
      const { code = "unknown" } = error as NodeJS.ErrnoException;
      throw new Refusal("NO_FILE", `${this.path} cannot be read: ${code}`, { cause: error });
    }
  }

  validate(text: string): readonly Problem[] {
    try {
      this.read(text);
      return [];
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return error.problems;
    }
  }

  /** What the file says now is this. */
  says(config: Config): void {
    this.#config = config;
    this.#problems = [];
    this.#refusal = null;
  }

  /** What the file says now does not become live. */
  refused({ code, message, problems }: Refusal): void {
    // That another change came first is no fault of the file's.
    if (code === "GENERATION_CHANGED") return;
    this.#problems = problems;
    this.#refusal = problems.length === 0 ? message : null;
  }

  /** The process was made for some options, and serves on with what it has. Throws a `Refusal` with their places. */
  refuseRestart(live: Config, next: Config, isFile: boolean): void {
    const options = restartNeeded(live, next);
    if (options.length === 0) return;
    const { path: file } = this;
    const problems =
      isFile && file !== undefined
        ? options.map((option) => ({ ...placeInFile(file, option), sentence: NEEDS_RESTART }))
        : [];
    const places = problems.map(
      ({ line, column, path }) => `${file}:${line}:${column} ${path}: ${NEEDS_RESTART}`,
    );
    const message = places.length > 0 ? places.join("\n") : `${options.join(", ")}: ${NEEDS_RESTART}`;
    throw new Refusal("RESTART_NEEDED", message, { problems });
  }

  status(live: Config | undefined): FileStatus {
    return {
      path: this.path ?? null,
      differs: !this.isInOrder || (live !== undefined && !isDeepStrictEqual(this.#config, live)),
      problems: this.#problems.map((problem) => ({ ...problem, sentence: this.#shown(problem.sentence) })),
      refusal: this.#refusal === null ? null : this.#shown(this.#refusal),
    };
  }

  #hide(): void {
    if (this.path === undefined) return;
    for (const value of valuesInFile(this.path)) this.#hidden.add(value);
  }

  #shown(sentence: string): string {
    return [...this.#hidden].reduce((text, value) => text.replaceAll(value, REDACTED), sentence);
  }
}

export const NEEDS_RESTART = "only a restart changes it, or SIGUSR2, which loses no request";

/** What a text without a file is called in messages. */
const TEXT = "sluice.yaml";
