import { createServer, type Server, STATUS_CODES } from "node:http";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import { Client, Connection, HeldHeads, IncomingRequest, OutgoingResponse } from "./client.ts";
import type { Address } from "./config/config.ts";
import { FAILURES, Failure } from "./failure.ts";
import { isAuthority } from "./fields.ts";
import { RequestHead } from "./message.ts";

/** Bounds on what clients may do. Units are in the names. */
export interface ListenerLimits {
  readonly headBytesMax: number;
  readonly headersMax: number;
  readonly headMs: number;
  readonly requestMs: number;
  readonly idleMs: number;
}

/** What a listener tells the worker. */
export interface ListenerOwner {
  /** A request whose head is complete and in order. */
  arrived(client: Client): void;
  /** A request that is refused at the door: it has no exchange. */
  refused(failure: Failure): void;
  /** The number of open connections changed by so many. */
  connections(change: number): void;
}

/** Sockets in: accepts connections and gives one `Client` per request. */
export class Listener {
  readonly #server: Server<typeof IncomingRequest, typeof OutgoingResponse>;
  readonly #owner: ListenerOwner;
  readonly #limits: ListenerLimits;
  readonly #connections = new Map<Socket, Connection>();
  readonly #heads = new HeldHeads();
  readonly #sweep: NodeJS.Timeout;
  #draining = false;

