import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { waitFor } from "../support/waiting.ts";

export const ROOT: string = join(import.meta.dirname, "..", "..");
const SCRIPT = join(ROOT, "scripts", "quickstart.ts");

/** It builds the filters first, as the set-up of the tests has done, and may have to wait for another build's lock. */
const START_MS_MAX = 120_000;

/** `npm start` as a process of its own, on ports that the system chooses. */
export class RunningQuickstart implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown[]>;
  #output = "";

  constructor(...words: string[]) {
    this.#child = spawn(process.execPath, [SCRIPT, ...words], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#closed = once(this.#child, "close");
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
      });
    }
  }

  static async serving(): Promise<RunningQuickstart> {
    const quickstart = new RunningQuickstart("--port", "0", "--admin-port", "0");
    await waitFor(
      "the quickstart's instructions",
      () => {
        assert.equal(quickstart.#child.exitCode, null, `it has ended:\n${quickstart.#output}`);
        return quickstart.#output.includes("Ctrl-C ends it.");
      },
      START_MS_MAX,
    );
    return quickstart;
  }

  /** Both streams, as a terminal shows them. */
  get output(): string {
    return this.#output;
  }

  /** The commands that it prints to be tried, in order, word by word as a shell takes them. */
  get commands(): string[][] {
    const lines = this.#output.split("\n").filter((line) => /^ {3}(curl|npx) /.test(line));
    return lines.map(words);
  }

  /** Where clients connect, host and port. */
  get listen(): string {
    return /^sluice serves http:\/\/([^,]+),/m.exec(this.#output)?.[1] ?? "";
  }

  get admin(): string {
    return /^Metrics: http:\/\/([^/]+)\//m.exec(this.#output)?.[1] ?? "";
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The exit code, once the process has ended by itself. */
  async end(): Promise<unknown> {
    const [code] = await this.#closed;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill("SIGKILL");
    await this.#closed;
  }
}

/** A line as a shell reads it that knows single quotes and nothing else. */
export function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

/** What curl would send, sent: not every machine has curl. */
export async function curl([program, ...args]: readonly string[]): Promise<Response> {
  if (program !== "curl") throw new Error(`${program} is not curl`);
  const headers = new Headers({ "user-agent": "curl/8.7.1" });
  const request: RequestInit & { headers: Headers } = { headers };
  let url = "";
  while (args.length > 0) {
    const word = args.shift() as string;
    if (word === "-i") continue;
    else if (word === "-X") request.method = args.shift() as string;
    else if (word === "-d") request.body = args.shift() as string;
    else if (word === "-A") headers.set("user-agent", args.shift() as string);
    else if (word === "-H") {
      const [name = "", value = ""] = (args.shift() as string).split(/:\s*/, 2);
      headers.set(name, value);
    } else if (word.startsWith("http://")) url = word;
    else throw new Error(`curl's ${word} is not known here`);
  }
  return fetch(url, request);
}

/** What `npx sluice …` runs in the repository. Rejects when the command fails. */
export async function npxSluice([program, name, ...args]: readonly string[]): Promise<{ stdout: string }> {
  if (program !== "npx" || name !== "sluice") throw new Error(`${program} ${name} is not npx sluice`);
  return promisify(execFile)(process.execPath, [join(ROOT, "bin", "sluice.js"), ...args], { cwd: ROOT });
}
