import type { Socket } from "node:net";
import { Failure, type FailureCode } from "../failure.ts";
import type { FieldList } from "../message.ts";
import { BodyDecoder, type BodySink } from "./body-decoder.ts";
import { lossOf } from "./connection-loss.ts";
import type { HeadParser } from "./head-parser.ts";
import {
  type HeadLimits,
  type HeadSink,
  INCOMPLETE,
  MALFORMED,
  ResponseHeads,
  SWITCHED,
} from "./response-heads.ts";
import type { ReadSink, SocketReader } from "./socket-reader.ts";
import { chunkLine, lastChunk } from "./wire.ts";

/** Bounds on what a server may do. Units are in the names. */
export interface ServerLimits extends HeadLimits {
  readonly extensionBytesMax: number;
  readonly trailerBytesMax: number;
  readonly connectMs: number;
  readonly headMs: number;
  readonly bodyMs: number;
  readonly keepAliveMs: number;
}

/** A final response's head. */
export interface ServerResponse {
  readonly status: number;
  /** End-to-end fields. */
  readonly fields: FieldList;
  /** The length of the body that follows, 0 without one, or -1 when only its end will tell. */
  readonly length: number;
}

/** What a connection tells about the request that it carries. After `ended` or `failed` nothing more comes. */
export interface ServerOwner {
  /** When all of it has to be over, by the clock; 0 without a bound. */
  readonly untilMs: number;
  /** The connection stands and has the head: the body may be written. */
  ready(): void;
  interim(status: number, fields: FieldList): void;
  responded(response: ServerResponse): void;
  /** A view that is good until the call returns. */
  sent(chunk: Buffer): void;
  ended(trailers: FieldList): void;
  /** After `write` gave false: there is room again. */
  drained(): void;
  /** The server speaks another protocol from here on. */
  upgraded(fields: FieldList, socket: Socket, rest: Buffer | undefined): void;
  /** `untouched`: the server cannot have acted on the request. */
  failed(failure: Failure, untouched: boolean): void;
}

/** What a connection tells the one who keeps it. */
export interface ServerKeeper {
  /** It is free for another request. */
  free(connection: ServerConnection): void;
  /** It is no more. */
  gone(connection: ServerConnection): void;
  /** It carries another protocol from now on, on a socket that is others' to end. */
  upgraded(connection: ServerConnection, socket: Socket): void;
}

/** A head before and after its Host. */
export interface HeadParts {
  readonly before: string;
  /** Undefined where Host is to name the server, whichever will be chosen. */
  readonly authority: string | undefined;
  readonly after: string;
  /** Gives a line that is another one for each try. */
  readonly line: (() => string) | undefined;
}

/** One request, as it is put on a connection. */
export interface Outgoing {
  readonly method: string;
  /** The head, as it goes on the wire. */
  head: string;
  /** What the head is made of for each try anew; undefined when it is the same for all. */
  readonly around: HeadParts | undefined;
  readonly hasBody: boolean;
  /** The body is here as a whole, and can be sent again. */
  readonly replayable: boolean;
  /** Whether the body is sent in chunks; otherwise the head says its length. */
  readonly chunked: boolean;
  /** The protocols that are offered instead of this one; empty without an offer. */
  readonly upgrade: string;
}

/** One connection to a server (RFC 9112 §9): one request at a time, and reused only while nothing about it is in doubt. */
export class ServerConnection implements BodySink, HeadSink, ReadSink {
  readonly #socket: Socket;
  readonly #parser: HeadParser;
  readonly #limits: ServerLimits;
  readonly #keeper: ServerKeeper;
  readonly #reader: SocketReader | undefined;
  readonly #heads: ResponseHeads;
  readonly #decoder: BodyDecoder;
  #owner: ServerOwner | undefined;
  #request: Outgoing | undefined;
  /** TCP's connection stands; TLS may be still to come. */
  #reached = false;
  #connected = false;
  /** It has carried a request before: that the server closes it just now says nothing about this one. */
  #reused = false;
  /** The whole request is on its way. */
  #sentAll = true;
  #responded = false;
  #heard = false;
  #deadline: number;
  /** Of the request as a whole; 0 without one. */
  #untilMs = 0;
  #late: FailureCode = "UPSTREAM_CONNECT_TIMED_OUT";
  #error: NodeJS.ErrnoException | undefined;
  #paused = false;
  /** Bytes of a body that came while paused. */
  #stalled: Buffer | undefined;
  /** The server ended its side meanwhile: a stream's end is told while it is paused, too. */
  #endHeard = false;
  /** A response has ended, and the bytes that came with it have not all been looked at. */
  #complete = false;
  #closed = false;

