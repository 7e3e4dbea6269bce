import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RawClient, request } from "../support/raw-client.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { within } from "../support/waiting.ts";

const ROUNDS = 20;
const MAIN = join(import.meta.dirname, "..", "..", "host", "cli", "main.ts");

test(`a new process takes the port over ${ROUNDS} times under load, and no request fails`, async () => {
  await using upstream = await Upstream.start(() => ok("served"));
  const folder = mkdtempSync(join(tmpdir(), "sluice-take-over-"));
  const processes: ChildProcess[] = [];
  try {
    let { child, port } = await start(folder, upstream.origin, 0);
    processes.push(child);
    const load = new Load(port);
    for (let round = 0; round < ROUNDS; round++) {
      const next = await start(folder, upstream.origin, port);
      processes.push(next.child);
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      expect(await within("the end of the process before", exit, 30_000)).toEqual([0, null]);
      child = next.child;
    }
    const { served, failed } = await load.stop();
    expect(failed).toEqual([]);
    expect(served).toBeGreaterThan(ROUNDS * 10);
    child.kill("SIGTERM");
    await once(child, "exit");
  } finally {
    for (const child of processes) child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
}, 240_000);

/** Resolves when the process serves. */
async function start(
  folder: string,
  origin: string,
  port: number,
): Promise<{ child: ChildProcess; port: number }> {
  const file = join(folder, `sluice-${port}.yaml`);
  const config = {
    listen: [`127.0.0.1:${port}`],
    admin: false,
    workers: 2,
    store: join(folder, "store"),
    log: { exchanges: false },
    upstreams: { main: { servers: [origin] } },
    routes: [{ upstream: "main" }],
  };
  writeFileSync(file, JSON.stringify(config));
  const child = spawn(process.execPath, [MAIN, "run", "-c", file], { stdio: ["ignore", "inherit", "pipe"] });
  let said = "";
  const bound = new Promise<number>((resolve, reject) => {
    child.stderr?.on("data", (data) => {
      said += String(data);
      const found = /127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (found !== undefined && said.includes("\n")) resolve(Number(found));
    });
    child.once("exit", () => reject(new Error(`it ended: ${said}`)));
  });
  return { child, port: await within("a process that serves", bound, 30_000) };
}

/** Clients that keep their connections as long as they may, and clients that take a new one for each request. */
class Load {
  served = 0;
  readonly failed: string[] = [];
  readonly #port: number;
  readonly #clients: Promise<void>[];
  #stopping = false;

  constructor(port: number) {
    this.#port = port;
    this.#clients = [1, 2, 3, 4].flatMap(() => [this.#keeping(), this.#renewing()]);
  }

  async stop(): Promise<{ served: number; failed: readonly string[] }> {
    this.#stopping = true;
    await Promise.all(this.#clients);
    return { served: this.served, failed: this.failed };
  }

  async #keeping(): Promise<void> {
    while (!this.#stopping) {
      const client = await this.#connect();
      let closing = client === undefined;
      while (!closing && client !== undefined) closing = await this.#ask(client, this.#stopping);
      client?.destroy();
    }
  }

  async #renewing(): Promise<void> {
    while (!this.#stopping) {
      const client = await this.#connect();
      if (client !== undefined) await this.#ask(client, true);
      client?.destroy();
    }
  }

  async #connect(): Promise<RawClient | undefined> {
    try {
      return await RawClient.connect({ host: "127.0.0.1", port: this.#port });
    } catch (error) {
      this.failed.push(`connect: ${String(error)}`);
      return undefined;
    }
  }

  /** Whether this was the connection's last request. */
  async #ask(client: RawClient, last: boolean): Promise<boolean> {
    try {
      const { body, head } = await client.ask(request("/", last ? ["Connection: close"] : []));
      if (body.toString() === "served") this.served += 1;
      else this.failed.push(head.startLine);
      return last || head.one("connection") === "close";
    } catch (error) {
      this.failed.push(`ask: ${String(error)}`);
      return true;
    }
  }
}
