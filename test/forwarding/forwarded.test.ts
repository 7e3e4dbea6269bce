import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { ClientAddress } from "../../host/client-address.ts";
import type { ForwardedConfig } from "../../host/config/config.ts";
import { parseRange } from "../../host/config/forwarded-schema.ts";
import { readForwarded } from "../../host/forwarded-field.ts";
import { Forwarding } from "../../host/forwarding.ts";
import { request } from "../support/raw-client.ts";
import { startProxy } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";
import type { Head } from "../support/wire.ts";

let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

/** What a client might say of itself. */
const CLAIMS = [
  "X-Forwarded-For: 203.0.113.9",
  "x-forwarded-proto: https",
  "X-FORWARDED-HOST: evil.test",
  "X-Forwarded-Port: 1",
  "X-Real-IP: 203.0.113.9",
  "X_Forwarded_For: 203.0.113.9",
  'Forwarded: for=203.0.113.9;proto=https;host="evil.test"',
];

/** The head at the upstream of a request with these fields. */
async function seen(forwarded: Partial<ForwardedConfig>, fields: readonly string[]): Promise<Head> {
  const upstream = stack.use(await Upstream.start(() => ok("")));
  const host = stack.use(await startProxy(upstream, { forwarded }));
  const client = stack.use(await host.connect());
  await client.ask(request("/", fields));
  return upstream.only.head;
}

/** The fields that tell of clients, as they stand in a head. */
function told(head: Head): string[] {
  return head.fields
    .filter(([name]) => /forwarded|real/i.test(name))
    .map(([name, value]) => `${name}: ${value}`);
}

describe("upstreams are told who sent a request", () => {
  const X = ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: sluice.test"];
  const FORWARDED = 'Forwarded: for=127.0.0.1;proto=http;host="sluice.test"';

  test.each<[Partial<ForwardedConfig>, string[]]>([
    [{}, X],
    [{ mode: "x-forwarded" }, X],
    [{ mode: "forwarded" }, [FORWARDED]],
    [{ mode: "both" }, [...X, FORWARDED]],
    [{ mode: "off" }, []],
  ])("%j: and what a client that is not trusted says of itself is dropped", async (config, expected) => {
    expect(told(await seen(config, []))).toEqual(expected);
    expect(told(await seen(config, CLAIMS))).toEqual(expected);
    expect(told(await seen({ ...config, trusted: ["192.0.2.0/24", "::1"] }, CLAIMS))).toEqual(expected);
  });

  test("what a trusted proxy says is added to, and its first hop stays the first", async () => {
    const head = await seen({ trusted: ["127.0.0.0/8"] }, ["X-Forwarded-For: 198.51.100.7", ...CLAIMS]);
    expect(told(head).sort()).toEqual(
      [
        "X-Forwarded-For: 198.51.100.7, 203.0.113.9, 127.0.0.1",
        "x-forwarded-proto: https",
        "X-FORWARDED-HOST: evil.test",
        "X-Forwarded-Port: 1",
        "X-Real-IP: 203.0.113.9",
      ].sort(),
    );
  });

  test("of a trusted proxy, only the fields that it is to keep up are believed: it may let others through", async () => {
    const head = await seen({ mode: "forwarded", trusted: ["127.0.0.1"] }, CLAIMS);
    expect(told(head)).toEqual([
      'Forwarded: for=203.0.113.9;proto=https;host="evil.test", for=127.0.0.1;proto=http;host="sluice.test"',
    ]);
  });

  test("a Forwarded that breaks its rules is not added to but dropped", async () => {
    const head = await seen({ mode: "forwarded", trusted: ["127.0.0.1"] }, ['Forwarded: for="203.0.113.9']);
    expect(told(head)).toEqual([FORWARDED]);
  });

  test("nothing is added where nothing is to be told, and a trusted proxy is passed on as it came", async () => {
    const head = await seen({ mode: "off", trusted: ["127.0.0.1"] }, CLAIMS);
    expect(told(head)).toEqual(CLAIMS.filter((line) => !line.startsWith("X_")));
  });

  test("Connection cannot take away what is added", async () => {
    const head = await seen({}, ["Connection: X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto"]);
    expect(told(head)).toEqual(X);
  });

  test("the client's address is in no line of the log", async () => {
    const upstream = stack.use(await Upstream.start(() => ok("")));
    const host = stack.use(await startProxy(upstream, { forwarded: { trusted: ["127.0.0.1"] } }));
    const client = stack.use(await host.connect());
    await client.ask(request("/", ["X-Forwarded-For: 203.0.113.9"]));
    await host.lines("the exchange", ({ msg }) => msg === "exchange");
    expect(JSON.stringify(host.log())).not.toContain("203.0.113.9");
    expect((await host.host.metrics()).body).not.toContain("203.0.113.9");
  });
});