  /** `reader`: what reads the socket, where that is no stream. */
  constructor(
    socket: Socket,
    parser: HeadParser,
    limits: ServerLimits,
    keeper: ServerKeeper,
    connectedEvent: "connect" | "secureConnect",
    reader?: SocketReader,
  ) {
    this.#socket = socket;
    this.#reader = reader;
    this.#parser = parser;
    this.#limits = limits;
    this.#keeper = keeper;
    this.#decoder = new BodyDecoder(parser, limits);
    this.#heads = new ResponseHeads(parser, this.#decoder, limits);
    this.#deadline = Date.now() + limits.connectMs;
    socket.once("connect", () => {
      this.#reached = true;
    });
    socket.once(connectedEvent, () => this.#stands());
    if (reader === undefined) socket.on("data", (data: Buffer) => this.received(data));
    else {
      reader.feed(this);
      // Its end is told as the end of a stream, which has to flow.
      socket.resume();
    }
    socket.on("end", () => this.#ended());
    socket.on("drain", () => this.#drained());
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#error = error;
    });
    socket.on("close", () => this.#gone());
  }

  /** Whether a request can be put on it. */
  get usable(): boolean {
    return !this.#closed && this.#owner === undefined && this.#socket.writable;
  }

  get flowing(): boolean {
    return this.#responded && this.#owner !== undefined;
  }

  start(request: Outgoing, owner: ServerOwner): void {
    this.#owner = owner;
    this.#request = request;
    this.#untilMs = owner.untilMs;
    this.#sentAll = !request.hasBody;
    this.#responded = false;
    this.#heard = false;
    this.#heads.begin();
    if (this.#connected) this.#send();
  }

  /** Gives false when there is more waiting than should: `drained` follows. */
  write(chunk: Buffer): boolean {
    const socket = this.#socket;
    let room: boolean;
    if (this.#request?.chunked !== true) room = socket.write(chunk);
    else {
      socket.cork();
      socket.write(chunkLine(chunk.length), "latin1");
      socket.write(chunk);
      room = socket.write("\r\n", "latin1");
      socket.uncork();
    }
    // From here on it is the server that is waited for.
    if (!room && !this.#responded) this.#expect(this.#limits.bodyMs, "UPSTREAM_TIMED_OUT");
    return room;
  }

  /** The request's body is over. */
  endBody(trailers: FieldList): void {
    if (this.#request?.chunked === true) this.#socket.write(lastChunk(trailers), "latin1");
    this.#sentAll = true;
    if (!this.#responded) this.#expect(this.#limits.headMs, "UPSTREAM_TIMED_OUT");
  }

  /** Nothing is told until `resume`, but for what is left of the piece under way. */
  pause(): void {
    this.#paused = true;
    this.#deadline = 0;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#expect(this.#limits.bodyMs, "UPSTREAM_TIMED_OUT");
    const stalled = this.#stalled;
    this.#stalled = undefined;
    this.#socket.resume();
    if (stalled === undefined) return;
    this.#body(stalled, 0);
    if (this.#endHeard) this.#ended();
    if (this.#closed) this.#lost();
  }

  /** Nobody waits for the answer any more. */
  cancel(): void {
    this.#owner = undefined;
    this.#socket.destroy();
  }

  /** Ends an idle connection. */
  close(): void {
    this.#socket.destroy();
  }

  sweep(nowMs: number): void {
    if (this.#untilMs !== 0 && nowMs > this.#untilMs && this.#owner !== undefined)
      return this.#fail(new Failure("UPSTREAM_TIMED_OUT", "all of it took too long"));
    if (this.#deadline === 0 || nowMs <= this.#deadline) return;
    if (this.#owner === undefined && this.#connected) return void this.#socket.destroy();
    this.#fail(new Failure(this.#late, "the server took too long"));
  }

  interim(status: number, fields: FieldList): boolean {
    // This host has answered the expectation itself.
    if (status !== 100) this.#owner?.interim(status, fields);
    return this.#owner !== undefined;
  }

  bodyChunk(chunk: Buffer): void {
    this.#owner?.sent(chunk);
  }

  bodyEnded(trailers: FieldList): void {
    this.#deadline = 0;
    const owner = this.#owner;
    this.#owner = undefined;
    // What the response answers has to be out whole, or the next request would follow in the middle of it.
    if (this.#heads.keepAlive && this.#sentAll) this.#complete = true;
    else this.#socket.destroy();
    owner?.ended(trailers);
  }

  #stands(): void {
    this.#connected = true;
    this.#socket.setNoDelay(true);
    this.#deadline = 0;
    if (this.#request !== undefined) this.#send();
  }

  #send(): void {
    const request = this.#request as Outgoing;
    this.#socket.write(request.head, "latin1");
    // A client that is slow with its body is no fault of the server's: the answer is waited for from the body's end on.
    if (this.#sentAll) this.#expect(this.#limits.headMs, "UPSTREAM_TIMED_OUT");
    else this.#deadline = 0;
    this.#owner?.ready();
  }

  #drained(): void {
    if (!this.#sentAll && !this.#responded) this.#deadline = 0;
    this.#owner?.drained();
  }

  #expect(ms: number, late: FailureCode): void {
    this.#deadline = Date.now() + ms;
    this.#late = late;
  }

  received(data: Buffer): void {
    if (this.#owner === undefined) return void this.#socket.destroy();
    this.#heard = true;
    if (this.#responded) {
      this.#deadline = Date.now() + this.#limits.bodyMs;
      return this.#body(data, 0);
    }
    const heads = this.#heads;
    const at = heads.read(data, this.#request as Outgoing, this);
    if (at === MALFORMED) return this.#fail(new Failure("UPSTREAM_MALFORMED", heads.error));
    if (at === SWITCHED) return this.#switch(heads.rest);
    if (at === INCOMPLETE) return;
    const { status, fields } = this.#parser;
    this.#responded = true;
    this.#expect(this.#limits.bodyMs, "UPSTREAM_TIMED_OUT");
    this.#owner?.responded({ status, fields, length: heads.length });
    const whole = heads.take();
    // The chain may need time to let the head pass: nothing of the body comes before it.
    if (this.#paused) this.#stalled = Buffer.from(whole.subarray(at));
    else this.#body(whole, at);
  }

  #body(data: Buffer, from: number): void {
    let at = from;
    if (this.#owner !== undefined) {
      if (this.#decoder.done) this.bodyEnded(NONE);
      else at = this.#decoder.feed(data, from, this);
      if (at < 0)
        return this.#fail(new Failure("UPSTREAM_MALFORMED", this.#decoder.error ?? "a broken body"));
    }
    if (this.#complete) this.#settle(at < data.length);
  }

  #switch(rest: Buffer | undefined): void {
    const { fields, upgrade } = this.#parser;
    const owner = this.#owner;
    const socket = this.#socket;
    this.#owner = undefined;
    this.#closed = true;
    this.#deadline = 0;
    socket
      .removeAllListeners("data")
      .removeAllListeners("end")
      .removeAllListeners("drain")
      .removeAllListeners("close");
    this.#reader?.handOver(socket);
    this.#keeper.upgraded(this, socket);
    fields.push("Connection", "upgrade", "Upgrade", upgrade);
    owner?.upgraded(fields, socket, rest);
  }

  /** After a whole response: free again, unless more came than was asked for. */
  #settle(stray: boolean): void {
    this.#complete = false;
    if (stray || !this.#socket.writable) return void this.#socket.destroy();
    this.#reused = true;
    this.#request = undefined;
    // The last piece may have been one too many for its client: that is no matter of the next request.
    if (this.#paused) {
      this.#paused = false;
      this.#socket.resume();
    }
    this.#deadline = Date.now() + this.#limits.keepAliveMs;
    this.#keeper.free(this);
  }

  #ended(): void {
    if (this.#stalled !== undefined && this.#owner !== undefined) {
      this.#endHeard = true;
      return;
    }
    if (this.#owner !== undefined && this.#responded && this.#decoder.untilEnd) this.bodyEnded(NONE);
    this.#socket.destroy();
  }

  #fail(failure: Failure): void {
    const owner = this.#owner;
    this.#owner = undefined;
    this.#deadline = 0;
    this.#socket.destroy();
    owner?.failed(failure, !this.#connected);
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#keeper.gone(this);
    // What came before is looked at before.
    if (this.#stalled === undefined) this.#lost();
  }

  #lost(): void {
    const owner = this.#owner;
    this.#owner = undefined;
    if (owner === undefined) return;
    // A reused connection that breaks before a byte came was closed by the server while it was idle.
    const untouched = !this.#connected || (this.#reused && !this.#heard);
    const progress = { reached: this.#reached, connected: this.#connected };
    owner.failed(lossOf(this.#error, progress), untouched);
  }
}

const NONE: FieldList = [];
