import type { Socket } from "node:net";
import type { Config } from "./config/config.ts";
import { Forwarding } from "./forwarding.ts";
import { EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX } from "./http1/body-bounds.ts";
import type { ConnectionLimits } from "./http1/client-connection.ts";
import { HeadParser } from "./http1/head-parser.ts";
import { Listener, type ListenerOwner, type ListenerWorld } from "./listener.ts";
import type { Sweeper } from "./sweeper.ts";
import type { ListenerMaterial } from "./tls/material.ts";

/** The listeners of one worker, by the ids that the main thread gives them. */
export class Reception {
  readonly #owner: ListenerOwner;
  readonly #sweeper: Sweeper;
  readonly #listeners = new Map<number, Listener>();
  /** Those of addresses that the configuration does not have any more: what they carry goes on to its end. */
  readonly #leaving = new Set<Listener>();
  #world: ListenerWorld;

  constructor(config: Config, sweeper: Sweeper, owner: ListenerOwner) {
    this.#owner = owner;
    this.#sweeper = sweeper;
    this.#world = worldOf(config);
  }

  /** Connections from now on are served by this configuration. */
  use(config: Config): void {
    this.#world = worldOf(config);
    for (const listener of this.#listeners.values()) listener.use(this.#world);
  }

  open(id: number, tls: ListenerMaterial | null, proxyProtocol: boolean): undefined {
    this.#listeners.set(id, new Listener(this.#world, this.#sweeper, tls, proxyProtocol, this.#owner));
  }

  /** Takes no more connections there; what is in flight ends. */
  close(id: number): undefined {
    const listener = this.#listeners.get(id);
    if (listener === undefined) return;
    this.#listeners.delete(id);
    this.#leaving.add(listener);
    void listener.drain().then(() => this.#leaving.delete(listener));
  }

  renew(id: number, tls: ListenerMaterial): undefined {
    this.#listeners.get(id)?.renew(tls);
  }

  take(id: number, socket: Socket): void {
    const listener = this.#listeners.get(id);
    if (listener === undefined) socket.destroy();
    else listener.take(socket);
  }

  async drain(): Promise<void> {
    await Promise.all(this.#all().map((listener) => listener.drain()));
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#all().map((listener) => listener.destroy()));
  }

  #all(): Listener[] {
    return [...this.#listeners.values(), ...this.#leaving];
  }
}

function worldOf({ limits, timeouts, forwarded }: Config): ListenerWorld {
  return {
    limits: {
      headBytesMax: limits.clientHeadBytesMax,
      targetBytesMax: limits.clientTargetBytesMax,
      bodyBytesMax: limits.clientBodyBytesMax,
      extensionBytesMax: EXTENSION_BYTES_MAX,
      trailerBytesMax: TRAILER_BYTES_MAX,
      headMs: timeouts.clientHeadMs,
      requestMs: timeouts.clientRequestMs,
      bodyMs: timeouts.clientBodyMs,
      idleMs: timeouts.clientIdleMs,
      writeMs: timeouts.clientWriteMs,
      halfClosedMs: timeouts.clientHalfClosedMs,
      lingerMs: LINGER_MS,
    } satisfies ConnectionLimits,
    parser: new HeadParser({ fieldsMax: limits.clientHeadersMax }),
    forwarding: new Forwarding(forwarded),
  };
}

/** How long a client may take to close after the last response of a connection. */
const LINGER_MS = 2_000;
