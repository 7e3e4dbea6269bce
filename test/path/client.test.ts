import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RawResponse, request } from "../support/raw-client.ts";
import { startProxy, type TestHost } from "../support/test-host.ts";
import { type Arrival, ok, Upstream } from "../support/upstream.ts";

/** What the upstream answers, by the path of the request. */
const ANSWERS: Readonly<Record<string, string>> = {
  "/length": ok("body", ["Content-Type: text/plain"]),
  "/empty": ok(""),
  "/chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
  "/trailers": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Late: 1\r\n\r\n",
  "/204": "HTTP/1.1 204 No Content\r\nX-Own: 1\r\n\r\n",
  "/304": 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 4\r\n\r\n',
  "/205": "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
  "/dated": ok("", ["Date: Tue, 15 Nov 1994 08:12:31 GMT"]),
  "/interim": `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n${ok("final")}`,
  "/bytes": ok("\x00\x7f\x80\xff\r\n\r\n", ["X-Bytes: \x80\xff\t~"]),
  "/twice": ok("", ["Set-Cookie: a=1", "Set-Cookie: b=2", "X-CaSe: Kept"]),
  "/unusual": "HTTP/1.1 299 Whatever You Say\r\nContent-Length: 0\r\n\r\n",
};

let upstream: Upstream;
let host: TestHost;

