import assert from "node:assert/strict";
import { type ChildProcess, execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createProject } from "../../host/kit/project.ts";
import { startSluice } from "../cli/command.ts";
import { waitFor, within } from "../support/waiting.ts";

const ROOT = join(import.meta.dirname, "..", "..");

/** The same at each run: cargo would keep what it builds for each folder. */
const FOLDER = join(tmpdir(), `sluice-dev-${createHash("sha256").update(ROOT).digest("hex").slice(0, 12)}`);

/** That of `template.test.ts`: what filters depend on is built once for all. */
export const CARGO: { readonly CARGO_TARGET_DIR: string } = {
  CARGO_TARGET_DIR: join(process.env["CARGO_TARGET_DIR"] ?? join(ROOT, "target"), "kit"),
};

/** Of one build, on a machine that is busy with others. */
const BUILD_MS_MAX = 25_000;

/** A project of a template, as `sluice new` makes it, with what it depends on built. */
export class DevProject {
  readonly folder: string;
  /** As the template has it. */
  readonly source: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.source = readFileSync(join(folder, "src/lib.rs"), "utf8");
  }

  static async create(name: string, template: "headers" | "body"): Promise<DevProject> {
    mkdirSync(FOLDER, { recursive: true });
    rmSync(join(FOLDER, name), { recursive: true, force: true });
    const { folder } = createProject({ name, template, within: FOLDER });
    // The versions that this repository is tested with, so that no registry is asked for newer ones.
    copyFileSync(join(ROOT, "Cargo.lock"), join(folder, "Cargo.lock"));
    const project = new DevProject(folder);
    const words = ["build", "--release", "--target", "wasm32-wasip2", ...AS_SLUICE_BUILDS];
    await promisify(execFile)("cargo", words, { cwd: folder, env: { ...process.env, ...CARGO } });
    return project;
  }

  save(source: string): void {
    writeFileSync(join(this.folder, "src/lib.rs"), source);
  }

  /** Which processes work in its folder, by the names of their programs. */
  get processes(): string[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((id) => {
        try {
          const here = readlinkSync(`/proc/${id}/cwd`) === this.folder;
          return here ? [readFileSync(`/proc/${id}/comm`, "utf8").trim()] : [];
        } catch {
          // It has ended meanwhile, or is somebody else's.
          return [];
        }
      });
  }
}

const AS_SLUICE_BUILDS = [
  "--config",
  "profile.release.strip=false",
  "--config",
  'profile.release.debug="line-tables-only"',
];

/** `sluice dev` as a process of its own, without a terminal. */
export class RunningDev implements AsyncDisposable {
  /** All that it has said, on both streams. */
  text = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  constructor(folder: string, ...words: string[]) {
    const child = startSluice(["dev", "--port", "0", ...words], { cwd: folder, env: CARGO });
    this.#child = child;
    this.#ended = once(child, "close");
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.text += text;
      });
  }

  /** Resolves when it serves. */
  static async serving(folder: string, ...words: string[]): Promise<RunningDev> {
    const dev = new RunningDev(folder, ...words);
    await dev.says("generation 1 serves it");
    return dev;
  }

  /** What it says comes once more than it has so far, or than `from` has it. */
  async says(what: string | RegExp, from = 0): Promise<void> {
    await waitFor(
      `it says ${what}`,
      () => {
        const text = this.text.slice(from);
        const said = typeof what === "string" ? text.includes(what) : what.test(text);
        if (!said) assert.equal(this.#child.exitCode, null, `it has ended:\n${this.text}`);
        return said;
      },
      BUILD_MS_MAX,
    ).catch((error: Error) => assert.fail(`${error.message}; it said:\n${this.text}`));
  }

  count(what: string): number {
    return this.text.split(what).length - 1;
  }

  async get(path: string): Promise<Response> {
    const address = /serves (http:\/\/\S+) /.exec(this.text)?.[1] ?? "";
    // A connection that is kept would outlive the test.
    return fetch(address + path, { headers: { connection: "close" } });
  }

  /** The exit code after a signal. */
  async end(signal: NodeJS.Signals): Promise<unknown> {
    this.#child.kill(signal);
    const [code] = await within("sluice dev ends", this.#ended);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