describe("whom a trusted proxy speaks for", () => {
  /** Address and scheme of the client behind a peer, whom these fields come from. */
  function behind(peer: string, mode: ForwardedConfig["mode"], fields: string[]): string {
    const forwarding = new Forwarding({ mode, trusted: ["10.0.0.0/8", "2001:db8::/32"] });
    const { address, scheme } = forwarding.peer(new ClientAddress(peer), "http").behind(fields);
    return `${scheme} ${address.forForwarding()}`;
  }
  const FOR = "X-Forwarded-For";
  const PROTO = "X-Forwarded-Proto";

  test.each<[string, string, string[], string]>([
    [
      "a peer that is not trusted speaks for itself",
      "192.0.2.1",
      [FOR, "1.1.1.1", PROTO, "https"],
      "http 192.0.2.1",
    ],
    ["one hop", "10.0.0.1", [FOR, "1.1.1.1", PROTO, "https"], "https 1.1.1.1"],
    ["the rightmost that is not trusted", "10.0.0.1", [FOR, "6.6.6.6, 1.1.1.1 , 10.0.0.2"], "http 1.1.1.1"],
    ["two fields are one list", "10.0.0.1", [FOR, "6.6.6.6", "x-forwarded-for", "1.1.1.1"], "http 1.1.1.1"],
    ["all trusted: the first", "10.0.0.1", [FOR, "10.0.0.3, 10.0.0.2"], "http 10.0.0.3"],
    ["the scheme of that hop", "10.0.0.1", [FOR, "1.1.1.1, 10.0.0.2", PROTO, "https, http"], "https 1.1.1.1"],
    ["one scheme for all", "10.0.0.1", [FOR, "1.1.1.1, 10.0.0.2", PROTO, "https"], "https 1.1.1.1"],
    ["a scheme alone", "10.0.0.1", [PROTO, "https"], "https 10.0.0.1"],
    ["a scheme that is none", "10.0.0.1", [FOR, "1.1.1.1", PROTO, "ftp"], "http 1.1.1.1"],
    ["a hop that is no address ends the way", "10.0.0.1", [FOR, "1.1.1.1, unknown"], "http 10.0.0.1"],
    ["a port is no part of the address", "10.0.0.1", [FOR, "1.1.1.1:4711"], "http 1.1.1.1"],
    ["IPv6 with brackets", "10.0.0.1", [FOR, "[2001:4860::8]:4711"], "http 2001:4860::8"],
    ["IPv6 without", "2001:db8::1", [FOR, "2001:4860::8"], "http 2001:4860::8"],
    ["IPv4 on a socket of IPv6", "::ffff:10.0.0.1", [FOR, "::ffff:1.1.1.1"], "http 1.1.1.1"],
    ["nothing told", "10.0.0.1", [], "http 10.0.0.1"],
  ])("X-Forwarded-For: %s", (_, peer, fields, expected) => {
    expect(behind(peer, "x-forwarded", fields)).toBe(expected);
  });

  test.each<[string, string, string]>([
    ["one hop", "for=1.1.1.1;proto=https", "https 1.1.1.1"],
    [
      "the rightmost that is not trusted",
      "for=6.6.6.6, for=1.1.1.1;PROTO=HTTPS, for=10.0.0.2",
      "https 1.1.1.1",
    ],
    ["IPv6 in quotes", 'for="[2001:4860::8]:4711"', "http 2001:4860::8"],
    ["a name that hides the address", "for=1.1.1.1, for=_secret", "http 10.0.0.1"],
    ["a comma and a semicolon in quotes", 'host="a,b;for=6.6.6.6";for=1.1.1.1', "http 1.1.1.1"],
    ["what breaks the rules", "for=1.1.1.1;proto", "http 10.0.0.1"],
  ])("Forwarded: %s", (_, value, expected) => {
    expect(behind("10.0.0.1", "forwarded", ["Forwarded", value])).toBe(expected);
  });

  test("whatever is told, an address that the client chose is never before one that a trusted proxy saw", () => {
    const address = fc.constantFrom("1.1.1.1", "10.0.0.2", "unknown", "2001:db8::5", "", "x", "999.1.1.1");
    fc.assert(
      fc.property(fc.array(address, { maxLength: 6 }), (chain) => {
        // The last proxy has seen 9.9.9.9.
        expect(behind("10.0.0.1", "x-forwarded", [FOR, [...chain, "9.9.9.9"].join(", ")])).toBe(
          "http 9.9.9.9",
        );
      }),
    );
  });
});

describe("readForwarded", () => {
  test.each([
    ["", []],
    ["for=a", [{ for: "a" }]],
    ['For="a\\"b" ; by=c,for=d', [{ for: 'a"b', by: "c" }, { for: "d" }]],
    ["secret=x;for=_a.b-c", [{ secret: "x", for: "_a.b-c" }]],
  ])("reads %j", (value, elements) => {
    expect(readForwarded(value)?.map((element) => Object.fromEntries(element))).toEqual(elements);
  });

  test.each([
    "for",
    "for=",
    "for=a;",
    "for=a,",
    "for=a,,for=b",
    'for="a',
    "for=[::1]",
    "for=a b",
    "for=a;for=b",
    "=a",
  ])("refuses %j", (value) => {
    expect(readForwarded(value)).toBeUndefined();
  });
});

test.each([
  ["10.0.0.0/8", "10.0.0.0/8"],
  ["192.0.2.1", "192.0.2.1/32"],
  ["::1", "::1/128"],
  ["2001:db8::/32", "2001:db8::/32"],
  ["10.0.0.0/33", undefined],
  ["10.0.0/8", undefined],
  ["10.0.0.0/", undefined],
  ["10.0.0.0/8/8", undefined],
  ["::/129", undefined],
  ["example.com", undefined],
  ["fe80::1%eth0", undefined],
])("the range %s is read as %s", (written, range) => {
  expect(parseRange(written)).toBe(range);
});
