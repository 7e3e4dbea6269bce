import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectSecurely } from "node:tls";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { readProxyHeader } from "../../host/http1/proxy-protocol.ts";
import { Authority, writePair } from "../support/certificate.ts";
import { type RawClient, request } from "../support/raw-client.ts";
import { type ConfigParts, startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import { waitFor, within } from "../support/waiting.ts";
import { Wire } from "../support/wire.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const V4 = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb];

/** A header of version 2. */
function binary(command: number, family: number, payload: readonly number[]): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(payload.length);
  const begin = Buffer.from(SIGNATURE, "latin1");
  return Buffer.concat([begin, Buffer.from([command, family]), length, Buffer.from(payload)]);
}

/** The 36 bytes of two addresses of IPv6 and two ports. */
function v6(groups: readonly number[]): number[] {
  const address = groups.flatMap((group) => [group >> 8, group & 0xff]);
  return [...address, ...address, 0, 1, 0, 2];
}

describe("headers of the PROXY protocol", () => {
  const GOOD: [string, Buffer, string | undefined][] = [
    ["TCP4", Buffer.from("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"), "192.0.2.1"],
    ["TCP6", Buffer.from("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), "2001:db8::1"],
    [
      "the longest line",
      Buffer.from(`PROXY UNKNOWN ${`${"ffff:".repeat(7)}ffff `.repeat(2)}65535 65535\r\n`),
      undefined,
    ],
    ["UNKNOWN", Buffer.from("PROXY UNKNOWN\r\n"), undefined],
    ["version 2, TCP4", binary(0x21, 0x11, V4), "192.0.2.1"],
    ["version 2, TCP6", binary(0x21, 0x21, v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])), "2001:db8::1"],
    ["version 2, what is told beside", binary(0x21, 0x11, [...V4, 0x04, 0, 3, 1, 2, 3]), "192.0.2.1"],
    ["version 2, LOCAL", binary(0x20, 0x00, []), undefined],
    ["version 2, LOCAL with addresses", binary(0x20, 0x11, V4), undefined],
    ["version 2, a family that is not told", binary(0x21, 0x00, [1, 2, 3]), undefined],
    [
      "version 2, a socket's path",
      binary(
        0x21,
        0x31,
        Array.from({ length: 216 }, () => 47),
      ),
      undefined,
    ],
  ];

  test.each(GOOD)("%s is read, wherever it is cut, and what follows is left", (_, header, address) => {
    for (let length = 0; length < header.length; length++)
      expect(readProxyHeader(header.subarray(0, length)), `after ${length} bytes`).toBeUndefined();
    expect(readProxyHeader(header)).toEqual({ end: header.length, address });
    const more = Buffer.concat([header, Buffer.from("GET / HTTP/1.1\r\n")]);
    expect(readProxyHeader(more)).toEqual({ end: header.length, address });
  });

  test.each<[string, string | Buffer, number]>([
    ["HTTP", "GET / HTTP/1.1\r\n", 0],
    ["TLS", "\x16\x03\x01", 0],
    ["lower case", "proxy TCP4", 0],
    ["a beginning that goes wrong", "PROXX", 4],
    ["two spaces", "PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n", 11],
    ["an unknown family", "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n", 6],
    ["an address of another family", "PROXY TCP4 ::1 ::1 1 1\r\n", 11],
    ["an address of IPv4 for IPv6", "PROXY TCP6 1.1.1.1 ::1 1 1\r\n", 11],
    ["a zone", "PROXY TCP6 fe80::1%lo ::1 1 1\r\n", 11],
    ["leading zeros in an address", "PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n", 11],
    ["a second address that is none", "PROXY TCP4 1.1.1.1 x 1 1\r\n", 19],
    ["a port out of range", "PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n", 27],
    ["a port with a zero before it", "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n", 27],
    ["a signed port", "PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n", 27],
    ["no second port", "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", 28],
    ["a word too many", "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n", 31],
    ["LF alone", "PROXY UNKNOWN\n", 13],
    ["CR alone", "PROXY UNKNOWN\rG", 14],
    ["a control byte", "PROXY UNKNOWN \0", 14],
    ["a byte beyond ASCII", "PROXY UNKNOWN \xff", 14],
    ["a line that does not end", `PROXY UNKNOWN ${"x".repeat(93)}`, 106],
    ["a line one byte too long", `PROXY UNKNOWN ${"x".repeat(92)}\r`, 106],
    ["version 2, a signature that goes wrong", "\r\n\r\n\0\r\nQUIX", 10],
    ["version 2, another version", Buffer.from(`${SIGNATURE}\x31`, "latin1"), 12],
    ["version 2, an unknown command", Buffer.from(`${SIGNATURE}\x22`, "latin1"), 12],
    ["version 2, datagrams", Buffer.from(`${SIGNATURE}\x21\x12`, "latin1"), 13],
    ["version 2, no room for the addresses", binary(0x21, 0x11, V4.slice(1)), 14],
    ["version 2, more than is taken", Buffer.from(`${SIGNATURE}\x21\x11\xff\xff`, "latin1"), 14],
  ])("%s: refused at its byte, and not before", (_, bytes, at) => {
    const data = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    expect(readProxyHeader(data)).toMatchObject({ at });
    // What is refused as a whole line is refused when the line is there.
    for (let length = 0; length <= at && length < data.length; length++)
      expect(readProxyHeader(data.subarray(0, length)), `after ${length} bytes`).toBeUndefined();
  });

  test("any address of IPv6 comes out as others write it", () => {
    const group = fc.oneof(fc.constantFrom(0, 0, 0xffff), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const found = readProxyHeader(binary(0x21, 0x21, v6(groups)));
        const text = found !== undefined && "address" in found ? (found.address ?? "") : "";
        const url = text.includes(".") ? `[::ffff:${text}]` : `[${text}]`;
        const written = groups.map((value) => value.toString(16)).join(":");
        expect(new URL(`http://${url}`).hostname).toBe(new URL(`http://[${written}]`).hostname);
        expect(text.includes(".") ? "" : text).toBe(
          text.includes(".") ? "" : new URL(`http://[${written}]`).hostname.slice(1, -1),
        );
      }),
    );
  });

  test("any bytes at all are refused, waited for or read, and never past their end", () => {
    const begin = fc.constantFrom(
      "",
      "PROXY ",
      "PROXY TCP4 1.1.1.1 ",
      SIGNATURE,
      `${SIGNATURE}\x21\x11\0\x0c`,
    );
    fc.assert(
      fc.property(begin, fc.uint8Array({ maxLength: 60 }), (text, bytes) => {
        const data = Buffer.concat([Buffer.from(text, "latin1"), bytes]);
        const found = readProxyHeader(data);
        const at = found === undefined ? 0 : "end" in found ? found.end - 1 : found.at;
        expect(at).toBeLessThanOrEqual(Math.max(data.length - 1, 0));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a listener behind a proxy", () => {
  let stack = new AsyncDisposableStack();

  afterEach(async () => {
    await stack.disposeAsync();
    stack = new AsyncDisposableStack();
  });

  async function path(
    parts: ConfigParts = {},
  ): Promise<{ upstream: Upstream; host: TestHost; client: RawClient }> {
    const upstream = stack.use(await Upstream.start(() => ok("")));
    const listen = [{ address: "127.0.0.1:0", "proxy-protocol": true }];
    const host = stack.use(await startProxy(upstream, { listen, ...parts }));
    return { upstream, host, client: stack.use(await host.connect()) };
  }

  const LINE = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
  const refused = (host: TestHost): Promise<number> =>
    host.metric('sluice_failures_total{code="PROXY_HEADER_MALFORMED"}');

  test.each<[string, string | Buffer, string]>([
    ["version 1", LINE, "192.0.2.1"],
    ["version 2", binary(0x21, 0x11, V4), "192.0.2.1"],
    ["a proxy that speaks for itself", binary(0x20, 0x00, []), "127.0.0.1"],
  ])("takes whom the header names for the client, in every request: %s", async (_, header, address) => {
    const { upstream, client } = await path();
    client.send(header);
    for (let turn = 0; turn < 2; turn++) expect((await client.ask(request("/"))).status).toBe(200);
    expect(upstream.arrivals.map(({ head }) => head.one("x-forwarded-for"))).toEqual([address, address]);
  });

  test("reads header and request from one piece, and from single bytes", async () => {
    const { upstream, host, client } = await path();
    expect((await client.ask(LINE + request("/", [], "POST", "body"), "POST")).status).toBe(200);
    const slow = stack.use(await host.connect());
    for (const byte of Buffer.from(LINE + request("/"))) {
      slow.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await slow.response()).status).toBe(200);
    expect(upstream.arrivals.map(({ head }) => head.one("x-forwarded-for"))).toEqual([
      "192.0.2.1",
      "192.0.2.1",
    ]);
  });

  test("believes what a proxy before the one that speaks says, when that one is trusted", async () => {
    const { upstream, client } = await path({ forwarded: { trusted: ["192.0.2.0/24"] } });
    await client.ask(LINE + request("/", ["X-Forwarded-For: 203.0.113.9"]), "GET");
    expect(upstream.only.head.one("x-forwarded-for")).toBe("203.0.113.9, 192.0.2.1");
  });

  test.each([
    ["a request without a header", request("/")],
    ["a header that is broken", "PROXY TCP4 x\r\n"],
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ])("closes without a word, and counts: %s", async (_, bytes) => {
    const { upstream, host, client } = await path();
    client.send(bytes);
    expect(await client.close()).toBe("");
    await waitFor("the count", async () => (await refused(host)) === 1);
    expect(upstream.arrivals).toEqual([]);
  });

  test("gives a header as long as a head, and then closes", async () => {
    const { host, client } = await path({ timeouts: { "client-head": "100ms" } });
    client.send("PROXY TCP4");
    expect(await client.close()).toBe("");
    await waitFor("the count", async () => (await refused(host)) === 1);
  });

  test("does not count a connection on which nothing came: so ask those who look whether it is there", async () => {
    const { host, client } = await path();
    const open = (): Promise<number> => host.metric("sluice_connections_open");
    await waitFor("the connection", async () => (await open()) === 1);
    client.destroy();
    await waitFor("its end", async () => (await open()) === 0);
    expect(await refused(host)).toBe(0);
  });

  test("a second header is no request", async () => {
    const { client } = await path();
    const { status } = await client.ask(LINE + LINE + request("/"), "GET");
    expect(status).toBe(400);
  });

  test("the header stands before the handshake of TLS", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-proxied-"));
    stack.defer(() => rmSync(folder, { recursive: true }));
    const authority = await Authority.create();
    const certificates = [writePair(folder, "a", await authority.issue(["a.test"]))];
    const { upstream, client } = await path({
      listen: [{ address: "127.0.0.1:0", "proxy-protocol": true, tls: { certificates } }],
    });
    client.send(LINE);
    const { socket } = client.wire;
    socket.removeAllListeners("data").removeAllListeners("end");
    const secured = connectSecurely({ socket, ca: authority.cert, servername: "a.test" });
    const wire = new Wire(secured);
    secured.write(request("/"));
    expect((await within("the response", wire.head())).startLine).toBe("HTTP/1.1 200 OK");
    expect(upstream.only.head.one("x-forwarded-for")).toBe("192.0.2.1");
    expect(upstream.only.head.one("x-forwarded-proto")).toBe("https");
    secured.destroy();
  });
});
