import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BodyDecoder } from "../../host/http1/body-decoder.ts";
import { HeadParser } from "../../host/http1/head-parser.ts";

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
      const value = name.toLowerCase() === "transfer-encoding" ? "chunked" : "x";
      expect(kept(["A", "1", name, value, "B", "2"])).toEqual(["A", "1", "B", "2"]);
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
      fc.constantFrom(
        ...HOP_BY_HOP.filter((hop) => hop !== "Transfer-Encoding"),
        "Host",
        "Cookie",
        "X-Own",
        "Expect",
      ),
      fc.stringMatching(/^[a-zA-Z-]{1,20}$/),
    );
    const mixed = fc.tuple(name, fc.boolean()).map(([text, upper]) => (upper ? text.toUpperCase() : text));
    const value = fc.oneof(
      fc.constantFrom("x-own", "close", "keep-alive, x-own", "te , host"),
      fc.stringMatching(/^[!-~]{0,12}$/),
    );
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

describe("a request's head", () => {
  test.each([
    ["no method", " / HTTP/1.1\r\n\r\n", 0],
    ["a method that is no token", "G(T / HTTP/1.1\r\n\r\n", 1],
    ["two spaces", "GET  / HTTP/1.1\r\n\r\n", 4],
    ["a byte beyond ASCII in the target", "GET /\xff HTTP/1.1\r\n\r\n", 5],
    ["words after the version", "GET / HTTP/1.1 x\r\n\r\n", 6],
    ["another version", "GET / HTTP/1.2\r\n\r\n", 6],
    ["a version in lower case", "GET / http/1.1\r\n\r\n", 6],
    ["HTTP/2.0", "GET / HTTP/2.0\r\n\r\n", 6],
    ["a space before the colon", "GET / HTTP/1.1\r\nA : b\r\n\r\n", 17],
    ["a field without a name", "GET / HTTP/1.1\r\n: b\r\n\r\n", 16],
    ["a folded line", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 22],
    ["a bare CR in a value", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 20],
    ["a NUL in a value", "GET / HTTP/1.1\r\nA: b\0\r\n\r\n", 20],
    ["a signed length", "GET / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", 16],
    ["a list of lengths", "GET / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", 16],
    ["an empty length", "GET / HTTP/1.1\r\nContent-Length: \r\n\r\n", 16],
    ["a length beyond all bodies", "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 16],
    ["two lengths", "GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 35],
    ["a coding that is none", "GET / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", 16],
    ["chunked twice", "GET / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 16],
    ["a tab before chunked", "GET / HTTP/1.1\r\nTransfer-Encoding:\tchunked\r\n\r\n", 16],
    ["a length with chunks", "GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0],
    ["chunks in HTTP/1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 0],
  ])("is refused, with its byte: %s", (_, text, at) => {
    const parser = new HeadParser({ fieldsMax: 100 });
    const data = Buffer.from(text, "latin1");
    expect(parser.request(data, 0, data.length)).toBe(false);
    expect(parser.error).toMatchObject({ kind: "malformed", at });
  });

  test("tells what frames and routes the message, and nothing is left of the one before", () => {
    const parser = new HeadParser({ fieldsMax: 100 });
    const full = head("POST /a?b HTTP/1.0", [
      "host",
      "a",
      "CONTENT-LENGTH",
      "12",
      "Host",
      "b",
      "Expect",
      "100-continue",
      "TE",
      "trailers",
    ]);
    expect(parser.request(full, 0, full.length)).toBe(true);
    expect(parser).toMatchObject({
      method: "POST",
      target: "/a?b",
      minor: 0,
      contentLength: 12,
      chunked: false,
      hosts: 2,
      expect: "100-continue",
      te: "trailers",
    });
    const bare = head("GET / HTTP/1.1", []);
    expect(parser.request(bare, 0, bare.length)).toBe(true);
    expect(parser).toMatchObject({
      method: "GET",
      minor: 1,
      contentLength: -1,
      chunked: false,
      hosts: 0,
      host: "",
      expect: "",
      te: "",
      fields: [],
    });
  });

  test("a coding before chunked is told from one that is none", () => {
    const parser = new HeadParser({ fieldsMax: 100 });
    const coded = head("GET / HTTP/1.1", ["Transfer-Encoding", "gzip, chunked"]);
    expect(parser.request(coded, 0, coded.length)).toBe(false);
    expect(parser.error?.kind).toBe("coding-unknown");
  });
});

describe("a chunked body", () => {
  test.each([
    ["a sign", "+5\r\nhello\r\n0\r\n\r\n"],
    ["a space before the size", " 5\r\nhello\r\n0\r\n\r\n"],
    ["a space after the size", "5 \r\nhello\r\n0\r\n\r\n"],
    ["0x", "0x5\r\nhello\r\n0\r\n\r\n"],
    ["a size out of range", "fffffffffffffffff\r\n"],
    ["no size", "\r\nhello\r\n0\r\n\r\n"],
    ["a bare LF after the size", "5\nhello\r\n0\r\n\r\n"],
    ["no CRLF after the data", "5\r\nhelloX0\r\n\r\n"],
    ["a bare LF after the data", "5\r\nhello\n0\r\n\r\n"],
    ["extensions without end", `5;${"x".repeat(300)}\r\nhello\r\n`],
    ["a control byte in an extension", "5;\x01\r\nhello\r\n"],
    ["a bare LF in the trailers", "0\r\nA: b\n\r\n"],
    ["a folded trailer", "0\r\nA: b\r\n c\r\n\r\n"],
  ])("is refused: %s", (_, text) => {
    expect(decode([Buffer.from(text, "latin1")]).error).toBeTypeOf("string");
  });

  test("is the same in any pieces, and ends at its last byte", () => {
    const chunk = fc.string({ minLength: 1, maxLength: 40 }).map((text) => Buffer.from(text));
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 6 }),
        fc.boolean(),
        fc.array(fc.nat(200), { maxLength: 8 }),
        (chunks, trailing, cuts) => {
          const framed = [
            ...chunks.map((data) =>
              Buffer.concat([Buffer.from(`${data.length.toString(16)};a=b\r\n`), data, Buffer.from("\r\n")]),
            ),
            Buffer.from(trailing ? "0\r\nX-T: 1\r\nContent-Length: 9\r\n\r\n" : "0\r\n\r\n"),
            Buffer.from("NEXT"),
          ];
          const whole = Buffer.concat(framed);
          const places = [0, ...cuts.map((cut) => Math.min(cut, whole.length)), whole.length].sort(
            (a, b) => a - b,
          );
          const pieces = places.slice(1).map((end, index) => whole.subarray(places[index], end));
          expect(decode(pieces)).toEqual({
            body: Buffer.concat(chunks).toString("latin1"),
            trailers: trailing ? ["X-T", "1"] : [],
            rest: "NEXT",
            error: undefined,
          });
        },
      ),
      { numRuns: 500 },
    );
  });
});

function decode(pieces: readonly Buffer[]): {
  body: string;
  trailers: string[] | undefined;
  rest: string;
  error: string | undefined;
} {
  const decoder = new BodyDecoder(new HeadParser({ fieldsMax: 100 }), {
    extensionBytesMax: 256,
    trailerBytesMax: 1_024,
  });
  const result = {
    body: "",
    trailers: undefined as string[] | undefined,
    rest: "",
    error: undefined as string | undefined,
  };
  decoder.beginChunked();
  for (const piece of pieces) {
    const end = decoder.done
      ? 0
      : decoder.feed(piece, 0, {
          bodyChunk: (data) => {
            result.body += data.toString("latin1");
          },
          bodyEnded: (trailers) => {
            result.trailers = trailers;
          },
        });
    if (end < 0) return { ...result, error: decoder.error };
    result.rest += piece.subarray(end).toString("latin1");
  }
  return result;
}

function kept(raw: readonly string[]): string[] {
  const parser = new HeadParser({ fieldsMax: 200 });
  const data = head("GET / HTTP/1.1", raw);
  expect(parser.request(data, 0, data.length), parser.error?.sentence).toBe(true);
  return parser.fields;
}

function head(start: string, fields: readonly string[]): Buffer {
  let text = `${start}\r\n`;
  for (let at = 0; at < fields.length; at += 2) text += `${fields[at]}: ${fields[at + 1]}\r\n`;
  return Buffer.from(`${text}\r\n`, "latin1");
}

test("chunks that come together are told as one piece", () => {
  const decoder = new BodyDecoder(new HeadParser({ fieldsMax: 100 }), {
    extensionBytesMax: 256,
    trailerBytesMax: 1_024,
  });
  const told: string[] = [];
  const sink = {
    bodyChunk: (data: Buffer) => void told.push(data.toString("latin1")),
    bodyEnded: () => void told.push("end"),
  };
  decoder.beginChunked();
  decoder.feed(Buffer.from("3\r\nabc\r\n5;x=y\r\ndefgh\r\n4\r\nij"), 0, sink);
  const last = Buffer.from("kl\r\n1\r\nm\r\n0\r\n\r\nGET /");
  expect(last.subarray(decoder.feed(last, 0, sink)).toString()).toBe("GET /");
  expect(told).toEqual(["abcdefghij", "klm", "end"]);
});
