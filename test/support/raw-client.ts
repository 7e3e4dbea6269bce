import assert from "node:assert/strict";
import { connect } from "node:net";
import { connect as connectSecurely, type ConnectionOptions } from "node:tls";
import { BrokenOff, type Field, type Head, Wire } from "./wire.ts";
import { within } from "./waiting.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** Where the connection is to come from; 127.0.0.1 is not the only address of this machine. */
  readonly from?: string;
}

/** A whole response, as it was on the wire. */
export interface RawResponse {
  readonly status: number;
  readonly head: Head;
  /** Heads of 1xx that came before it. */
  readonly interim: readonly Head[];
  readonly body: Buffer;
  readonly trailers: readonly Field[];
}

/** A client that sends what it is told to, byte for byte, and reads no more than it is asked to. */
export class RawClient implements AsyncDisposable {
  readonly wire: Wire;

  private constructor(wire: Wire) {
    this.wire = wire;
  }

  static async connect({ host, port, from }: Endpoint): Promise<RawClient> {
    const own = from === undefined ? {} : { localAddress: from };
    const socket = connect({ host, port, noDelay: true, ...own });
    const wire = new Wire(socket);
    const connected = new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    await within("the connection to the host", connected);
    return new RawClient(wire);
  }

  /** Over TLS; rejects when the handshake comes to nothing. */
  static async secure({ host, port }: Endpoint, options: ConnectionOptions): Promise<RawClient> {
    const socket = connectSecurely({ host, port, ...options });
    const wire = new Wire(socket);
    const secured = new Promise((resolve, reject) =>
      socket.once("secureConnect", resolve).once("error", reject),
    );
    await within("the handshake with the host", secured);
    return new RawClient(wire);
  }

  /** Text is sent as Latin-1. */
  send(data: string | Buffer): void {
    this.wire.socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data);
  }

  /** The next response, to a request of this method. Rejects with `BrokenOff` when it breaks off. */
  response(method = "GET"): Promise<RawResponse> {
    return within("a response", this.#read(method));
  }

  /** Sends a request and reads its response. */
  ask(request: string | Buffer, method?: string): Promise<RawResponse> {
    this.send(request);
    return this.response(method ?? /^\S+/.exec(request.toString())?.[0]);
  }

  /** The head of the next response; its body stays where it is. */
  head(): Promise<Head> {
    return within("the head of a response", this.wire.head());
  }

  /** The host has closed the connection, and this is what came before. */
  async close(): Promise<string> {
    const rest = await within("the end of the connection", this.wire.rest());
    return rest.toString("latin1");
  }

  /** Breaks the connection, as a client that crashes does. */
  reset(): void {
    this.wire.socket.resetAndDestroy();
  }

  destroy(): void {
    this.wire.socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    await this.wire.closed;
  }

  async #read(method: string): Promise<RawResponse> {
    const { wire } = this;
    const interim: Head[] = [];
    let head = await wire.head();
    while (statusOf(head) < 200) {
      interim.push(head);
      head = await wire.head();
    }
    const status = statusOf(head);
    if (method === "HEAD" || status === 204 || status === 304)
      return { status, head, interim, body: Buffer.alloc(0), trailers: [] };
    return { status, head, interim, ...(await readBody(wire, head)) };
  }
}

/** A request of HTTP/1.1 with this target; `fields` are lines without their ends. */
export function request(target: string, fields: readonly string[] = [], method = "GET", body = ""): string {
  const lines = [`${method} ${target} HTTP/1.1`, "Host: sluice.test", ...fields];
  if (body !== "") lines.push(`Content-Length: ${Buffer.byteLength(body, "latin1")}`);
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

export function statusOf(head: Head): number {
  assert.match(head.startLine, /^HTTP\/1\.1 [1-5]\d\d( |$)/, "a status line");
  return Number(head.startLine.slice(9, 12));
}

/** Message framing as RFC 9112 §6.3 has it, and nothing beside it: a response with two framings is no response. */
async function readBody(wire: Wire, head: Head): Promise<{ body: Buffer; trailers: readonly Field[] }> {
  const length = head.one("content-length");
  const encoding = head.one("transfer-encoding");
  assert(length === undefined || encoding === undefined, "two framings");
  if (encoding !== undefined) {
    assert.equal(encoding, "chunked");
    return wire.chunked();
  }
  if (length !== undefined) {
    assert.match(length, /^\d+$/);
    return { body: await wire.bytes(Number(length)), trailers: [] };
  }
  const body = await wire.rest();
  // An end without framing counts as one only when the connection was closed in order.
  if (wire.socket.errored !== null) throw new BrokenOff("the connection was reset");
  return { body, trailers: [] };
}
