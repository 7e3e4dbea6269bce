import { describe, expect, test } from "vitest";
import { indexOf, isFieldValue, isReserved, isToken } from "../../host/fields.ts";

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
