import type { Socket } from "node:net";
import { ClientAddress } from "../client-address.ts";
import { Failure } from "../failure.ts";
import { readProxyHeader } from "./proxy-protocol.ts";

/** What a gate tells, once. */
export interface GateOwner {
  /** The header is read: the socket is paused, and what it gives next are the connection's own bytes. */
  passed(gate: ProxyGate, address: ClientAddress | undefined): void;
  /** The connection ended before; `failure` says why, unless nothing has come on it. */
  stopped(gate: ProxyGate, failure: Failure | undefined): void;
}

/** A connection whose proxy has not yet said whom it speaks for. */
export class ProxyGate {
  readonly socket: Socket;
  readonly #owner: GateOwner;
  #data: Buffer = NOTHING;
  #deadline: number;
  #over = false;
  readonly #listeners = {
    data: (data: Buffer): void => this.#received(data),
    end: (): void => this.#stop("the connection ended within the PROXY header"),
    error: (): void => {},
    close: (): void => this.#stop("the connection broke within the PROXY header"),
  };

  constructor(socket: Socket, headMs: number, owner: GateOwner) {
    this.socket = socket;
    this.#owner = owner;
    this.#deadline = Date.now() + headMs;
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener);
  }

  /** A connection that has only just come may have a request on its way, but is not waited for as long. */
  drain(): void {
    this.#deadline = Math.min(this.#deadline, Date.now() + DRAIN_MS);
  }

  sweep(nowMs: number): void {
    if (nowMs > this.#deadline) this.#stop("the PROXY header did not come in time");
  }

  #received(data: Buffer): void {
    this.#data = this.#data.length === 0 ? data : Buffer.concat([this.#data, data]);
    const found = readProxyHeader(this.#data);
    if (found === undefined) return;
    if ("sentence" in found) return this.#stop(`${found.sentence} (byte ${found.at} of the PROXY header)`);
    this.#over = true;
    const { socket } = this;
    socket.pause();
    for (const [event, listener] of Object.entries(this.#listeners)) socket.off(event, listener);
    if (found.end < this.#data.length) socket.unshift(this.#data.subarray(found.end));
    const { address } = found;
    this.#owner.passed(this, address === undefined ? undefined : new ClientAddress(address));
  }

  /** No answer: whoever does not speak PROXY here is not meant to be heard. */
  #stop(detail: string): void {
    if (this.#over) return;
    this.#over = true;
    this.socket.destroy();
    const silent = this.#data.length === 0 && Date.now() <= this.#deadline;
    this.#owner.stopped(this, silent ? undefined : new Failure("PROXY_HEADER_MALFORMED", detail));
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

/** As long as `client-connection.ts` gives a fresh connection. */
const DRAIN_MS = 2_000;
