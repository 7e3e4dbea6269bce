import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { ClientAddress } from "../client-address.ts";
import { FAILURES, Failure, PROXY_STATUS } from "../failure.ts";
import type { Forwarding, Peer } from "../forwarding.ts";
import type { FieldList } from "../message.ts";
import { BodyDecoder, type BodySink } from "./body-decoder.ts";
import { Client } from "./client.ts";
import { BROKEN, HeadCollector, INCOMPLETE, TOO_LONG } from "./head-collector.ts";
import type { HeadParser } from "./head-parser.ts";
import type { HeldHeads } from "./held-heads.ts";
import { type ReadRequest, readRequest, refusalOf, tooLong, withoutEmptyLines } from "./request.ts";
import { writeView } from "./socket-reader.ts";
import { breakOff } from "./tunnel.ts";
import { httpDate, STATUS_LINES } from "./wire.ts";

/** What all connections of a listener share. */
export interface ConnectionWorld {
  readonly scheme: "http" | "https";
  readonly parser: HeadParser;
  readonly limits: ConnectionLimits;
  readonly owner: ConnectionOwner;
  /** Holds heads until the present burst of work is over. */
  readonly heads: HeldHeads;
  readonly forwarding: Forwarding;
}

/** Bounds on what a client may do. Units are in the names. */
export interface ConnectionLimits {
  readonly headBytesMax: number;
  readonly targetBytesMax: number;
  readonly bodyBytesMax: number;
  readonly extensionBytesMax: number;
  readonly trailerBytesMax: number;
  readonly headMs: number;
  readonly requestMs: number;
  readonly bodyMs: number;
  readonly idleMs: number;
  readonly writeMs: number;
  readonly halfClosedMs: number;
  readonly lingerMs: number;
}

export interface ConnectionOwner {
  /** A request whose head is complete and in order. */
  arrived(client: Client): void;
  /** A request that is refused at the door: it has no exchange. */
  refused(failure: Failure): void;
  /** The connection has ended. */
  closed(connection: ClientConnection): void;
}

/**
 * One client connection (RFC 9112 §9): cuts its bytes into requests, one at a time, and keeps the time of each state.
 *
 * The next request is looked at when the response before it is out, so that answers are in order whatever is pipelined.
 */
export class ClientConnection implements BodySink {
  readonly socket: Socket;
  readonly #world: ConnectionWorld;
  readonly #collector: HeadCollector;
  readonly #decoder: BodyDecoder;
  #state: State = IDLE;
  /** When the present state has lasted too long; 0: it may last. */
  #deadline: number;
  /** When the client has to have taken something of what waits for it; 0 while nothing waits. */
  #writeDeadline = 0;
  /** When the next piece of the body has to be here; 0 while none is wanted. */
  #bodyDeadline = 0;
  #client: Client | undefined;
  readonly #address: ClientAddress | undefined;
  #peer: Peer | undefined;
  /** Bytes that came after the present request. */
  #rest: Buffer | undefined;
  /** No request has come yet. */
  #fresh = true;
  /** Whether somebody takes the body as it comes. */
  #wanted = true;
  #halfClosed = false;
  /** The response under way is the last one. */
  closing = false;

