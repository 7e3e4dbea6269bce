import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { waitFor, within } from "../support/waiting.ts";

const WAIT_MS_MAX = 20_000;

/** A command of a shell on a terminal of its own, by script(1). */
export class Terminal implements AsyncDisposable {
  /** All that it was told. */
  text = "";
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #ended: Promise<unknown[]>;

  constructor(command: string, env: NodeJS.ProcessEnv = process.env) {
    this.#child = spawn("script", ["-qefc", `stty rows 24 cols 100; ${command}`, "/dev/null"], {
      env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout.setEncoding("utf8").on("data", (piece: string) => {
      this.text += piece;
    });
    this.#ended = once(this.#child, "close");
  }

  async shows(what: string): Promise<void> {
    await waitFor(`the terminal shows "${what}"`, () => this.text.includes(what), WAIT_MS_MAX);
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** The exit code of the command, when it has ended by itself. */
  async end(): Promise<unknown> {
    const [code] = await within("the command on the terminal ends", this.#ended, WAIT_MS_MAX);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
