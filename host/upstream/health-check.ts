import type { HealthConfig } from "../config/config.ts";
import type { Failure } from "../failure.ts";
import type { HeadParser } from "../http1/head-parser.ts";
import {
  type Outgoing,
  ServerConnection,
  type ServerKeeper,
  type ServerLimits,
  type ServerOwner,
  type ServerResponse,
} from "../http1/server-connection.ts";
import type { Sweeper, Timed } from "../sweeper.ts";
import type { Dialer } from "./dialer.ts";

/** Whom is asked: as requests are, over the same TLS. */
interface Checked extends Pick<Dialer, "dial" | "stands"> {
  readonly authority: string;
}

/** What checks have in common with the requests that they stand for. */
interface CheckMeans {
  readonly limits: ServerLimits;
  readonly parser: HeadParser;
  readonly sweeper: Sweeper;
}

/**
 * Asks one server again and again how it is, each time on a connection of its own: a server that serves those that it has
 * and takes no new ones is not well. Its connections count for none of the limits on requests.
 */
export class HealthCheck implements ServerOwner, ServerKeeper, Timed {
  untilMs = 0;
  readonly #config: HealthConfig;
  readonly #server: Checked;
  readonly #means: CheckMeans;
  readonly #request: Outgoing;
  readonly #told: (passed: boolean, detail: string) => void;
  #connection: ServerConnection | undefined;
  #nextMs: number;
  #isAsking = false;

  constructor(
    config: HealthConfig,
    server: Checked,
    means: CheckMeans,
    told: (passed: boolean, detail: string) => void,
  ) {
    this.#config = config;
    this.#server = server;
    this.#means = means;
    this.#told = told;
    const host = config.host ?? server.authority;
    this.#request = {
      method: "GET",
      head: `GET ${config.path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: sluice-health\r\nConnection: close\r\n\r\n`,
      around: undefined,
      hasBody: false,
      replayable: false,
      chunked: false,
      upgrade: "",
    };
    // The first one soon, but not those of all workers and servers at once.
    this.#nextMs = Date.now() + Math.random() * Math.min(config.intervalMs, FIRST_WITHIN_MS);
  }

  sweep(nowMs: number): void {
    if (this.#connection !== undefined || nowMs < this.#nextMs) return;
    const { parser, limits, sweeper } = this.#means;
    const server = this.#server;
    this.#isAsking = true;
    this.untilMs = nowMs + this.#config.timeoutMs;
    this.#connection = new ServerConnection(server.dial(), parser, limits, this, server.stands);
    sweeper.add(this.#connection);
    this.#connection.start(this.#request, this);
  }

  close(): void {
    this.#isAsking = false;
    this.#nextMs = Number.POSITIVE_INFINITY;
    this.#connection?.cancel();
  }

  responded({ status }: ServerResponse): void {
    const passed = this.#config.status.some(([from, to]) => status >= from && status <= to);
    this.#tell(passed, `status ${status}`);
  }

  failed({ code, detail }: Failure): void {
    this.#tell(false, `${code}: ${detail}`);
  }

  upgraded(): void {
    // Nothing was offered, so that the connection has refused it already.
  }

  ready(): void {}
  interim(): void {}
  sent(): void {}
  ended(): void {}
  drained(): void {}

  free(connection: ServerConnection): void {
    connection.close();
  }

  gone(connection: ServerConnection): void {
    this.#means.sweeper.remove(connection);
    this.#connection = undefined;
    const { intervalMs, jitter } = this.#config;
    if (this.#nextMs !== Number.POSITIVE_INFINITY)
      this.#nextMs = Date.now() + intervalMs * (1 + ((Math.random() * 2 - 1) * jitter) / 100);
  }

  #tell(passed: boolean, detail: string): void {
    // After its head a response may take its time, and break: that says nothing more.
    if (!this.#isAsking) return;
    this.#isAsking = false;
    this.#told(passed, detail);
  }
}

const FIRST_WITHIN_MS = 1_000;
