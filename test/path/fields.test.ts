import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { endToEnd, type Framing, indexOf, isFieldValue, isReserved, isToken } from "../../host/fields.ts";

describe("fields that go on to the next hop", () => {
  const HOP_BY_HOP = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
  ];

  test.each(HOP_BY_HOP.flatMap((name) => [name, name.toLowerCase(), name.toUpperCase()]))(
    "%s stays behind",
    (name) => {
      expect(kept(["A", "1", name, "x", "B", "2"])).toEqual(["A", "1", "B", "2"]);
    },
  );

  test("the rest goes on as it came: order, case, repetition, empty values and bytes beyond ASCII", () => {
    const raw = ["Host", "h", "X-B", "1", "x-a", "", "X-B", "\xff\x80", "Set-Cookie", "a", "SET-COOKIE", "b"];
    expect(kept(raw)).toEqual(raw);
  });

  test("names as long as those that stay behind go on", () => {
    const raw = HOP_BY_HOP.flatMap((name) => ["x".repeat(name.length), "1"]);
    expect(kept(raw)).toEqual(raw);
  });

  test.each([
    ["in any case", ["X-Own", "1", "Connection", "x-oWN"]],
    ["beside others", ["X-Own", "1", "Connection", "keep-alive, X-Own ,close"]],
    ["behind empty members of the list", ["X-Own", "1", "Connection", ",, \t,x-own"]],
    ["in a second Connection", ["Connection", "close", "X-Own", "1", "Connection", "x-own"]],
    ["before and after the field", ["X-Own", "1", "Connection", "x-own", "x-own", "2"]],
  ])("a field that Connection names stays behind: %s", (_, raw) => {
    expect(kept(["A", "1", ...raw, "B", "2"])).toEqual(["A", "1", "B", "2"]);
  });

  test.each([
    "Authorization",
    "Content-Length",
    "Cookie",
    "Forwarded",
    "Host",
    "Set-Cookie",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
  ])("Connection cannot take %s away", (name) => {
    expect(kept([name, "1", "Connection", name])).toEqual([name, "1"]);
  });

  test("any list of fields comes out as the rule says it", () => {
    const name = fc.oneof(
      fc.constantFrom(...HOP_BY_HOP, "Host", "Cookie", "X-Own", "Content-Length", "Expect"),
      fc.stringMatching(/^[a-zA-Z-]{1,20}$/),
    );
    const mixed = fc.tuple(name, fc.boolean()).map(([text, upper]) => (upper ? text.toUpperCase() : text));
    const value = fc.oneof(fc.constantFrom("x-own", "close", "keep-alive, x-own", "te , host"), fc.string());
    fc.assert(
      fc.property(fc.array(fc.tuple(mixed, value), { maxLength: 20 }), (fields) => {
        expect(kept(fields.flat())).toEqual(expectedOf(fields).flat());
      }),
      { numRuns: 1_000 },
    );
  });

  /** RFC 9110 §7.6.1, with no thought of speed. */
  function expectedOf(fields: readonly (readonly [string, string])[]): (readonly [string, string])[] {
    const removed = new Set([...HOP_BY_HOP.map((name) => name.toLowerCase()), "expect"]);
    const unremovable = new Set(["host", "cookie", "content-length"]);
    const nominated = fields
      .filter(([name]) => name.toLowerCase() === "connection")
      .flatMap(([, value]) => value.split(",").map((member) => member.trim().toLowerCase()))
      .filter((member) => !unremovable.has(member));
    return fields.filter(
      ([name]) => !removed.has(name.toLowerCase()) && !nominated.includes(name.toLowerCase()),
    );
  }
});

describe("what the host learns of a message on the way", () => {
  test("a message without any of it has no length, no host and no expectation", () => {
    expect(framingOf(["A", "1"])).toMatchObject({
      contentLength: -1,
      chunked: false,
      otherCoding: false,
      host: undefined,
      hosts: 0,
      expect: undefined,
    });
  });

  test("lengths, codings, expectations, the first of several Hosts and their number", () => {
    const raw = [
      "host",
      "a",
      "CONTENT-LENGTH",
      "12",
      "Transfer-Encoding",
      "chunked",
      "Host",
      "b",
      "Expect",
      "100-continue",
    ];
    expect(framingOf(raw)).toMatchObject({
      contentLength: 12,
      chunked: true,
      host: "a",
      hosts: 2,
      expect: "100-continue",
    });
  });

  test("a coding that is not chunked alone is another one, whatever the case", () => {
    for (const value of ["gzip, chunked", "chunked, chunked", "identity", ""]) {
      expect(framingOf(["Transfer-Encoding", value]), value).toMatchObject({
        chunked: true,
        otherCoding: true,
      });
    }
    expect(framingOf(["Transfer-Encoding", "Chunked"])).toMatchObject({ chunked: true, otherCoding: false });
  });

  test("nothing is left of the message before", () => {
    const framing = framingOf([
      "Host",
      "a",
      "Content-Length",
      "1",
      "Transfer-Encoding",
      "chunked",
      "Expect",
      "x",
    ]);
    endToEnd([], framing);
    expect(framing).toMatchObject({
      contentLength: -1,
      chunked: false,
      otherCoding: false,
      host: undefined,
      hosts: 0,
      expect: undefined,
    });
  });
});

describe("what a field may be", () => {
  const LATIN_1 = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));

  test("a token holds the characters of RFC 9110 §5.6.2, and at least one", () => {
    expect(LATIN_1.filter((character) => isToken(character)).join("")).toBe(
      "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~",
    );
    expect(isToken("")).toBe(false);
    expect(isToken("a\u0161")).toBe(false);
    expect(LATIN_1.filter((character) => isToken(`a${character}b`)).length).toBe(77);
  });

  test("a value holds no control byte but HTAB, and nothing that is no byte", () => {
    const refused = LATIN_1.filter((character) => !isFieldValue(`a${character}b`)).map((character) =>
      character.charCodeAt(0),
    );
    expect(refused).toEqual([
      0,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      ...Array.from({ length: 22 }, (_, index) => index + 10),
      127,
    ]);
    expect(isFieldValue("\u0161")).toBe(false);
    expect(isFieldValue("")).toBe(true);
  });

  test("what frames or routes a message is the host's own", () => {
    const own = [
      "connection",
      "content-length",
      "host",
      "keep-alive",
      "proxy-connection",
      "te",
      "trailer",
      "transfer-encoding",
      "upgrade",
    ];
    expect(own.filter((name) => !isReserved(name))).toEqual([]);
    expect(["date", "via", "content-type", "hosts"].filter((name) => isReserved(name))).toEqual([]);
  });

  test("a field is found by its name in any case, the first one of several", () => {
    const fields = ["A", "b", "B", "1", "b", "2"];
    expect(indexOf(fields, "b")).toBe(2);
    expect(indexOf(fields, "c"), "values are no names").toBe(-1);
  });
});

function kept(raw: readonly string[]): string[] {
  return endToEnd(raw, blank());
}

function framingOf(raw: readonly string[]): Framing {
  const framing = blank();
  endToEnd(raw, framing);
  return framing;
}

function blank(): Framing {
  return {
    contentLength: -1,
    chunked: false,
    otherCoding: false,
    host: undefined,
    hosts: 0,
    expect: undefined,
  };
}
