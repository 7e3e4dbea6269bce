/** From this host to a server over TLS. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Authority, type Issued, writePair } from "../support/certificate.ts";
import { request, type RawResponse } from "../support/raw-client.ts";
import { type ConfigParts, startHost, type TestHost } from "../support/test-host.ts";
import { type Answer, ok, Upstream } from "../support/upstream.ts";
import { within } from "../support/waiting.ts";
import { OFFER, switching } from "../upgrade/tunnel.ts";

let folder: string;
let authority: Authority;
let ca: string;
/** For `server.test` and 127.0.0.1. */
let issued: Issued;
let stack = new AsyncDisposableStack();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-tls-"));
  authority = await Authority.create();
  ca = join(folder, "ca.pem");
  writeFileSync(ca, authority.cert);
  issued = await authority.issue(["server.test", "127.0.0.1"]);
});

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

afterAll(() => rmSync(folder, { recursive: true }));

async function proxy(
  upstream: Upstream,
  tls: object | undefined,
  parts: ConfigParts = {},
): Promise<TestHost> {
  const main = { servers: [upstream.origin], ...(tls === undefined ? {} : { tls }) };
  return stack.use(await startHost({ upstreams: { main }, ...parts }));
}

async function ask(host: TestHost, text: string = request("/")): Promise<RawResponse> {
  await using client = await host.connect();
  return await client.ask(text);
}

/** A server in the clear that does this with every connection. */
async function listening(serve: (socket: Socket) => void): Promise<AddressInfo> {
  const server = createServer(serve).listen(0, "127.0.0.1");
  stack.defer(() => void server.close());
  await once(server, "listening");
  return server.address() as AddressInfo;
}

async function secured(answer: Answer = () => ok("well"), with_: object = {}): Promise<Upstream> {
  return stack.use(await Upstream.start(answer, { ...issued, ...with_ }));
}

describe("a server that proves its name", () => {
  test("is spoken with, for an authority that the upstream names", async () => {
    const upstream = await secured();
    const response = await ask(await proxy(upstream, { ca }));
    expect([response.status, response.body.toString()]).toEqual([200, "well"]);
    const socket = upstream.only.socket as TLSSocket;
    expect(socket.alpnProtocol).toBe(false);
    expect(socket.getProtocol()).toBe("TLSv1.3");
  });

  test("is asked for server-name, and proves that one", async () => {
    const upstream = await secured();
    const host = await proxy(upstream, { ca, "server-name": "server.test" });
    expect((await ask(host)).status).toBe(200);
    expect((upstream.only.socket as TLSSocket & { servername: string }).servername).toBe("server.test");
  });

  test("gets the next connection for the price of a resumed session", async () => {
    const reused: boolean[] = [];
    const upstream = await secured(({ socket }) => {
      reused.push((socket as TLSSocket).isSessionReused());
      return ok("well", ["Connection: close"]);
    });
    const host = await proxy(upstream, { ca });
    await ask(host);
    await within("the end of the first connection", upstream.only.closed);
    await ask(host);
    expect(reused).toEqual([false, true]);
  });

  test("gets bodies both ways", async () => {
    const body = "x".repeat(300_000);
    const upstream = await secured(async (arrival) => ok((await arrival.body()).body.toString()));
    const response = await ask(await proxy(upstream, { ca }), request("/", [], "POST", body));
    expect(response.body.toString() === body).toBe(true);
  });

  test("may switch to another protocol", async () => {
    const upstream = await secured(switching);
    const host = await proxy(upstream, { ca });
    await using client = await host.connect();
    client.send(`${request("/", OFFER)}early`);
    expect((await client.head()).startLine).toContain("101");
    const { wire } = upstream.only;
    expect((await within("the early bytes", wire.bytes(5))).toString()).toBe("early");
    wire.socket.end("last");
    expect((await within("the end", client.wire.rest())).toString()).toBe("last");
    client.wire.socket.destroy();
    await within("the end of the server's side", wire.closed);
  });
});