beforeAll(async () => {
  upstream = await Upstream.start(answer);
  host = await startProxy(upstream, { limits: { "client-headers": 200 } });
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

describe("connections", () => {
  test("one connection carries one request after the other", async () => {
    await using client = await host.connect();
    for (const path of ["/length", "/chunked", "/204", "/304", "/empty", "/length"]) {
      const { head } = await client.ask(request(path));
      expect(head.one("connection"), path).not.toBe("close");
    }
  });

  test("responses come in the order of pipelined requests, however fast the upstream answers each", async () => {
    await using client = await host.connect();
    const paths = ["/slow/a", "/length", "/slow/b", "/chunked", "/204", "/slow/c", "/304", "/length"];
    client.send(paths.map((path) => request(path)).join(""));
    const seen: RawResponse[] = [];
    for (const path of paths) {
      if (path.startsWith("/slow")) await release(path);
      seen.push(await client.response());
    }
    expect(seen.map(({ status, body }) => `${status} ${body.toString()}`)).toEqual([
      "200 /slow/a",
      "200 body",
      "200 /slow/b",
      "200 abcde",
      "204 ",
      "200 /slow/c",
      "304 ",
      "200 body",
    ]);
  });

  test("a client that asks for the end of the connection gets it after its response, and no other exchange", async () => {
    await using client = await host.connect();
    client.send(request("/length", ["Connection: close"]) + request("/never"));
    const { head, body } = await client.response();
    expect([head.one("connection"), body.toString()]).toEqual(["close", "body"]);
    expect(await client.close()).toBe("");
    expect(upstream.arrivals.map(({ target }) => target)).not.toContain("/never");
  });

  test("empty lines before a request are passed over", async () => {
    await using client = await host.connect();
    expect((await client.ask(`\r\n\r\n${request("/length")}`, "GET")).status).toBe(200);
  });

  test("a request may come byte by byte", async () => {
    await using client = await host.connect();
    for (const byte of request("/length", [], "POST", "abc")) client.send(byte);
    expect((await client.response()).status).toBe(200);
  });
});

describe("HTTP/1.0", () => {
  test("a client gets an HTTP/1.1 response with its length, and then the end", async () => {
    await using client = await host.connect();
    const { head, body } = await client.ask("GET /length HTTP/1.0\r\nHost: a\r\n\r\n");
    expect(head.startLine).toMatch(/^HTTP\/1\.1 200 /);
    expect(body.toString()).toBe("body");
    expect(await client.close()).toBe("");
  });

  test("a client is never sent chunks: the end of the connection ends the body", async () => {
    await using client = await host.connect();
    const { head, body } = await client.ask("GET /chunked HTTP/1.0\r\nHost: a\r\n\r\n");
    expect(head.one("transfer-encoding")).toBeUndefined();
    expect(body.toString()).toBe("abcde");
  });

  test("a client that asks for keep-alive does not get it (RFC 9112 §C.2.2)", async () => {
    await using client = await host.connect();
    const { head } = await client.ask("GET /length HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    expect(head.one("connection")).toBe("close");
    expect(await client.close()).toBe("");
  });

  test("the upstream is spoken to in HTTP/1.1, and Via tells what the client speaks", async () => {
    await using client = await host.connect();
    await client.ask("GET /length?1.0 HTTP/1.0\r\n\r\n");
    const { head } = arrivalOf("/length?1.0");
    expect(head.startLine).toBe("GET /length?1.0 HTTP/1.1");
    expect([head.one("via"), head.one("host")]).toEqual([
      expect.stringMatching(/^1\.0 sluice-[0-9a-f]{8}$/),
      "",
    ]);
  });
});

describe("responses", () => {
  test("go on as they came but for the fields of this hop: order, case, repetition, and bytes beyond ASCII", async () => {
    await using client = await host.connect();
    const { head } = await client.ask(request("/twice"));
    expect(head.fields.slice(0, 3)).toEqual([
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "b=2"],
      ["X-CaSe", "Kept"],
    ]);
    const bytes = await client.ask(request("/bytes"));
    expect(bytes.head.one("x-bytes")).toBe("\x80\xff\t~");
    expect(bytes.body.toString("latin1")).toBe("\x00\x7f\x80\xff\r\n\r\n");
  });

  test("with a length keep it, and others are sent in chunks", async () => {
    await using client = await host.connect();
    const length = await client.ask(request("/length"));
    expect([length.head.one("content-length"), length.head.one("transfer-encoding")]).toEqual([
      "4",
      undefined,
    ]);
    const chunked = await client.ask(request("/chunked"));
    expect([chunked.head.one("content-length"), chunked.head.one("transfer-encoding")]).toEqual([
      undefined,
      "chunked",
    ]);
    expect(chunked.body.toString()).toBe("abcde");
  });

  test("to HEAD tell the length and have no body", async () => {
    await using client = await host.connect();
    for (const path of ["/length", "/chunked", "/length"]) {
      const { status, head } = await client.ask(request(path, [], "HEAD"));
      expect([status, head.one("content-length")]).toEqual([200, path === "/length" ? "4" : undefined]);
    }
    expect((await client.ask(request("/length"))).body.toString(), "a body came behind a HEAD").toBe("body");
  });

  test.each([
    ["/204", undefined],
    ["/304", "4"],
  ])("of %s have no body, and the next one follows", async (path, length) => {
    await using client = await host.connect();
    const first = await client.ask(request(path));
    expect(first.status).toBe(Number(path.slice(1)));
    expect(first.head.one("transfer-encoding")).toBeUndefined();
    expect(first.head.one("content-length")).toBe(length);
    expect((await client.ask(request("/length"))).body.toString()).toBe("body");
  });

  test("keep their status, whether it is registered or not", async () => {
    await using client = await host.connect();
    expect((await client.ask(request("/unusual"))).status).toBe(299);
    expect((await client.ask(request("/205"))).status).toBe(205);
  });

  test("keep the Date of the upstream, and get one where there is none", async () => {
    await using client = await host.connect();
    expect((await client.ask(request("/dated"))).head.one("date")).toBe("Tue, 15 Nov 1994 08:12:31 GMT");
    const made = (await client.ask(request("/length"))).head.one("date") ?? "";
    expect(Math.abs(Date.parse(made) - Date.now())).toBeLessThan(10_000);
    expect(new Date(made).toUTCString(), "not the format of RFC 9110 §5.6.7").toBe(made);
  });

  test("come whole when the upstream sends interim ones first", async () => {
    await using client = await host.connect();
    expect((await client.ask(request("/interim"))).body.toString()).toBe("final");
    expect((await client.ask(request("/length"))).body.toString()).toBe("body");
  });

  test("with trailers come whole", async () => {
    await using client = await host.connect();
    expect((await client.ask(request("/trailers"))).body.toString()).toBe("a");
    expect((await client.ask(request("/length"))).body.toString()).toBe("body");
  });
});

describe("request bodies", () => {
  test("with a length arrive with it", async () => {
    await using client = await host.connect();
    await client.ask(request("/length?sized", [], "POST", "\x00\xff\r\n\r\nabc"));
    const { head, body } = await arrived("/length?sized");
    expect([head.one("content-length"), head.one("transfer-encoding")]).toEqual(["9", undefined]);
    expect(body).toBe("\x00\xff\r\n\r\nabc");
  });

  test("in chunks arrive whole, without the client's extensions of chunks", async () => {
    await using client = await host.connect();
    client.send("POST /length?chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("3;ext=1\r\nabc\r\n");
    client.send('2;q="\\"\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n'.replace(';q="\\"', ""));
    expect((await client.response()).status).toBe(200);
    expect((await arrived("/length?chunked")).body).toBe("abcde");
    expect((await client.ask(request("/length"))).status).toBe(200);
  });

  test.each(["GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "PURGE"])(
    "go on with %s as with POST",
    async (method) => {
      await using client = await host.connect();
      expect((await client.ask(request(`/length?${method}`, [], method, "body"))).status).toBe(200);
      const { head, body } = await arrived(`/length?${method}`);
      expect([head.startLine, body]).toEqual([`${method} /length?${method} HTTP/1.1`, "body"]);
    },
  );

  test("that are empty do not become chunks", async () => {
    await using client = await host.connect();
    await client.ask(request("/length?none", ["Content-Length: 0"], "POST"));
    const { head } = await arrived("/length?none");
    expect([head.one("content-length"), head.one("transfer-encoding")]).toEqual(["0", undefined]);
    await client.ask(request("/length?nothing"));
    const nothing = await arrived("/length?nothing");
    expect([nothing.head.one("content-length"), nothing.head.one("transfer-encoding")]).toEqual([
      undefined,
      undefined,
    ]);
  });

  test("that are expected to be asked for are asked for at once, and the upstream is not told", async () => {
    await using client = await host.connect();
    client.send(
      "POST /length?expect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    );
    expect((await client.head()).startLine).toBe("HTTP/1.1 100 Continue");
    client.send("body");
    expect((await client.response()).status).toBe(200);
    const { head, body } = await arrived("/length?expect");
    expect([head.one("expect"), body]).toEqual([undefined, "body"]);
  });
});

const held = new Map<string, PromiseWithResolvers<void>>();

async function answer(arrival: Arrival): Promise<string> {
  const path = arrival.target.replace(/\?.*/, "");
  if (path.startsWith("/slow")) {
    await gate(path).promise;
    return ok(path);
  }
  const found = ANSWERS[path] ?? "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  return arrival.method === "HEAD" ? found.slice(0, found.indexOf("\r\n\r\n") + 4) : found;
}

/** Lets the upstream answer this path. */
async function release(path: string): Promise<void> {
  gate(path).resolve();
}

function gate(path: string): PromiseWithResolvers<void> {
  const found = held.get(path) ?? Promise.withResolvers<void>();
  held.set(path, found);
  return found;
}

function arrivalOf(target: string): Arrival {
  const found = upstream.arrivals.find((arrival) => arrival.target === target);
  if (found === undefined) throw new Error(`${target} did not reach the upstream`);
  return found;
}

async function arrived(target: string): Promise<{ head: Arrival["head"]; body: string }> {
  const arrival = arrivalOf(target);
  return { head: arrival.head, body: (await arrival.body()).body.toString("latin1") };
}
