import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a process has used since it started. */
export interface CpuTime {
  readonly totalMs: number;
  /** By thread: one worker of a proxy is one of them. */
  readonly threads: ReadonlyMap<string, number>;
}

/** A server that the benchmark runs beside itself. It ends with the benchmark, however that ends. */
export class Child {
  readonly name: string;
  readonly port: number;
  readonly #log: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;

  private constructor(name: string, port: number, log: string, command: readonly string[]) {
    const [file = "", ...args] = command;
    this.name = name;
    this.port = port;
    this.#log = log;
    // Into a file, as in service: reading along would take time from what is measured.
    const output = openSync(log, "a");
    this.#process = spawn(file, args, { stdio: ["ignore", output, output] });
    closeSync(output);
    running.add(this.#process);
    this.#exited = new Promise((resolve, reject) => {
      this.#process.on("error", reject);
      this.#process.on("close", () => {
        running.delete(this.#process);
        resolve();
      });
    });
  }

  /** Resolves when the process accepts connections at `port`. What it prints is in the file `log`. */
  static async start(name: string, port: number, log: string, command: readonly string[]): Promise<Child> {
    const child = new Child(name, port, log, command);
    await child.#listens();
    return child;
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    const late = setTimeout(() => this.#process.kill("SIGKILL"), STOP_MS);
    await this.#exited;
    clearTimeout(late);
  }

  /** Of the process and those that it has started: nginx serves in a process of its own. */
  cpu(): CpuTime {
    const threads = new Map<string, number>();
    for (const pid of tree(String(this.#process.pid))) {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        // Nanoseconds on a processor, where /proc/PID/stat has ticks of ten milliseconds.
        const [ran = "0"] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
        threads.set(thread, Number(ran) / 1e6);
      }
    }
    let totalMs = 0;
    for (const ms of threads.values()) totalMs += ms;
    return { totalMs, threads };
  }

  async #listens(): Promise<void> {
    const until = performance.now() + START_MS;
    while (!(await accepts(this.port))) {
      if (this.#process.exitCode !== null || performance.now() > until) {
        throw new Error(
          `${this.name} does not listen on port ${this.port}:\n${readFileSync(this.#log, "utf8")}`,
        );
      }
      await Promise.race([this.#exited, new Promise((resolve) => setTimeout(resolve, RETRY_MS))]);
    }
  }
}

/** A port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A folder for the files of this run. */
export function runFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  folders.add(folder);
  return folder;
}

/** Makes a benchmark leave nothing behind, however it ends. To be called once, before the first child. */
export function cleanUpAtExit(): void {
  process.on("exit", () => {
    for (const child of running) child.kill("SIGTERM");
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));
}

/** A process that ends by itself. Gives what it printed; rejects when it fails. */
export async function output(command: readonly string[]): Promise<string> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  }).finally(() => running.delete(child));
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${printed}`);
  return printed;
}

const running = new Set<ChildProcess>();
const folders = new Set<string>();

function tree(pid: string): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  return [pid, ...children.filter((child) => child !== "").flatMap(tree)];
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** The first start of a host transpiles its components. */
const START_MS = 60_000;
const STOP_MS = 5_000;
const RETRY_MS = 20;
