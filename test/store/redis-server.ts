import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { aptGet } from "../support/apt.ts";
import { waitFor } from "../support/waiting.ts";

/** What a person types who wants to run these tests. */
export const INSTALL = "apt-get install -y --no-install-recommends redis-server";

/** Whether there is one: on the PATH, or installed now where that is allowed. */
export function hasRedisServer(): boolean {
  if (works()) return true;
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) return false;
  // The package's script would start a server of its own: at this runlevel it does not.
  const env = { ...process.env, RUNLEVEL: "1", DEBIAN_FRONTEND: "noninteractive" };
  const run = (...words: string[]): boolean =>
    spawnSync(...aptGet(...words), { env, stdio: "ignore" }).status === 0;
  const install = (): boolean => run(...INSTALL.split(" ").slice(1));
  if (!install()) run("update");
  return works() || (install() && works());
}

function works(): boolean {
  return spawnSync("redis-server", ["--version"], { stdio: "ignore" }).status === 0;
}

/** A server of its own, that keeps nothing. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
    this.#folder = mkdtempSync(join(tmpdir(), "sluice-redis-"));
  }

  static async start(): Promise<RedisServer> {
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const server = new RedisServer((probe.address() as AddressInfo).port);
    probe.close();
    await once(probe, "close");
    await server.begin();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Resolves when it answers. */
  async begin(): Promise<void> {
    const words = ["--bind", "127.0.0.1", "--save", "", "--dir", this.#folder];
    this.#process = spawn("redis-server", ["--port", String(this.port), ...words], { stdio: "ignore" });
    await waitFor("the store's server", () =>
      this.ask("PING").then(
        (answer) => answer === "PONG",
        () => false,
      ),
    );
  }

  async ask(...words: string[]): Promise<unknown> {
    const client = createClient({ url: this.url, socket: { reconnectStrategy: false } });
    client.on("error", () => {});
    await client.connect();
    try {
      return await client.sendCommand(words);
    } finally {
      client.destroy();
    }
  }

  /** Its connections break. */
  async end(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return;
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await closed;
  }

  /** It takes connections and answers nothing. */
  halt(): void {
    this.#process?.kill("SIGSTOP");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
