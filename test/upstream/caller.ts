import type { LookupAddress } from "node:dns";
import { HeadParser } from "../../host/http1/head-parser.ts";
import type { FieldList } from "../../host/message.ts";
import { WorkerMeter } from "../../host/ops/meter.ts";
import { LineBatch } from "../../host/ops/line-batch.ts";
import type { ServerView } from "../../host/ops/server-meter.ts";
import { UpstreamLog } from "../../host/ops/upstream-log.ts";
import { Sweeper } from "../../host/sweeper.ts";
import type { UpstreamMaterial } from "../../host/tls/material.ts";
import { Upstream as Caller, type UpstreamOwner } from "../../host/upstream.ts";
import { configOf } from "../support/test-host.ts";
import { within } from "../support/waiting.ts";

/** An upstream as a worker has it, without the rest of the worker, and with names that mean what the test says. */
export class NamedUpstream implements AsyncDisposable {
  /** What each name stands for now; one that is not there is not found. */
  readonly names: Map<string, readonly string[]> = new Map();
  lookups = 0;
  readonly meter: WorkerMeter = new WorkerMeter();
  readonly #sweeper = new Sweeper();
  readonly #upstream: Caller;

  constructor(
    options: object,
    names: Readonly<Record<string, readonly string[]>>,
    tls: UpstreamMaterial | null = null,
  ) {
    for (const [name, addresses] of Object.entries(names)) this.names.set(name, addresses);
    const [config] = configOf({ upstreams: { main: options } }).upstreams;
    if (config === undefined) throw new Error("no upstream");
    const { connectMs, headMs, pendingMs, connectionsMax, pendingMax } = config;
    this.#upstream = new Caller({
      config,
      limits: {
        connectMs,
        headMs,
        pendingMs,
        connectionsMax,
        pendingMax,
        bodyMs: 60_000,
        keepAliveMs: 60_000,
        headBytesMax: 65_536,
        interimMax: 16,
        extensionBytesMax: 1_024,
        trailerBytesMax: 16_384,
      },
      parser: new HeadParser({ fieldsMax: 100 }),
      sweeper: this.#sweeper,
      tls,
      meter: this.meter,
      log: new UpstreamLog(new LineBatch(() => {}), 1, "silent"),
      lookup: (host) => this.#lookup(host),
    });
  }

  /** Sends a request; resolves with the body of its response, rejects with the failure. */
  ask(path = "/"): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let body = "";
    const owner: UpstreamOwner = {
      upstreamReady: () => {},
      upstreamInterim: () => {},
      upstreamResponded: () => {},
      upstreamSent: (chunk) => {
        body += chunk.toString("latin1");
      },
      upstreamEnded: () => resolve(body),
      upstreamDrained: () => {},
      upstreamUpgraded: (_fields: FieldList, socket) => void socket.destroy(),
      upstreamFailed: reject,
    };
    const around = {
      before: `GET ${path} HTTP/1.1\r\n`,
      authority: undefined,
      after: "\r\n",
      line: undefined,
    };
    const request = {
      method: "GET",
      head: "",
      around,
      hasBody: false,
      replayable: false,
      chunked: false,
      upgrade: "",
    };
    this.#upstream.call(request, [], owner).begin();
    return within("an answer", promise);
  }

  /** The addresses of its servers and what is thought of them. */
  views(): ServerView[] {
    return this.#upstream.servers.views();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#upstream.close();
    this.#sweeper.stop();
    return Promise.resolve();
  }

  #lookup(host: string): Promise<LookupAddress[]> {
    this.lookups += 1;
    const addresses = this.names.get(host);
    if (addresses === undefined) return Promise.reject(new Error(`getaddrinfo ENOTFOUND ${host}`));
    return Promise.resolve(addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })));
  }
}