  constructor(limits: ListenerLimits, owner: ListenerOwner) {
    this.#limits = limits;
    this.#owner = owner;
    this.#server = createServer({
      IncomingMessage: IncomingRequest,
      ServerResponse: OutgoingResponse,
      maxHeaderSize: limits.headBytesMax,
      headersTimeout: limits.headMs,
      requestTimeout: Math.max(limits.requestMs, limits.headMs),
      // Idle connections are swept here: one timer for all of them is cheaper than one each.
      keepAliveTimeout: 0,
      connectionsCheckingInterval: SWEEP_MS,
      noDelay: true,
      // The body of a request without one is never read: Node then need not make a stream of it.
      optimizeEmptyRequests: true,
      requireHostHeader: false,
      // An upgrade is an offer (RFC 9110 §7.8): nobody takes it up yet, and the request is served as it is.
      shouldUpgradeCallback: () => false,
    });
    // Node would cut the list at its own limit and say nothing.
    this.#server.maxHeadersCount = 0;
    this.#server.on("connection", (socket) => this.#connected(socket));
    this.#server.on("request", (request, response) => this.#arrived(request, response));
    this.#server.on("checkExpectation", (request, response) => {
      this.#refuse(new Failure("EXPECTATION_UNKNOWN", `Expect: ${request.framing.expect ?? ""}`), response);
    });
    this.#server.on("connect", (_request, socket) =>
      this.#refuseSocket(new Failure("METHOD_REFUSED", "CONNECT"), socket as Socket),
    );
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket) =>
      this.#broken(error, socket as Socket),
    );
    this.#sweep = setInterval(() => this.#closeIdle(this.#limits.idleMs), SWEEP_MS).unref();
  }

  /** Every worker listens on the same address; the system spreads the connections over them. */
  listen(address: Address): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(
        { host: address.host, port: address.port, reusePort: true, backlog: BACKLOG },
        () => {
          this.#server.removeListener("error", reject);
          const { port } = this.#server.address() as AddressInfo;
          resolve({ ...address, port });
        },
      );
    });
  }

  /** Takes no new connection, ends idle ones and lets the others finish the response that they are at. */
  drain(): Promise<void> {
    this.#draining = true;
    for (const connection of this.#connections.values()) connection.closing = true;
    // http.Server's own close breaks keep-alive connections whose next request is on its way.
    const closed = new Promise<void>(
      (resolve) => void NetServer.prototype.close.call(this.#server, () => resolve()),
    );
    clearInterval(this.#sweep);
    const sweep = setInterval(() => this.#closeIdle(DRAIN_IDLE_MS), DRAIN_IDLE_MS);
    return closed.finally(() => clearInterval(sweep));
  }

  /** Breaks what is left. */
  destroy(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
    this.#server.close();
    clearInterval(this.#sweep);
  }

  #connected(socket: Socket): void {
    const connection = new Connection(socket, this.#heads);
    connection.closing = this.#draining;
    this.#connections.set(socket, connection);
    this.#owner.connections(1);
    socket.on("close", () => {
      this.#connections.delete(socket);
      this.#owner.connections(-1);
      connection.broken();
    });
  }

  #arrived(request: IncomingRequest, response: OutgoingResponse): void {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined) return void request.socket.destroy();
    const head = headOf(request, this.#limits);
    if (head instanceof Failure) return this.#refuse(head, response);
    this.#owner.arrived(new Client(connection, request, response, head));
  }

  #refuse(failure: Failure, response: OutgoingResponse): void {
    this.#owner.refused(failure);
    const connection = this.#connections.get(response.req.socket);
    if (connection !== undefined) connection.refused = true;
    const { status } = FAILURES[failure.code];
    const body = refusalBody(failure);
    response.writeHead(status, [
      ...REFUSAL_FIELDS,
      "Content-Length",
      String(body.length),
      "Connection",
      "close",
    ]);
    response.end(body);
  }

  #broken(error: NodeJS.ErrnoException, socket: Socket): void {
    // A connection that broke off between or within messages is no protocol error.
    if (error.code === "ECONNRESET" || error.code === "EPIPE" || !socket.writable)
      return void socket.destroy();
    // Behind its last request a client says nothing that matters: that request goes on (RFC 9112 §9.6).
    if (error.code === "HPE_CLOSED_CONNECTION") return;
    const code = CLIENT_ERRORS[error.code ?? ""] ?? "MESSAGE_MALFORMED";
    this.#refuseSocket(new Failure(code, error.message), socket);
  }

  #refuseSocket(failure: Failure, socket: Socket): void {
    const connection = this.#connections.get(socket);
    // What comes behind a refused request is refused with it.
    if (connection?.refused === true) return;
    this.#owner.refused(failure);
    const open = connection?.open.size ?? 0;
    // With a response under way there is no place for another one.
    if (open > 0) return void socket.destroy();
    const { status } = FAILURES[failure.code];
    const body = refusalBody(failure);
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${REFUSAL_FIELDS[1]}\r\n`;
    socket.end(`${head}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`, () =>
      socket.destroy(),
    );
  }

  #closeIdle(idleMs: number): void {
    const before = Date.now() - idleMs;
    for (const [socket, connection] of this.#connections) {
      if (connection.open.size === 0 && connection.lastUsedMs <= before) socket.destroySoon();
    }
  }
}

/** The head of a request, or why it is refused. */
function headOf(request: IncomingRequest, limits: ListenerLimits): RequestHead | Failure {
  const { fields, framing, rawHeaders } = request;
  if (rawHeaders.length > limits.headersMax * 2) {
    return new Failure(
      "HEAD_TOO_LARGE",
      `${rawHeaders.length / 2} fields are more than ${limits.headersMax}`,
    );
  }
  const target = request.url ?? "";
  const method = request.method ?? "";
  const malformed = whyMalformed(request, target);
  if (malformed !== undefined) return new Failure("MESSAGE_MALFORMED", malformed);
  if (target.charCodeAt(0) === 0x2f)
    return new RequestHead(method, "http", framing.host ?? "", target, fields);
  // Absolute form: its authority stands, whatever Host says (RFC 9112 §3.2.2).
  const [, authority = "", rest = ""] = ABSOLUTE.exec(target) ?? [];
  if (!isAuthority(authority))
    return new Failure("MESSAGE_MALFORMED", "the target is neither a path nor an absolute URI");
  return new RequestHead(method, "http", authority, rest.startsWith("/") ? rest : `/${rest}`, fields);
}

/** What Node's parser lets pass, and what would mean something else to an upstream than to this host. */
function whyMalformed(
  { framing, httpVersionMajor, httpVersionMinor }: IncomingRequest,
  target: string,
): string | undefined {
  const { host, hosts } = framing;
  if (httpVersionMajor !== 1) return "not HTTP/1";
  if (hosts > 1) return "more than one Host";
  if (hosts === 0 && httpVersionMinor > 0) return "no Host";
  if (host !== undefined && host !== "" && !isAuthority(host)) return "Host is no host[:port]";
  if (framing.otherCoding) return "a transfer coding other than chunked";
  if (!Number.isSafeInteger(framing.contentLength)) return "Content-Length is no length";
  if (target.includes("#")) return "the target has a fragment";
  return undefined;
}

const ABSOLUTE = /^https?:\/\/([^/?]+)([/?].*)?$/i;

/** What Node's parser says, as our codes. */
const CLIENT_ERRORS: Readonly<Record<string, keyof typeof FAILURES>> = {
  HPE_HEADER_OVERFLOW: "HEAD_TOO_LARGE",
  ERR_HTTP_REQUEST_TIMEOUT: "REQUEST_TIMED_OUT",
};

const REFUSAL_FIELDS = ["Content-Type", "text/plain; charset=utf-8"] as const;

/** Nothing of what the client sent: an answer must not carry back what could be read as markup or a header. */
function refusalBody(failure: Failure): string {
  return `${failure.code}\n`;
}

const SWEEP_MS = 1_000;

/** While draining, a connection that has been idle this long has no request on its way. */
const DRAIN_IDLE_MS = 100;

/** The system cuts this to its own limit. */
const BACKLOG = 4_096;
