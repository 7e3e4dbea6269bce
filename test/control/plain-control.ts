import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  type Control,
  type FilterStatus,
  Refusal,
  type Status,
  type SwapRequest,
  type SwapResult,
} from "../../host/control/control.ts";

import type { ServerView } from "../../host/ops/server-meter.ts";

/** Keeps filters as files with digests and runs nothing: what the operator's side needs of a host, and no more. */
export class PlainControl implements Control {
  generation = 1;
  ready = true;
  /** The config of each filter, as the last swap left it. */
  readonly configs: Map<string, unknown> = new Map();
  /** Workers that do not call a filter; to be set before `add`. */
  readonly quarantined: Map<string, number> = new Map();
  readonly #filters = new Map<string, FilterStatus>();

  /** Thrown by every call, when it is set. */
  failure: Error | undefined;
  /** Called by each swap, which waits for it, when it is set. */
  gate: (() => Promise<void>) | undefined;

  add(name: string, component: string, digest: string): void {
    this.#filters.set(name, {
      name,
      component,
      digest,
      path: "direct",
      phases: ["request", "end"],
      onFailure: "closed",
      quarantined: this.quarantined.get(name) ?? 0,
    });
  }

  status(): Status {
    if (this.failure !== undefined) throw this.failure;
    return {
      version: "0.1.0",
      pid: process.pid,
      startedAt: Date.now() - 65_000,
      generation: this.generation,
      listen: ["127.0.0.1:8080"],
      workers: [
        { id: 1, state: "serving" },
        { id: 2, state: this.ready ? "serving" : "starting" },
      ],
      filters: [...this.#filters.values()],
      routes: [{ name: "api", filters: [...this.#filters.keys()], upstream: "echo" }],
      upstreams: [{ name: "echo", servers: ["http://127.0.0.1:9000", "http://echo.test:80"] }],
    };
  }

  servers(): Promise<ServerView[]> {
    const one = { upstream: "echo", server: "http://127.0.0.1:9000", address: "" };
    const two = { upstream: "echo", server: "http://echo.test:80", address: "192.0.2.7" };
    return Promise.resolve([
      { ...one, states: { healthy: 2 }, inFlight: 3, pending: 0, connections: 8 },
      { ...two, states: { healthy: 1, ejected: 1 }, inFlight: 0, pending: 1, connections: 0 },
    ]);
  }

  readiness(): { ready: boolean; reason: string } {
    return this.ready ? { ready: true, reason: "" } : { ready: false, reason: "worker 2 is starting" };
  }

  async swap(name: string, change: SwapRequest): Promise<SwapResult> {
    await this.gate?.();
    if (this.failure !== undefined) throw this.failure;
    const filter = this.#filters.get(name);
    if (filter === undefined) throw new Refusal("FILTER_UNKNOWN", `There is no filter named ${name}.`);
    const bytes = await readFile(change.component).catch((cause: unknown) => {
      throw new Refusal("ARTIFACT_REFUSED", `${change.component} cannot be read.`, { cause });
    });
    const to = createHash("sha256").update(bytes).digest("hex");
    if (change.sha256 !== undefined && change.sha256 !== to) {
      throw new Refusal(
        "ARTIFACT_REFUSED",
        `${change.component} has the digest ${to}, not ${change.sha256}.`,
      );
    }
    if ("config" in change) this.configs.set(name, change.config);
    this.generation += 1;
    this.add(name, change.component, to);
    return {
      generation: this.generation,
      filter: name,
      from: filter.digest,
      to,
      configChanged: "config" in change,
      durationMs: 41.4,
    };
  }

  metrics(): Promise<{ contentType: string; body: string }> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve({
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      body: `sluice_generation ${this.generation}\n`,
    });
  }
}
