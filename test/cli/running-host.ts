import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { AdminClient } from "../../host/control/admin-client.ts";
import type { Status } from "../../host/control/control.ts";
import { type Outcome, sluice, startSluice } from "./command.ts";

const WAIT_MS_MAX = 20_000;

/** A real component, which any config suits. */
const COMPONENT: Buffer = readFileSync(new URL("../../.sluice/filters/headers.wasm", import.meta.url));

/** The same filter as another artifact: a custom section at the end changes the digest and nothing else. */
export function component(version: string): Buffer {
  const name = Buffer.from(`version-${version}`);
  return Buffer.concat([COMPONENT, Buffer.from([0, name.length + 1, name.length]), name]);
}

export interface Line {
  readonly msg?: string;
  readonly [member: string]: unknown;
}

export interface RunningOptions {
  /** Listening sockets that it is given, as systemd does, with their names. Here they are closed. */
  readonly sockets?: readonly (readonly [name: string, socket: NetServer])[];
  readonly env?: Readonly<Record<string, string>>;
}

/** `sluice run` as a process of its own, in a folder with a configuration, before an upstream of the test's. */
export class RunningHost implements AsyncDisposable {
  readonly folder: string;
  readonly lines: Line[] = [];
  readonly #upstream: Server;
  readonly #options: RunningOptions;
  #child: ChildProcess;
  /** Of the process that serves: the child, or one that has taken its place. */
  #pid: number;
  #over = false;
  #reader: Interface;
  #exited: Promise<unknown[]>;
  #ended: Promise<unknown[]>;
  #wake = Promise.withResolvers<void>();

  private constructor(folder: string, upstream: Server, options: RunningOptions) {
    this.folder = folder;
    this.#upstream = upstream;
    this.#options = options;
    const { child, reader } = this.#begin();
    this.#child = child;
    this.#reader = reader;
    this.#pid = child.pid as number;
    this.#ended = once(child, "close");
    this.#exited = once(child, "exit");
  }

  #begin(): { child: ChildProcess; reader: Interface } {
    const child = startSluice(["run"], { cwd: this.folder, ...this.#options });
    const reader = createInterface(child.stderr).on("line", (line) => {
      this.lines.push(line.startsWith("{") ? (JSON.parse(line) as Line) : { msg: line });
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    });
    this.#over = false;
    child.on("close", () => {
      this.#over = true;
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    });
    return { child, reader };
  }

  /** Ends the process, and resolves when it has ended. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.signal(signal);
    await this.end();
  }

  /** Starts another process in the same folder, once the one before has ended. Resolves when it serves. */
  async again(): Promise<void> {
    const seen = this.lines.length;
    const { child, reader } = this.#begin();
    this.#child = child;
    this.#reader = reader;
    this.#pid = child.pid as number;
    this.#ended = once(child, "close");
    this.#exited = once(child, "exit");
    await this.line("serving", seen);
  }

  /** Resolves when it serves. */
  static async start(
    answer: RequestListener,
    parts: object = {},
    options: RunningOptions = {},
  ): Promise<RunningHost> {
    const folder = mkdtempSync(join(tmpdir(), "sluice-run-"));
    const upstream = createServer(answer).listen(0, "127.0.0.1");
    await once(upstream, "listening");
    writeFileSync(join(folder, "marks.wasm"), component("1"));
    writeConfig(folder, `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, parts);
    const host = new RunningHost(folder, upstream, options);
    try {
      await host.line("serving");
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Of the process that serves. */
  get pid(): number {
    return this.#pid;
  }

  /** Where clients connect, as the log says. */
  get url(): string {
    const [address] = (this.lines.findLast(({ msg }) => msg === "serving")?.["listen"] ?? []) as string[];
    return `http://${address}`;
  }

  /** The first line that begins with this message, of those after `from`, which must come. */
  line(message: string, from = 0): Promise<Line> {
    return this.#lineWith(`no line "${message}"`, ({ msg }) => msg?.startsWith(message) === true, from);
  }

  /** The last line of one of the processes. */
  stopped(pid: number): Promise<Line> {
    return this.#lineWith(`${pid} has not stopped`, (line) => line.msg === "stopped" && line["pid"] === pid);
  }

  async #lineWith(complaint: string, wanted: (line: Line) => boolean, from = 0): Promise<Line> {
    const late = AbortSignal.timeout(WAIT_MS_MAX);
    const lateness = once(late, "abort");
    for (;;) {
      const found = this.lines.slice(from).find(wanted);
      if (found !== undefined) return found;
      assert.ok(!late.aborted && !this.#over, this.#story(complaint));
      await Promise.race([this.#wake.promise, lateness]);
    }
  }

  /** Runs another command in the host's folder, which finds it by its sluice.yaml. */
  command(...words: string[]): Promise<Outcome> {
    return sluice(words, { cwd: this.folder });
  }

  /** What the host says of itself, asked without the detour of a command. */
  async status(): Promise<Status> {
    const client = new AdminClient({ kind: "unix", path: join(this.folder, "admin.sock") });
    try {
      return await client.status();
    } finally {
      await client.close();
    }
  }

  /** Leaves what the host says from now on in the pipe. */
  stopReading(): void {
    this.#reader.pause();
    // What comes in the end may be cut off anywhere.
    this.#reader.removeAllListeners("line");
  }

  /** The exit code of the first process, whatever of its log has been read. */
  async exit(): Promise<unknown> {
    const late = AbortSignal.timeout(WAIT_MS_MAX);
    const [code] = await Promise.race([this.#exited, once(late, "abort")]);
    assert.ok(!late.aborted, this.#story("it did not exit"));
    this.#child.stderr?.resume();
    return code;
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.#pid, name);
  }

  /** Has another process take the place of the one that serves; resolves with its id when it serves. */
  async upgrade(): Promise<number> {
    const seen = this.lines.length;
    this.signal("SIGUSR2");
    const { pid } = await this.line("serving", seen);
    this.#pid = pid as number;
    // Until then both processes have the admin socket, and either may answer.
    await this.line("draining: a successor serves", seen);
    return this.#pid;
  }

  /** The exit code of the first process, once it and all that came after it have ended by themselves. */
  async end(): Promise<unknown> {
    const late = AbortSignal.timeout(WAIT_MS_MAX);
    const [code] = await Promise.race([this.#ended, once(late, "abort")]);
    assert.ok(!late.aborted, this.#story("it did not end"));
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stderr?.resume();
    try {
      this.signal("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    if (this.#child.exitCode === null) this.#child.kill("SIGKILL");
    await this.#ended;
    this.#upstream.closeAllConnections();
    this.#upstream.close();
    rmSync(this.folder, { recursive: true });
  }

  #story(what: string): string {
    return `${what}; it said:\n${this.lines.map((line) => JSON.stringify(line)).join("\n")}`;
  }
}

function writeConfig(folder: string, upstream: string, parts: object): void {
  const config = {
    listen: ["127.0.0.1:0"],
    admin: "unix:admin.sock",
    workers: 1,
    // Longer than any test: what ends sooner has ended by itself, or been broken off.
    timeouts: { drain: "10m" },
    upstreams: { echo: { servers: [upstream] } },
    filters: { marks: { component: "marks.wasm", config: {} } },
    routes: [{ match: { path: "/*" }, filters: ["marks"], upstream: "echo" }],
    ...parts,
  };
  // JSON is YAML.
  writeFileSync(join(folder, "sluice.yaml"), JSON.stringify(config));
}