describe("502, and not a byte of the request, for a server", () => {
  /** How the exchange failed, once nothing of it has reached the server. */
  async function failure(upstream: Upstream, tls: object | undefined): Promise<unknown[]> {
    const host = await proxy(upstream, tls);
    const response = await ask(host, request("/secret"));
    expect(upstream.arrivals.length).toBe(0);
    const [line] = await host.lines("the exchange", ({ msg }) => msg === "exchange");
    return [response.status, response.body.toString(), String(line?.["sluice.detail"]).split(" ")[0]];
  }
  const failed = (detail: string): unknown[] => [502, "UPSTREAM_TLS_FAILED\n", detail];

  test("whose authority nobody knows", async () => {
    expect(await failure(await secured(), undefined)).toEqual(failed("UNABLE_TO_VERIFY_LEAF_SIGNATURE"));
  });

  test("whose certificate is from another authority than the upstream's", async () => {
    const other = await (await Authority.create("other")).issue(["127.0.0.1"]);
    expect(await failure(await secured(undefined, other), { ca })).toEqual(
      failed("UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
    );
  });

  test("whose certificate is for another name", async () => {
    expect(await failure(await secured(), { ca, "server-name": "other.test" })).toEqual(
      failed("ERR_TLS_CERT_ALTNAME_INVALID"),
    );
  });

  test("whose certificate is for another address", async () => {
    const elsewhere = await authority.issue(["127.0.0.2"]);
    expect(await failure(await secured(undefined, elsewhere), { ca })).toEqual(
      failed("ERR_TLS_CERT_ALTNAME_INVALID"),
    );
  });

  test("whose certificate has run out", async () => {
    const old = await authority.issue(["127.0.0.1"], -60_000);
    expect(await failure(await secured(undefined, old), { ca })).toEqual(failed("CERT_HAS_EXPIRED"));
  });

  test("that speaks no TLS", async () => {
    const { port } = await listening((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const servers = [`https://127.0.0.1:${port}`];
    const host = stack.use(await startHost({ upstreams: { main: { servers, tls: { ca } } } }));
    const response = await ask(host);
    expect([response.status, response.body.toString()]).toEqual([502, "UPSTREAM_TLS_FAILED\n"]);
  });
});

test("504 for a server that takes the connection and never shakes hands", async () => {
  const { port } = await listening(() => {});
  const host = stack.use(
    await startHost({
      upstreams: {
        main: { servers: [`https://127.0.0.1:${port}`], tls: { ca }, timeouts: { connect: "200ms" } },
      },
    }),
  );
  const response = await ask(host);
  expect([response.status, response.body.toString()]).toEqual([504, "UPSTREAM_CONNECT_TIMED_OUT\n"]);
});

test("502 for one that nobody listens at, as without TLS", async () => {
  const gone = await secured();
  const { origin } = gone;
  await gone[Symbol.asyncDispose]();
  const host = stack.use(await startHost({ upstreams: { main: { servers: [origin], tls: { ca } } } }));
  expect((await ask(host)).body.toString()).toBe("UPSTREAM_UNREACHABLE\n");
});

describe("a server that asks for a certificate", () => {
  const asking = { requestCert: true, rejectUnauthorized: true };

  test("is shown the upstream's", async () => {
    const own = writePair(folder, "own", await authority.issue(["sluice.test"]));
    const upstream = await secured(undefined, { ...asking, ca: authority.cert });
    expect((await ask(await proxy(upstream, { ca, ...own }))).status).toBe(200);
    const shown = (upstream.only.socket as TLSSocket).getPeerCertificate();
    expect(shown.subject.CN).toBe("sluice.test");
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)("and gets none is a failure of TLS, in %s", async (version) => {
    const upstream = await secured(undefined, { ...asking, ca: authority.cert, maxVersion: version });
    const response = await ask(await proxy(upstream, { ca }));
    expect([response.status, response.body.toString()]).toEqual([502, "UPSTREAM_TLS_FAILED\n"]);
    expect(upstream.arrivals.length).toBe(0);
  });
});
