/** From a client to this host over TLS. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectPlainly } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectSecurely, type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Authority, type Issued, writePair } from "../support/certificate.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { type ConfigParts, startProxy, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { waitFor, within } from "../support/waiting.ts";
import { Wire } from "../support/wire.ts";

let folder: string;
let authority: Authority;
/** Files of two certificates: for `a.test`, and for `b.test` with all names right below it. */
let certificates: Issued[];
let stack = new AsyncDisposableStack();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-tls-"));
  authority = await Authority.create();
  certificates = [
    writePair(folder, "a", await authority.issue(["a.test", "127.0.0.1"])),
    writePair(folder, "b", await authority.issue(["b.test", "*.b.test"])),
  ];
});

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

afterAll(() => rmSync(folder, { recursive: true }));

async function proxy(tls: object = {}, parts: ConfigParts = {}, answer?: Answer): Promise<TestHost> {
  const upstream = stack.use(await Upstream.start(answer));
  const listen = [{ address: "127.0.0.1:0", tls: { certificates, ...tls } }];
  return stack.use(await startProxy(upstream, { listen, ...parts }));
}

async function connect(host: TestHost, options: ConnectionOptions = {}): Promise<RawClient> {
  return stack.use(
    await RawClient.secure(host.address, { ca: authority.cert, servername: "a.test", ...options }),
  );
}

function socketOf(client: RawClient): TLSSocket {
  return client.wire.socket as TLSSocket;
}

/** The subject of what the host shows to who asks for this name. */
async function shown(host: TestHost, servername: string): Promise<unknown> {
  const client = await connect(host, { servername, checkServerIdentity: () => undefined });
  return socketOf(client).getPeerCertificate().subject.CN;
}

function failures(host: TestHost, reason: string): Promise<number> {
  return host.metric(`sluice_tls_handshake_failures_total{reason="${reason}"}`);
}

/** Whether a request is answered: with TLS 1.3 a client hears only afterwards that its certificate was refused. */
async function isServed(host: TestHost, options: ConnectionOptions = {}): Promise<boolean> {
  try {
    return (await (await connect(host, options)).ask(request("/"))).status === 200;
  } catch {
    return false;
  }
}

describe("requests and responses", () => {
  test("come and go as they do in the clear", async () => {
    const host = await proxy({}, {}, async (arrival) => ok((await arrival.body()).body.toString()));
    const client = await connect(host);
    const body = "x".repeat(300_000);
    const response = await client.ask(request("/", [], "POST", body));
    expect(response.body.toString() === body).toBe(true);
    expect((await client.ask(request("/", [], "POST", "again"))).body.toString()).toBe("again");
  });

  test("are told to the server as https", async () => {
    let proto: string | undefined;
    const host = await proxy({}, {}, ({ head }) => {
      proto = head.one("x-forwarded-proto");
      return ok("well");
    });
    await (await connect(host)).ask(request("/"));
    expect(proto).toBe("https");
  });

  test("a client that has ended its side gets its response", async () => {
    const client = await connect(await proxy());
    client.wire.socket.allowHalfOpen = true;
    client.wire.socket.end(request("/"));
    expect((await client.response()).status).toBe(200);
  });

  test("a response that breaks off, whose end would be the connection's, breaks the connection and nothing else", async () => {
    const host = await proxy({}, {}, ({ target, socket }) => {
      if (target === "/next") return ok("well");
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", () =>
        socket.destroy(),
      );
      return undefined;
    });
    const client = await connect(host);
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    expect((await client.head()).startLine).toBe("HTTP/1.1 200 OK");
    await within("the end of the connection", client.wire.closed);
    const next = await connect(host);
    expect((await next.ask(request("/next"))).body.toString()).toBe("well");
  });

  test("a WebSocket is one over TLS, too", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    stack.defer(() => server.close());
    server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const host = await proxy({}, { upstreams: { main: { servers: [`http://127.0.0.1:${port}`] } } });
    const socket = new WebSocket(`wss://127.0.0.1:${host.address.port}/`, { ca: authority.cert });
    stack.defer(() => socket.terminate());
    const answer = new Promise((resolve) => socket.once("message", (data: Buffer) => resolve(String(data))));
    socket.once("open", () => socket.send("hello"));
    expect(await within("an answer", answer)).toBe("hello");
  });
});

