/** A WebSocket library on both ends, which knows nothing of what is between them. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { startHost, type TestHost } from "../support/test-host.ts";
import { waitFor, within } from "../support/waiting.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

/** A server that sends every message back, and a host before it. */
async function echo(): Promise<{ server: WebSocketServer; host: TestHost }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: true });
  await once(server, "listening");
  stack.defer(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  const { port } = server.address() as AddressInfo;
  const host = stack.use(await startHost({ upstreams: { main: { servers: [`http://127.0.0.1:${port}`] } } }));
  return { server, host };
}

async function connect({ address }: TestHost): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${address.port}/chat`, "v1");
  stack.defer(() => socket.terminate());
  await within("a WebSocket", once(socket, "open"));
  return socket;
}

async function ask(socket: WebSocket, message: string | Buffer): Promise<Buffer> {
  const answer = once(socket, "message") as Promise<[Buffer]>;
  socket.send(message);
  return (await within("an answer", answer))[0];
}

test("messages of every size come back as they were, compressed or not", async () => {
  const { host } = await echo();
  const socket = await connect(host);
  expect(socket.protocol).toBe("v1");
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 4_000_000]) {
    const message = Buffer.alloc(size, "sluice ");
    expect((await ask(socket, message)).equals(message), `${size} bytes`).toBe(true);
  }
});

test("a ping is answered from the other end", async () => {
  const { host } = await echo();
  const socket = await connect(host);
  const pong = once(socket, "pong") as Promise<[Buffer]>;
  socket.ping("here");
  expect((await within("a pong", pong))[0].toString()).toBe("here");
});

test.each(["client", "server"] as const)(
  "the code with which the %s closes reaches the other end",
  async (side) => {
    const { server, host } = await echo();
    const accepted = once(server, "connection") as Promise<[WebSocket]>;
    const client = await connect(host);
    const [far] = await accepted;
    const [one, other] = side === "client" ? [client, far] : [far, client];
    const closed = once(other, "close") as Promise<[number, Buffer]>;
    one.close(4_001, "enough");
    const [code, reason] = await within("the close", closed);
    expect([code, reason.toString()]).toEqual([4_001, "enough"]);
    await waitFor("the end of the tunnel", async () => (await host.metric("sluice_tunnels_open")) === 0);
  },
);

test("one that goes away without a word is an end without a code at the other", async () => {
  const { server, host } = await echo();
  const accepted = once(server, "connection") as Promise<[WebSocket]>;
  const client = await connect(host);
  const [far] = await accepted;
  const closed = once(far, "close") as Promise<[number]>;
  client.terminate();
  expect((await within("the close", closed))[0]).toBe(1_006);
});

test("many at once, each with its own messages, leave nothing behind", async () => {
  const { host } = await echo();
  const sockets = await Promise.all(Array.from({ length: 50 }, () => connect(host)));
  expect(await host.metric("sluice_tunnels_open")).toBe(50);
  const answers = await Promise.all(sockets.map((socket, at) => ask(socket, `message ${at}`)));
  expect(answers.map(String)).toEqual(sockets.map((_, at) => `message ${at}`));
  for (const socket of sockets) socket.close();
  await waitFor("the end of all", async () => (await host.metric("sluice_connections_open")) === 0);
  expect(await host.metric("sluice_tunnels_open")).toBe(0);
  expect(await host.metric("sluice_exchanges_in_flight")).toBe(0);
});
