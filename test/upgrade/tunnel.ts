import { RawClient, request, statusOf } from "../support/raw-client.ts";
import { type ConfigParts, startProxy, type TestHost } from "../support/test-host.ts";
import { type Answer, type Arrival, ok, Upstream } from "../support/upstream.ts";
import type { Head, Wire } from "../support/wire.ts";

export const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n";
export const OFFER: readonly string[] = ["Connection: Upgrade", "Upgrade: echo/1"];

/** Speaks the other protocol when it is offered: what comes then is for the test to read and write. */
export const switching: Answer = async ({ head, socket, wire }: Arrival): Promise<string | undefined> => {
  if (head.one("upgrade") === undefined) return ok("plain");
  socket.write(SWITCH);
  await wire.closed;
  return undefined;
};

/** Both ends of an upgraded connection, and what is between them. */
export class OpenTunnel implements AsyncDisposable {
  readonly upstream: Upstream;
  readonly host: TestHost;
  readonly client: RawClient;
  /** The client's end. */
  readonly near: Wire;
  /** The server's end. */
  readonly far: Wire;
  /** Of the 101, as the client got it. */
  readonly head: Head;

  private constructor(upstream: Upstream, host: TestHost, client: RawClient, far: Wire, head: Head) {
    this.upstream = upstream;
    this.host = host;
    this.client = client;
    this.near = client.wire;
    this.far = far;
    this.head = head;
  }

  /** `early`: what the client sends behind its request without waiting. */
  static async open(parts: ConfigParts = {}, early = "", answer: Answer = switching): Promise<OpenTunnel> {
    const upstream = await Upstream.start(answer);
    const host = await startProxy(upstream, parts);
    const client = await host.connect();
    client.send(request("/socket", OFFER) + early);
    const head = await client.head();
    if (statusOf(head) !== 101) throw new Error(`no tunnel: ${head.startLine}`);
    const { wire } = await upstream.arrived(1);
    return new OpenTunnel(upstream, host, client, wire, head);
  }

  /** The line of its exchange, which comes at its end. */
  async line(): Promise<Record<string, unknown>> {
    const [line] = await this.host.lines("the end of the tunnel", ({ msg }) => msg === "exchange");
    return line as unknown as Record<string, unknown>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.host[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
  }
}
