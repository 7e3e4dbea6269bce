import { IncomingMessage, type ServerResponse, ServerResponse as NodeResponse } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { endToEnd, type Framing } from "./fields.ts";
import { type FieldList, type Reply, RequestHead, type ResponseHead } from "./message.ts";

/** What a client tells its exchange. */
export interface ClientOwner {
  /** The connection broke before the response was out. Comes once, and nothing after it. */
  clientGone(): void;
  /** The last byte of the response has been handed to the system. Comes once, and nothing after it. */
  clientServed(): void;
  /** After `write` gave false: there is room again. */
  clientDrained(): void;
  /** The head cannot be put on the wire, and nothing of it has been. */
  headRefused(error: unknown): void;
}

/** The client's side of one exchange. node:http stays behind it. */
export class Client {
  readonly connection: Connection;
  readonly head: RequestHead;
  /** The request target as it came. */
  readonly target: string;
  readonly protocol: string;
  /** Bytes of the response's body that were handed over. */
  responseBytes = 0;
  #owner: ClientOwner | undefined;
  readonly #request: IncomingRequest;
  readonly #response: OutgoingResponse;
  #body: RequestBody | undefined;
  /** A head that waits for the first bytes of its body, so that both leave in one write. */
  #held: ResponseHead | undefined;
  #closed = false;

  constructor(
    connection: Connection,
    request: IncomingRequest,
    response: OutgoingResponse,
    head: RequestHead,
  ) {
    this.connection = connection;
    this.#request = request;
    this.#response = response;
    this.head = head;
    this.target = request.url ?? "";
    this.protocol = request.httpVersionMinor === 0 ? "HTTP/1.0" : "HTTP/1.1";
    response.client = this;
    response.on("finish", served);
    connection.open.add(this);
  }

  set owner(owner: ClientOwner) {
    this.#owner = owner;
  }

  /** Whether a body follows the head. */
  get hasBody(): boolean {
    const { framing } = this.#request;
    return framing.chunked || framing.contentLength > 0;
  }

  /** What Content-Length says, or -1. */
  get contentLength(): number {
    return this.#request.framing.contentLength;
  }

  get requestBytes(): number {
    return this.#body?.bytes ?? 0;
  }

  /** The status that went out, or 0. */
  get status(): number {
    return this.#response.headersSent ? this.#response.statusCode : 0;
  }

  /** The request's body, to be read once. Destroying it leaves the connection alone. */
  body(): Readable {
    this.#body ??= new RequestBody(this.#request);
    return this.#body;
  }

  /** Sends the head with the first bytes of the body, or when the present burst of work is over. */
  sendHead(head: ResponseHead): void {
    this.#held = head;
    this.connection.heads.hold(this);
  }

  /** Gives false when the client reads more slowly than it is written to: `clientDrained` follows. */
  write(chunk: Buffer): boolean {
    const response = this.#response;
    this.responseBytes += chunk.length;
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      if (!this.#writeHead(held)) return true;
      if (lengthOf(held.fields) === chunk.length) {
        // A whole body: as a string it goes out with the head in one write, for the price of one copy.
        response.end(chunk.latin1Slice(0, chunk.length), "latin1");
        return true;
      }
    }
    if (response.write(chunk)) return true;
    response.once("drain", drained);
    return false;
  }

