import type { ClientAddress } from "../client-address.ts";
import type { Failure } from "../failure.ts";
import { indexOf } from "../fields.ts";
import type { FieldList, Reply, RequestHead, ResponseHead } from "../message.ts";
import type { ClientConnection } from "./client-connection.ts";
import { COPIED_BYTES_MAX } from "./socket-reader.ts";
import { chunkLine, fieldLines, httpDate, lastChunk, STATUS_LINES } from "./wire.ts";

/** What a client tells its exchange. After `clientGone` or `clientServed` nothing more comes. */
export interface ClientOwner {
  /** A piece of the request's body: a view that is good until the call returns. */
  clientSent(chunk: Buffer): void;
  clientEnded(trailers: FieldList): void;
  /** The connection broke, or ran out of time, before the response was out. */
  clientGone(detail: string): void;
  /** The rest of the request cannot be read: it is malformed, too long or too slow. */
  clientBroken(failure: Failure): void;
  /** The last byte of the response has been handed to the system. */
  clientServed(): void;
  /** After `write` gave false: there is room again. */
  clientDrained(): void;
}

/** What the request's head says of the rest of the message. */
export interface RequestFacts {
  /** HTTP/1.0 or HTTP/1.1. */
  readonly minor: number;
  readonly hasBody: boolean;
  /** Content-Length, or -1. */
  readonly contentLength: number;
  readonly expectsContinue: boolean;
  /** What Upgrade offers; empty without an offer. */
  readonly upgrade: string;
  readonly acceptsTrailers: boolean;
  /** The request target as it came. */
  readonly target: string;
  /** What the client asked for, whatever filters make of it. */
  readonly authority: string;
  readonly via: string;
  /** Max-Forwards of OPTIONS and TRACE, or -1. */
  readonly maxForwards: number;
  /** X-Sluice-Debug, which nobody else sees; empty without one. Not for logs. */
  readonly debug: string;
}

/** The client's side of one exchange. */
export class Client {
  readonly connection: ClientConnection;
  readonly head: RequestHead;
  readonly facts: RequestFacts;
  /** What the client asked for: a filter may make another method of it for the upstream. */
  readonly method: string;
  /** Whose request it is, as far as trusted hops tell. */
  readonly address: ClientAddress;
  owner: ClientOwner | undefined;
  /** Bytes of the request's body that have come. */
  requestBytes = 0;
  /** Bytes of the response's body that were handed over. */
  responseBytes = 0;
  /** The status that went out, or 0. */
  status = 0;
  /** A head that waits for the first bytes of its body, so that both leave in one write. */
  #held: string | undefined;
  #chunked = false;
  readonly #headOnly: boolean;
  #bodiless = false;
  /** What Content-Length promised and has not been written yet; -1 without one. */
  #left = -1;
  #continued = false;
  #ended = false;

  constructor(connection: ClientConnection, head: RequestHead, facts: RequestFacts, address: ClientAddress) {
    this.connection = connection;
    this.head = head;
    this.facts = facts;
    this.method = head.method;
    this.address = address;
    this.#headOnly = head.method === "HEAD";
  }

  get protocol(): "HTTP/1.0" | "HTTP/1.1" {
    return this.facts.minor === 0 ? "HTTP/1.0" : "HTTP/1.1";
  }

  /** Whether the response's head has been given away. */
  get committed(): boolean {
    return this.status !== 0;
  }

  /** Lets the body come: a client that waits for a 100 gets it now (RFC 9110 §10.1.1). */
  startBody(): void {
    if (this.facts.expectsContinue && !this.#continued && this.facts.hasBody) {
      this.#continued = true;
      this.connection.socket.write("HTTP/1.1 100 Continue\r\n\r\n", "latin1");
    }
    this.connection.resumeBody();
  }

  pauseBody(): void {
    this.connection.pauseBody();
  }

  /** Sends a 1xx, which HTTP/1.0 does not know (RFC 9110 §15.2). */
  interim(status: number, fields: FieldList): void {
    if (this.facts.minor === 0 || this.committed) return;
    this.connection.socket.write(`${STATUS_LINES[status]}${fieldLines(fields)}\r\n`, "latin1");
  }

