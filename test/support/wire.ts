import assert from "node:assert/strict";
import type { Socket } from "node:net";

/** One field of a message, as it was on the wire; bytes as Latin-1 code units. */
export type Field = readonly [name: string, value: string];

/** The head of a message, as it was on the wire. */
export class Head {
  /** The bytes, with the empty line. */
  readonly raw: string;
  readonly startLine: string;
  readonly fields: readonly Field[];

  constructor(lines: readonly string[]) {
    const [startLine = "", ...fields] = lines;
    this.raw = `${lines.join("\r\n")}\r\n\r\n`;
    this.startLine = startLine;
    this.fields = fields.map((line) => {
      const colon = line.indexOf(":");
      assert(colon > 0, `a field without a colon: ${line}`);
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
  }

  /** The values of all fields of this name, in order. */
  all(name: string): string[] {
    return this.fields.filter(([found]) => found.toLowerCase() === name).map(([, value]) => value);
  }

  /** The value of the only field of this name; undefined when there is none. */
  one(name: string): string | undefined {
    const values = this.all(name);
    assert(values.length < 2, `${name} is there more than once`);
    return values[0];
  }

  get names(): string[] {
    return this.fields.map(([name]) => name.toLowerCase());
  }
}

/** The connection ended before what was being read was whole. */
export class BrokenOff extends Error {
  override readonly name = "BrokenOff";
}

/**
 * What comes from a socket, taken piece by piece. What nobody takes stays in the socket, so that whoever does not read
 * is a slow reader for the other side.
 */
export class Wire {
  /** All bytes taken from the socket so far. */
  received = 0;
  readonly socket: Socket;
  /** The other side has ended its half, or the connection is gone. */
  readonly ended: Promise<void>;
  readonly closed: Promise<void>;
  readonly #chunks: Buffer[] = [];
  #buffered = 0;
  #over = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.received += chunk.length;
      this.#chunks.push(chunk);
      this.#buffered += chunk.length;
      if (this.#buffered > AHEAD) socket.pause();
      this.#wake?.();
    });
    const over = (): void => {
      this.#over = true;
      this.#wake?.();
    };
    this.ended = new Promise((resolve) => socket.once("end", resolve).once("close", () => resolve()));
    this.closed = new Promise((resolve) => void socket.once("close", () => resolve()));
    socket.on("end", over);
    socket.on("close", over);
    // A reset is an end like any other here: `closed` tells.
    socket.on("error", over);
  }

  /** The next bytes, whatever there is; undefined at the end. */
  async some(): Promise<Buffer | undefined> {
    while (this.#chunks.length === 0) {
      if (this.#over) return undefined;
      this.socket.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const chunk = this.#chunks.shift() as Buffer;
    this.#buffered -= chunk.length;
    return chunk;
  }

  async bytes(length: number): Promise<Buffer> {
    const taken: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      const chunk = await this.some();
      if (chunk === undefined) throw new BrokenOff(`${missing} of ${length} bytes are missing`);
      if (chunk.length > missing) this.#putBack(chunk.subarray(missing));
      taken.push(chunk.subarray(0, missing));
      missing -= Math.min(chunk.length, missing);
    }
    return Buffer.concat(taken);
  }

  /** Up to the next CRLF, without it. */
  async line(): Promise<string> {
    let text = "";
    for (;;) {
      const chunk = await this.some();
      if (chunk === undefined) throw new BrokenOff(`the connection ended within ${JSON.stringify(text)}`);
      text += chunk.latin1Slice(0, chunk.length);
      const end = text.indexOf("\r\n");
      if (end < 0) continue;
      const rest = text.slice(end + 2);
      if (rest !== "") this.#putBack(Buffer.from(rest, "latin1"));
      return text.slice(0, end);
    }
  }

  /** All that comes until the end. */
  async rest(): Promise<Buffer> {
    const taken: Buffer[] = [];
    for (let chunk = await this.some(); chunk !== undefined; chunk = await this.some()) taken.push(chunk);
    return Buffer.concat(taken);
  }

  async head(): Promise<Head> {
    const lines: string[] = [];
    for (let line = await this.line(); line !== ""; line = await this.line()) lines.push(line);
    return new Head(lines);
  }

  /** The chunks of a chunked body, and its trailers. */
  async chunked(): Promise<{ body: Buffer; trailers: readonly Field[] }> {
    const chunks: Buffer[] = [];
    for (;;) {
      const size = await this.line();
      assert.match(size, /^[0-9a-f]+$/i, "the size of a chunk");
      const chunk = await this.bytes(Number.parseInt(size, 16));
      if (chunk.length === 0) break;
      assert.equal((await this.bytes(2)).toString("latin1"), "\r\n", "the end of a chunk");
      chunks.push(chunk);
    }
    const lines = ["trailers"];
    for (let line = await this.line(); line !== ""; line = await this.line()) lines.push(line);
    return { body: Buffer.concat(chunks), trailers: new Head(lines).fields };
  }

  #putBack(chunk: Buffer): void {
    this.#chunks.unshift(chunk);
    this.#buffered += chunk.length;
  }
}

/** So much is read ahead of whoever takes it. */
const AHEAD = 16_384;