  end(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined && !this.#writeHead(held)) return;
    if (!this.#response.writableEnded) this.#response.end();
  }

  /** Sends a whole response. */
  reply(reply: Reply, head: ResponseHead): void {
    const { status, fields } = head;
    if (status !== 204 && status !== 304) fields.push("Content-Length", String(reply.body.byteLength));
    // What is left of the request's body will not be read, so that no other request can follow it.
    if (this.hasBody && !this.#request.complete) fields.push("Connection", "close");
    if (!this.#writeHead(head)) return;
    if (this.head.method !== "HEAD") this.responseBytes = reply.body.byteLength;
    this.#response.end(reply.body);
  }

  /** Breaks the connection, so that the client cannot take what it has for a whole message. */
  abort(): void {
    this.#held = undefined;
    const { socket } = this.connection;
    // Without a framing the end of the connection ends the message: only a reset tells that it broke off.
    if (this.protocol === "HTTP/1.0") socket.resetAndDestroy();
    else socket.destroy();
  }

  /** Sends the head that waits for its body. */
  flushHead(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    if (this.#writeHead(held)) this.#response.flushHeaders();
  }

  /** The response has gone out, or its connection has. */
  close(served: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held = undefined;
    this.connection.open.delete(this);
    this.connection.lastUsedMs = Date.now();
    this.#body?.destroy();
    if (served) this.#owner?.clientServed();
    else this.#owner?.clientGone();
  }

  drained(): void {
    if (!this.#closed) this.#owner?.clientDrained();
  }

  #writeHead(head: ResponseHead): boolean {
    if (this.connection.closing) head.fields.push("Connection", "close");
    try {
      this.#response.writeHead(head.status, head.fields);
      return true;
    } catch (error) {
      // Node found a byte that its parser for upstreams had let pass.
      this.#owner?.headRefused(error);
      return false;
    }
  }
}

/** One client connection: what all its exchanges share. */
export class Connection {
  readonly socket: Socket;
  readonly heads: HeldHeads;
  readonly open: Set<Client> = new Set();
  lastUsedMs: number = Date.now();
  /** The response under way is the last one. */
  closing = false;
  /** The last response is a refusal at the door, which has no client. */
  refused = false;

  constructor(socket: Socket, heads: HeldHeads) {
    this.socket = socket;
    this.heads = heads;
  }

  /** Not for logs, metrics or anything else that is kept. */
  get address(): string {
    return this.socket.remoteAddress ?? "";
  }

  broken(): void {
    for (const client of this.open) client.close(false);
  }
}

/**
 * Heads that wait for the first bytes of their bodies. They wait until the present burst of work is over, which one
 * microtask for all of them tells: a body that came with its head is written with it, and no head waits for one that is slow.
 */
export class HeldHeads {
  #clients: Client[] = [];
  readonly #flush: () => void = () => {
    const clients = this.#clients;
    this.#clients = [];
    for (const client of clients) client.flushHead();
  };

  hold(client: Client): void {
    if (this.#clients.push(client) === 1) queueMicrotask(this.#flush);
  }
}

/**
 * node:http's request, with its fields scanned once: for Node itself, which looks at a handful, and for the next hop. Node's
 * own `headers` would build an object of all of them.
 */
export class IncomingRequest extends IncomingMessage {
  readonly framing: Framing = {
    contentLength: -1,
    chunked: false,
    otherCoding: false,
    host: undefined,
    hosts: 0,
    expect: undefined,
  };
  #fields: FieldList | undefined;
  #seen: NodeJS.Dict<string> | undefined;

  /** The fields that go on to the next hop. */
  get fields(): FieldList {
    this.#fields ??= endToEnd(this.rawHeaders, this.framing);
    return this.#fields;
  }

  // @ts-expect-error -- Node declares a property where it has an accessor of its own.
  override get headers(): NodeJS.Dict<string> {
    if (this.#seen === undefined) {
      void this.fields;
      const { host, expect, contentLength, chunked } = this.framing;
      const seen: NodeJS.Dict<string> = { host };
      if (expect !== undefined) seen["expect"] = expect;
      if (contentLength >= 0) seen["content-length"] = String(contentLength);
      if (chunked) seen["transfer-encoding"] = "chunked";
      this.#seen = seen;
    }
    return this.#seen;
  }
}

/** node:http's response, which knows its client so that listeners need no closure. */
export class OutgoingResponse extends NodeResponse<IncomingRequest> {
  client: Client | undefined;
}

/** A request's body without its connection: whoever destroys it stops reading, and that is all. */
class RequestBody extends Readable {
  bytes = 0;
  readonly #request: IncomingMessage;

  constructor(request: IncomingMessage) {
    super();
    this.#request = request;
    request.on("data", (chunk: Buffer) => {
      if (this.destroyed) return;
      this.bytes += chunk.length;
      if (!this.push(chunk)) request.pause();
    });
    request.on("end", () => void this.push(null));
    request.on("error", (error) => this.destroy(error));
  }

  override _read(): void {
    this.#request.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // What still comes is read and dropped, or the connection would stand still.
    this.#request.resume();
    done(error);
  }
}

function served(this: ServerResponse): void {
  (this as OutgoingResponse).client?.close(true);
}

function drained(this: ServerResponse): void {
  (this as OutgoingResponse).client?.drained();
}

function lengthOf(fields: FieldList): number {
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name.length === 14 && name.toLowerCase() === "content-length") return Number(fields[at + 1]);
  }
  return -1;
}