  /** Sends the head with the first bytes of the body, or when the present burst of work is over. `length` -1: unknown. */
  sendHead(head: ResponseHead, length: number): void {
    const { status } = head;
    this.status = status;
    this.#bodiless = this.#headOnly || status === 204 || status === 304;
    let framing = "";
    if (!this.#bodiless) {
      if (length === 0) {
        // The upstream may have answered HEAD, or with a 304 of which a filter has made another status.
        this.#left = 0;
        remove(head.fields, "content-length");
        framing = "Content-Length: 0\r\n";
      } else if (length > 0) this.#left = length;
      else if (this.facts.minor === 1) {
        this.#chunked = true;
        framing = "Transfer-Encoding: chunked\r\n";
      } else this.connection.closing = true;
    }
    // A 204 has no length either (RFC 9110 §8.6).
    if (status === 204) remove(head.fields, "content-length");
    const dated = indexOf(head.fields, "date") >= 0 ? "" : `Date: ${httpDate()}\r\n`;
    this.#held = STATUS_LINES[status] + fieldLines(head.fields) + dated + framing + this.#closing();
    this.connection.holdHead(this);
  }

  /** Gives false when the client reads more slowly than it is written to: `clientDrained` follows. */
  write(chunk: Buffer): boolean {
    const { length } = chunk;
    if (length === 0 || this.#bodiless) return true;
    this.responseBytes += length;
    if (this.#left >= 0) this.#left -= length;
    const held = this.#held;
    this.#held = undefined;
    const { connection } = this;
    const before = this.#chunked ? `${held ?? ""}${chunkLine(length)}` : (held ?? "");
    const after = this.#chunked ? "\r\n" : "";
    // As one string head and body are one write, for the price of one copy of a short body.
    if (length <= COPIED_BYTES_MAX) {
      const text = before + chunk.latin1Slice(0, length) + after;
      if (!this.#chunked || held === undefined) return connection.write(text);
      // Its last chunk most often comes in the same burst, and leaves with it.
      this.#held = text;
      return true;
    }
    return connection.writeView(before, chunk, after);
  }

  /** Ends the body. */
  end(trailers: FieldList): void {
    if (this.#ended) return;
    const held = this.#held ?? "";
    this.#held = undefined;
    if (!this.#bodiless && this.#left > 0) return this.abort();
    this.#ended = true;
    const tail = this.#chunked ? lastChunk(trailers) : "";
    this.connection.finish(this, held + tail);
  }

  /** Sends a whole response. */
  reply(reply: Reply, head: ResponseHead): void {
    const { status, fields } = head;
    const length = reply.body.byteLength;
    const bodiless = this.#headOnly || status === 204 || status === 304;
    this.status = status;
    this.#ended = true;
    this.#held = undefined;
    // What is left of the request's body will not be forwarded, and need not come.
    this.connection.closeUnlessRead();
    const framing = status === 204 || status === 304 ? "" : `Content-Length: ${length}\r\n`;
    const dated = indexOf(fields, "date") >= 0 ? "" : `Date: ${httpDate()}\r\n`;
    const text = STATUS_LINES[status] + fieldLines(fields) + dated + framing + this.#closing();
    if (bodiless || length === 0) return this.connection.finish(this, text);
    this.responseBytes = length;
    this.connection.finish(this, text, reply.body);
  }

  /** Sends the 101: what follows is no HTTP. `rest` is what the server sent with its own. */
  upgrade(fields: FieldList, rest: Buffer | undefined): void {
    this.status = 101;
    this.#ended = true;
    const { socket } = this.connection;
    const dated = indexOf(fields, "date") >= 0 ? "" : `Date: ${httpDate()}\r\n`;
    socket.write(`${STATUS_LINES[101]}${fieldLines(fields)}${dated}\r\n`, "latin1");
    if (rest === undefined) return;
    this.responseBytes = rest.length;
    socket.write(rest);
  }

  /** Breaks the connection, so that the client cannot take what it has for a whole message. */
  abort(): void {
    this.#held = undefined;
    this.connection.abort(!this.#bodiless && !this.#chunked && this.#left < 0 && this.committed);
  }

  /** Sends the head that waits for its body. */
  flushHead(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.connection.write(held);
  }

  /** The last line of a head: whether the connection goes on. */
  #closing(): string {
    return this.connection.closing ? "Connection: close\r\n\r\n" : "\r\n";
  }
}

function remove(fields: FieldList, lower: string): void {
  const at = indexOf(fields, lower);
  if (at >= 0) fields.splice(at, 2);
}