  /** `address`: who is at the other end, when a proxy between has said so. */
  constructor(socket: Socket, world: ConnectionWorld, address?: ClientAddress) {
    this.socket = socket;
    this.#address = address;
    this.#world = world;
    this.#collector = new HeadCollector(world.limits.headBytesMax);
    this.#decoder = new BodyDecoder(world.parser, world.limits);
    this.#deadline = Date.now() + world.limits.idleMs;
    socket.on("data", (data: Buffer) => this.#received(data));
    socket.on("end", () => this.#ended());
    socket.on("drain", () => this.#drained());
    // Whatever the error was, `close` follows.
    socket.on("error", () => {});
    socket.on("close", () => this.#closed());
  }

  /** Who is at the other end. Asked for with the first request: many connections never have one. */
  get peer(): Peer {
    const { forwarding, scheme } = this.#world;
    this.#peer ??= forwarding.peer(
      this.#address ?? new ClientAddress(this.socket.remoteAddress ?? ""),
      scheme,
    );
    return this.#peer;
  }

  /** As Node names it: `TLSv1.3`; undefined in the clear. */
  get tlsVersion(): string | undefined {
    return this.socket instanceof TLSSocket ? (this.socket.getProtocol() ?? undefined) : undefined;
  }

  /** The response under way, or the next one, is the last: then, or after a moment without a request, the connection ends. */
  drain(): void {
    this.closing = true;
    if (this.#state !== IDLE || this.#collector.begun) return;
    this.#deadline = Date.now() + (this.#fresh ? DRAIN_FRESH_MS : DRAIN_IDLE_MS);
  }

  /** Lets the request's body come: what is here already, then what follows. */
  resumeBody(): void {
    if (this.#state !== EXCHANGE) return;
    this.#wanted = true;
    const rest = this.#rest;
    if (rest !== undefined && !this.#decoder.done) {
      this.#rest = undefined;
      this.#body(rest);
    }
    if (this.#halfClosed) this.#nothingFollows();
    if (!this.#wanted) return;
    this.#bodyDeadline = this.#decoder.done ? 0 : Date.now() + this.#world.limits.bodyMs;
    this.socket.resume();
  }

  pauseBody(): void {
    if (this.#state !== EXCHANGE || this.#decoder.done) return;
    this.#wanted = false;
    this.#bodyDeadline = 0;
    this.socket.pause();
  }

  holdHead(client: Client): void {
    this.#world.heads.hold(client);
  }

  /** Latin-1. Gives false when there is more waiting than should. */
  write(text: string): boolean {
    return this.#timed(this.socket.write(text, "latin1"));
  }

  /** The same for a view of what is being read, between two texts. */
  writeView(before: string, data: Buffer, after: string): boolean {
    return this.#timed(writeView(this.socket, before, data, after));
  }

  /** A response that leaves a part of the request unread is the last one of its connection. */
  closeUnlessRead(): void {
    if (!this.#decoder.done) this.closing = true;
  }

  /** Writes the last bytes of a response; when they are out, the connection goes on to the next request, or ends. */
  finish(client: Client, text: string, body?: Uint8Array): void {
    if (this.#client !== client) return;
    const { socket } = this;
    if (body !== undefined) {
      socket.cork();
      socket.write(text, "latin1");
      socket.write(body);
      socket.uncork();
    } else if (text !== "") socket.write(text, "latin1");
    if (socket.writableLength === 0) return this.#served(client);
    if (this.#writeDeadline === 0) this.#writeDeadline = Date.now() + this.#world.limits.writeMs;
    // A slow client: an empty write is over when all before it are.
    socket.write("", () => this.#served(client));
  }

  /** `unframed`: the end of the connection would end the message, and only a reset tells that it broke off. */
  abort(unframed: boolean): void {
    if (unframed) breakOff(this.socket);
    else this.socket.destroy();
  }

  /** Looks at the clock. Called by the listener's sweep, and never from within another call. */
  sweep(nowMs: number): void {
    if (this.#writeDeadline !== 0 && nowMs > this.#writeDeadline)
      return this.#gone("the client took nothing of its response in time");
    if (this.#bodyDeadline !== 0 && nowMs > this.#bodyDeadline)
      return this.#broken(new Failure("REQUEST_TIMED_OUT", "nothing more of the body came in time"));
    if (this.#deadline === 0 || nowMs <= this.#deadline) return;
    if (this.#state === LINGER || (this.#state === IDLE && !this.#collector.begun))
      return void this.socket.destroy();
    if (this.#state === IDLE)
      return this.#refuse(new Failure("REQUEST_TIMED_OUT", "the head did not come in time"));
    if (this.#halfClosed) return this.#gone("the client closed its side and did not come back");
    this.#broken(new Failure("REQUEST_TIMED_OUT", "the body did not come in time"));
  }

  /** The socket's bytes become the client's of another protocol: what has come already is given along. */
  takeOver(): { socket: Socket; early: Buffer | undefined } {
    const early = this.#rest;
    this.#state = TAKEN;
    this.#deadline = 0;
    this.#writeDeadline = 0;
    this.#client = undefined;
    this.#rest = undefined;
    this.socket.removeAllListeners("data").removeAllListeners("end").removeAllListeners("drain");
    return { socket: this.socket, early };
  }

  bodyChunk(chunk: Buffer): void {
    const client = this.#client;
    if (client === undefined) return;
    const { bodyMs, bodyBytesMax } = this.#world.limits;
    if (this.#bodyDeadline !== 0) this.#bodyDeadline = Date.now() + bodyMs;
    client.requestBytes += chunk.length;
    if (client.requestBytes > bodyBytesMax)
      return this.#broken(new Failure("BODY_TOO_LARGE", `more than ${bodyBytesMax} bytes`));
    client.owner?.clientSent(chunk);
  }

  bodyEnded(trailers: FieldList): void {
    this.#bodyDeadline = 0;
    // The request is complete: from here on the time is the upstream's.
    this.#deadline = this.#waitForClient(0);
    this.#client?.owner?.clientEnded(trailers);
  }

  /** A client that leaves no room has so long to make some. */
  #timed(room: boolean): boolean {
    if (!room && this.#writeDeadline === 0) this.#writeDeadline = Date.now() + this.#world.limits.writeMs;
    return room;
  }

  #served(client: Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#writeDeadline = 0;
    this.#bodyDeadline = 0;
    // What was sent before the client closed its side is served, too.
    const last = this.closing || (this.#halfClosed && this.#rest === undefined);
    if (last || !this.#decoder.done) this.#linger();
    else {
      this.#state = IDLE;
      this.#deadline = Date.now() + this.#world.limits.idleMs;
      if (this.#rest !== undefined) queueMicrotask(() => this.#next());
    }
    client.owner?.clientServed();
  }

  /** No more is written. Unread bytes would make the system reset the connection, and the client might lose the response. */
  #linger(): void {
    this.#state = LINGER;
    this.#rest = undefined;
    this.#deadline = Date.now() + this.#world.limits.lingerMs;
    this.socket.end();
    this.socket.resume();
  }

  #received(data: Buffer): void {
    if (this.#state === IDLE) this.#head(data);
    else if (this.#state === EXCHANGE) this.#body(data);
  }

  #head(piece: Buffer): void {
    const { limits, parser } = this.#world;
    let data = piece;
    if (!this.#collector.begun) {
      data = withoutEmptyLines(piece);
      if (data.length === 0) return;
      this.#deadline = Date.now() + limits.headMs;
    }
    const end = this.#collector.collect(data);
    if (end === INCOMPLETE) {
      if (this.#halfClosed) this.socket.destroy();
      return;
    }
    const whole = this.#collector.data;
    this.#collector.clear();
    if (end === TOO_LONG) return this.#refuse(tooLong(whole, limits));
    if (end === BROKEN)
      return this.#refuse(new Failure("MESSAGE_MALFORMED", "a control byte, or a line that ends without CR"));
    if (!parser.request(whole, 0, end)) return this.#refuse(refusalOf(parser));
    const { peer } = this;
    peer.admit(parser.fields);
    const origin = peer.behind(parser.fields);
    const request = readRequest(parser, origin.scheme, limits);
    if (request instanceof Failure) return this.#refuse(request);
    this.#begin(request, origin.address, end < whole.length ? whole.subarray(end) : undefined);
  }

  #begin({ head, facts, close }: ReadRequest, address: ClientAddress, rest: Buffer | undefined): void {
    if (close || (this.#halfClosed && rest === undefined)) this.closing = true;
    if (this.#world.parser.chunked) this.#decoder.beginChunked();
    else this.#decoder.beginLength(Math.max(facts.contentLength, 0));
    this.#state = EXCHANGE;
    this.#fresh = false;
    this.#rest = rest;
    this.#wanted = !facts.hasBody;
    this.#deadline = this.#waitForClient(facts.hasBody ? this.#world.limits.requestMs : 0);
    // Nothing of a body is read before somebody wants it.
    if (facts.hasBody) this.socket.pause();
    this.#client = new Client(this, head, facts, address);
    this.#world.owner.arrived(this.#client);
  }

  /** The deadline of an exchange: `ms` from now, none for 0, and never long for a client that has closed its side. */
  #waitForClient(ms: number): number {
    if (this.#halfClosed) return Date.now() + this.#world.limits.halfClosedMs;
    return ms === 0 ? 0 : Date.now() + ms;
  }

  #body(data: Buffer): void {
    if (!this.#decoder.done) {
      const end = this.#decoder.feed(data, 0, this);
      if (end < 0)
        return this.#broken(new Failure("MESSAGE_MALFORMED", this.#decoder.error ?? "a broken body"));
      if (end === data.length) return;
      return this.#keep(data.subarray(end));
    }
    this.#keep(data);
  }

  /** Bytes of a later request: kept until its turn. Reading goes on, to hear when the client goes away, but not without end. */
  #keep(data: Buffer): void {
    if (this.#state !== EXCHANGE) return;
    this.#rest = this.#rest === undefined ? data : Buffer.concat([this.#rest, data]);
    if (this.#rest.length >= REST_BYTES_MAX) this.socket.pause();
  }

  #next(): void {
    const rest = this.#rest;
    if (rest === undefined || this.#state !== IDLE) return;
    this.#rest = undefined;
    this.socket.resume();
    this.#head(rest);
  }

  /** The rest of the request cannot be read: whatever is answered is the last answer here. */
  #broken(failure: Failure): void {
    this.closing = true;
    this.#deadline = 0;
    this.#bodyDeadline = 0;
    this.#client?.owner?.clientBroken(failure);
  }

  #refuse(failure: Failure): void {
    this.#world.owner.refused(failure);
    const { status } = FAILURES[failure.code];
    const body = `${failure.code}\n`;
    const head = `${STATUS_LINES[status]}Content-Type: text/plain; charset=utf-8\r\nDate: ${httpDate()}\r\n`;
    const why = `Proxy-Status: ${PROXY_STATUS[failure.code]}\r\n`;
    this.socket.write(
      `${head}${why}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      "latin1",
    );
    this.#linger();
  }

  #gone(detail: string): void {
    const client = this.#client;
    this.#client = undefined;
    client?.owner?.clientGone(detail);
    this.socket.destroy();
  }

  /** The client sends no more. It may still read: its answer comes, if it does not take too long. */
  #ended(): void {
    if (this.#state === EXCHANGE) {
      // An end is told while the socket is paused, too, and what is not decoded yet may be the whole body.
      if (!this.#decoder.done && this.#rest === undefined)
        return this.#gone("the client broke off in its request");
      this.#halfClosed = true;
      if (this.#rest === undefined) this.closing = true;
      this.#deadline = Date.now() + this.#world.limits.halfClosedMs;
    } else if (this.#state !== TAKEN) this.socket.end();
  }

  /** What came before the client closed its side is decoded. The next sweep tells what is missing: others are at work here. */
  #nothingFollows(): void {
    if (this.#rest === undefined) this.closing = true;
    // Of a body that is broken something else has been told already.
    if (this.#state === EXCHANGE && !this.#decoder.done && this.#deadline !== 0) this.#deadline = Date.now();
  }

  #drained(): void {
    this.#writeDeadline = 0;
    this.#client?.owner?.clientDrained();
  }

  #closed(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.owner?.clientGone("the client went away");
    this.#world.owner.closed(this);
  }
}

/** What is read ahead of later requests while one is served. */
const REST_BYTES_MAX = 65_536;

/** While draining, a connection that stays idle this long has no request on its way. */
const DRAIN_IDLE_MS = 100;

/** One that has been opened a moment ago was opened for a request. */
const DRAIN_FRESH_MS = 2_000;

type State = number;
/** Between requests, or in the head of one. */
const IDLE = 0;
const EXCHANGE = 1;
/** The last response is out; what the client still sends is dropped. */
const LINGER = 2;
/** Another protocol has the socket. */
const TAKEN = 3;
