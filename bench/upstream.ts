/**
 * The upstream of the benchmark, in a process of its own: `node bench/upstream.ts PORT`.
 *
 * The last segment of a request's path says what it answers (`ANSWERS`), whatever the method, once the request's body has
 * come. It does for a request less than any proxy spends on it.
 */
import { createServer, type Socket } from "node:net";

const KIB = 1_024;
const HEAD = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: ${new Date().toUTCString()}\r\n`;

/** Bodies by name; "chunked" is as large as "100k", in chunks as application servers write them. */
const ANSWERS: Readonly<Record<string, Buffer>> = {
  0: whole(0),
  "1k": whole(KIB),
  "10k": whole(10 * KIB),
  "100k": whole(100 * KIB),
  "1m": whole(KIB * KIB),
  chunked: chunked(25, 4 * KIB),
};

/** Of all connections together, without those for `COUNT` itself. */
let answered = 0;

/** Tells how many requests have been answered. */
const COUNT = "count";
/** Tells which request of its connection this one is: whether proxies keep connections. */
const TURN = "turn";

/** One connection: requests in turn, with bodies of a known length. */
class Connection {
  readonly #socket: Socket;
  #head: Buffer = Buffer.alloc(0);
  #turn = 0;
  /** Bytes of the present request's body that are still to come, and what is answered then. */
  #left = 0;
  #name = "";

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes: Buffer) => this.#received(bytes));
  }

  #received(bytes: Buffer): void {
    let data = bytes;
    while (data.length > 0) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, data.length);
        this.#left -= taken;
        data = data.subarray(taken);
        if (this.#left === 0) this.#answer();
        continue;
      }
      if (this.#head.length > 0) data = Buffer.concat([this.#head, data]);
      const end = data.indexOf("\r\n\r\n");
      this.#head = end < 0 ? data : Buffer.alloc(0);
      if (end < 0) return;
      this.#begin(data.latin1Slice(0, end));
      data = data.subarray(end + 4);
    }
  }

  #begin(head: string): void {
    const target = head.slice(head.indexOf(" ") + 1, head.indexOf(" HTTP/"));
    this.#name = target.slice(target.lastIndexOf("/") + 1);
    this.#turn += 1;
    if (head.startsWith("POST ")) {
      const length = LENGTH.exec(head)?.[1];
      // No contender sends these bodies in chunks; if one did, the benchmark should fail and say so.
      if (length === undefined) return void this.#socket.end("HTTP/1.1 411 Length Required\r\n\r\n");
      this.#left = Number(length);
    }
    if (this.#left === 0) this.#answer();
  }

  #answer(): void {
    if (this.#name === COUNT) return this.#tell(answered);
    if (this.#name === TURN) return this.#tell(this.#turn);
    answered += 1;
    this.#socket.write(ANSWERS[this.#name] ?? "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  }

  #tell(number: number): void {
    this.#socket.write(`${HEAD}Content-Length: ${String(number).length}\r\n\r\n${number}`);
  }
}

const LENGTH = /^content-length: (\d+)/im;

function whole(length: number): Buffer {
  return Buffer.from(`${HEAD}Content-Length: ${length}\r\n\r\n${"x".repeat(length)}`);
}

function chunked(count: number, length: number): Buffer {
  const chunk = `${length.toString(16)}\r\n${"x".repeat(length)}\r\n`;
  return Buffer.from(`${HEAD}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(count)}0\r\n\r\n`);
}

createServer({ noDelay: true }, (socket) => void new Connection(socket)).listen({
  port: Number(process.argv[2]),
  host: "127.0.0.1",
  backlog: 4_096,
});