test("connections are counted, and none is left when all have ended", async () => {
  const host = await proxy();
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect(host)));
  expect(await host.metric("sluice_connections_open")).toBe(5);
  for (const [at, client] of clients.entries()) {
    if (at % 2 === 0) client.wire.socket.end();
    else client.destroy();
  }
  await waitFor("the end of all", async () => (await host.metric("sluice_connections_open")) === 0);
  expect(await failures(host, "gone")).toBe(0);
});

describe("the certificate", () => {
  test.each([
    ["a.test", "a.test"],
    ["B.test", "b.test"],
    ["any.b.test", "b.test"],
    ["one.two.b.test", "a.test"],
    ["b.test.evil.test", "a.test"],
    ["unknown.test", "a.test"],
  ])("for %s is that of %s", async (name, expected) => {
    expect(await shown(await proxy(), name)).toBe(expected);
  });

  test("for a client that names no host is the first one", async () => {
    const host = await proxy();
    const client = await connect(host, { servername: "", host: "127.0.0.1" });
    expect(socketOf(client).getPeerCertificate().subject.CN).toBe("a.test");
  });
});

describe("a handshake", () => {
  test("ends with HTTP/1.1 for a client that also speaks HTTP/2", async () => {
    const client = await connect(await proxy(), { ALPNProtocols: ["h2", "http/1.1"] });
    expect(socketOf(client).alpnProtocol).toBe("http/1.1");
  });

  test("comes to nothing with a client that speaks only HTTP/2, and is counted", async () => {
    const host = await proxy();
    await expect(connect(host, { ALPNProtocols: ["h2"] })).rejects.toThrow(/no application protocol/);
    await waitFor("the count", async () => (await failures(host, "protocol")) === 1);
    expect(await isServed(host)).toBe(true);
  });

  test.each([
    ["TLSv1.2", "TLSv1.2", true],
    ["TLSv1.2", "TLSv1.3", true],
    ["TLSv1.3", "TLSv1.2", false],
    ["TLSv1.3", "TLSv1.3", true],
  ] as const)("with min-version %s and a client of %s: %s", async (minimum, spoken, served) => {
    const host = await proxy({ "min-version": minimum });
    expect(await isServed(host, { minVersion: spoken, maxVersion: spoken })).toBe(served);
  });

  test("that does not come within timeouts.client-head is over", async () => {
    const host = await proxy({}, { timeouts: { "client-head": "300ms" } });
    const silent = new Wire(connectPlainly(host.address.port, "127.0.0.1"));
    await within("the end of the connection", silent.closed);
    await waitFor("the count", async () => (await failures(host, "timeout")) === 1);
    expect(await isServed(host)).toBe(true);
  });

  test.each([
    ["a request in the clear", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"],
    ["noise", "\x16\x03\x01\xff\xff\x00\x00\x00\x00 noise"],
    ["half of a hello", "\x16\x03\x01"],
  ])("%s is answered with the end of the connection", async (_, bytes) => {
    const host = await proxy({}, { timeouts: { "client-head": "500ms" } });
    const wire = new Wire(connectPlainly(host.address.port, "127.0.0.1"));
    wire.socket.write(Buffer.from(bytes, "latin1"));
    await within("the end of the connection", wire.closed);
    expect(await isServed(host)).toBe(true);
    expect(await host.metric("sluice_exchanges_in_flight")).toBe(0);
  });

  test("that the client breaks off is counted", async () => {
    const host = await proxy();
    const wire = new Wire(connectPlainly(host.address.port, "127.0.0.1"));
    wire.socket.write(Buffer.from("\x16\x03\x01", "latin1"), () => wire.socket.resetAndDestroy());
    await waitFor("the count", async () => (await failures(host, "gone")) === 1);
    expect(await isServed(host)).toBe(true);
  });

  test("under way is a connection that is open, and is waited for at a stop", async () => {
    const host = await proxy({}, { timeouts: { "client-head": "1m" } });
    const socket = connectPlainly(host.address.port, "127.0.0.1");
    await waitFor("the connection", async () => (await host.metric("sluice_connections_open")) === 1);
    const drained = host.host.drain();
    const secured = connectSecurely({ socket, ca: authority.cert, servername: "a.test" });
    stack.defer(() => void secured.destroy());
    secured.write(request("/"));
    const wire = new Wire(secured);
    expect((await within("a response", wire.head())).startLine).toBe("HTTP/1.1 200 OK");
    await within("the end of the drain", drained);
  });

  test("under way does not hold a stop up", async () => {
    const host = await proxy({}, { timeouts: { drain: "100ms", "client-head": "1m" } });
    const wire = new Wire(connectPlainly(host.address.port, "127.0.0.1"));
    await new Promise((resolve) => wire.socket.once("connect", resolve));
    const began = performance.now();
    await host.host.drain();
    await within("the end of the connection", wire.closed);
    expect(performance.now() - began).toBeLessThan(900);
  });
});

describe("a session", () => {
  async function sessionOf(host: TestHost): Promise<Buffer> {
    const client = await connect(host);
    const session = new Promise<Buffer>((resolve) => socketOf(client).once("session", resolve));
    await client.ask(request("/"));
    return within("a session", session);
  }

  test("is resumed by whichever worker the next connection comes to", async () => {
    const host = await proxy({}, { workers: 2 });
    const session = await sessionOf(host);
    const resumed = new Set<unknown>();
    for (let round = 0; round < 20; round++) {
      const client = await connect(host, { session });
      await client.ask(request(`/${round}`));
      resumed.add(socketOf(client).isSessionReused());
    }
    expect([...resumed]).toEqual([true]);
    const lines = await host.lines("all exchanges", ({ msg }) => msg === "exchange", 21);
    expect(new Set(lines.map(({ worker }) => worker)).size, "both workers have served").toBe(2);
  });

  test("is not resumed where it was not made", async () => {
    const host = await proxy();
    const session = await sessionOf(host);
    const other = await proxy();
    const client = await connect(other, { session });
    expect((await client.ask(request("/"))).status).toBe(200);
    expect(socketOf(client).isSessionReused()).toBe(false);
  });
});

describe("certificates of clients", () => {
  let ca: string;
  let known: Issued;
  let unknown: Issued;

  beforeAll(async () => {
    ca = join(folder, "clients.pem");
    const clients = await Authority.create("clients");
    writeFileSync(ca, clients.cert);
    known = await clients.issue(["client.test"]);
    unknown = await (await Authority.create("clients")).issue(["client.test"]);
  });

  test.each([
    ["TLSv1.2", "required"],
    ["TLSv1.3", "required"],
    ["TLSv1.2", "optional"],
    ["TLSv1.3", "optional"],
  ] as const)("in %s, %s: one from the authority is taken, another one is not", async (version, wanted) => {
    const host = await proxy({ "client-ca": ca, "client-certificates": wanted });
    const versions = { minVersion: version, maxVersion: version };
    expect(await isServed(host, { ...versions, ...known })).toBe(true);
    expect(await isServed(host, { ...versions, ...unknown })).toBe(false);
    await waitFor("the count", async () => (await failures(host, "certificate")) === 1);
    expect(await isServed(host, versions), "without one").toBe(wanted === "optional");
  });

  test("with a client-ca alone they are required, whichever certificate is shown", async () => {
    const host = await proxy({ "client-ca": ca });
    for (const servername of ["a.test", "b.test"]) {
      expect(await isServed(host, { servername })).toBe(false);
      expect(await isServed(host, { servername, ...unknown })).toBe(false);
      expect(await isServed(host, { servername, ...known })).toBe(true);
    }
  });

  test("a session resumes with the certificate that it was made with", async () => {
    const host = await proxy({ "client-ca": ca });
    const client = await connect(host, known);
    const session = new Promise<Buffer>((resolve) => socketOf(client).once("session", resolve));
    await client.ask(request("/"));
    const again = await connect(host, { session: await within("a session", session) });
    expect((await again.ask(request("/"))).status).toBe(200);
    expect(socketOf(again).isSessionReused()).toBe(true);
  });

  test("a session that a refused client was given is refused again", async () => {
    const host = await proxy({ "client-ca": ca });
    const sessions: Buffer[] = [];
    const client = await connect(host, unknown);
    socketOf(client).on("session", (session) => sessions.push(session));
    await within("the end of the refused connection", client.wire.closed);
    for (const session of sessions) expect(await isServed(host, { session })).toBe(false);
    expect(await host.metric("sluice_exchanges_in_flight")).toBe(0);
    expect(await isServed(host, known)).toBe(true);
  });
});
