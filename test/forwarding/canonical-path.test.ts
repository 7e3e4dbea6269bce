import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalPath, isCanonical, withoutQuery } from "../../host/canonical-path.ts";
import { parsePathMatch } from "../../host/config/address.ts";
import { Router } from "../../host/router.ts";

describe("one form for all spellings of a path", () => {
  test.each([
    ["/a", "/a"],
    ["/a/", "/a/"],
    ["/a?b=/../c", "/a"],
    ["/%61%2Eb", "/a.b"],
    ["/%7Ea/%c3%a9", "/~a/\xc3\xa9"],
    ["//a///b//", "/a/b/"],
    ["/a/./b/.", "/a/b/"],
    ["/a/../b", "/b"],
    ["/a/%2e%2E/b", "/b"],
    ["/a/b/..", "/a/"],
    ["/a/..", "/"],
    ["/a%2Fb", "/a/b"],
    ["/a\\b%5cc", "/a/b/c"],
    ["/a;x=1/b;y", "/a/b"],
    ["/a;x=1/", "/a/"],
    ["/a%3bx/b", "/a/b"],
    ["/.well-known/x", "/.well-known/x"],
    ["/a/...", "/a/..."],
    ["/a/%252e%252e/b", "/a/%2e%2e/b"],
    ["/100%25", "/100%"],
    ["/a%3Fb%23c", "/a?b#c"],
    ["/a/%2e%2e/b//c;x=1/%2F?q=%20+a&b=%zz", "/b/c/"],
    ["/%ff", "/\xff"],
  ])("%s is %s", (written, canonical) => {
    expect(canonicalPath(written)).toMatchObject({ path: canonical });
  });

  test.each([
    ["a NUL", "/a%00"],
    ["a line break", "/a%0d%0Ab"],
    ["DEL", "/%7f"],
    ["a broken escape", "/a%2"],
    ["an escape of no digits", "/a%zz/b"],
    ["an escape of Unicode", "/%u002e%u002e/a"],
    ["a dot in more bytes than it needs", "/%c0%ae%c0%ae/a"],
    ["a slash in more bytes than it needs", "/a%e0%80%afb"],
    ["`..` above the root", "/../a"],
    ["`..` above the root, in the end", "/a/../.."],
    ["`..` behind an escaped slash", "/a%2f../b"],
    ["`..` before an escaped slash", "/a/..%2fb"],
    ["`..` between backslashes", "/a\\..\\b"],
    ["`..` behind an empty segment", "/a/b//../c"],
    ["`..` with parameters", "/a/..;x/b"],
    ["`..` behind a dot with parameters", "/a/.;x/../b"],
  ])("%s is refused", (_, path) => {
    expect(canonicalPath(path)).toBeTypeOf("string");
  });

  const piece = fc.constantFrom(
    ..."/ // . .. %2e %2E%2e . %2f %5c \\ ; ;x=1 %3b a b ab %61 %25 %252f %00 % %4 %ff %c0%ae ? ?../".split(
      " ",
    ),
  );
  const path = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join("")}`);

  test("any path comes out as the rules say, applied one after the other", () => {
    fc.assert(
      fc.property(path, (written) => {
        const found = canonicalPath(written);
        expect(typeof found === "string" ? undefined : found.path).toBe(reference(written));
      }),
      { numRuns: 20_000 },
    );
  });

  test("any path that is taken as it is, is its own canonical form; and that form stays as it is", () => {
    fc.assert(
      fc.property(path, (written) => {
        const found = canonicalPath(written);
        const whole = isCanonical(written) ? withoutQuery(written) : undefined;
        expect(whole !== undefined && typeof found === "string").toBe(false);
        const path = typeof found === "string" ? "/" : found.path;
        // A `%` or `?` in a canonical path is that character, and would be written as an escape.
        expect(canonicalPath(path.replaceAll(/[%?]/g, "x"))).toMatchObject({
          path: path.replaceAll(/[%?]/g, "x"),
        });
        expect(whole ?? path).toBe(path);
      }),
      { numRuns: 5_000 },
    );
  });

  test("a path of many kilobytes is read in time that grows with its length", () => {
    const long = `/${"a/%2e/b;x/".repeat(6_000)}`;
    const began = performance.now();
    expect(canonicalPath(long)).toMatchObject({ path: `/${"a/b/".repeat(6_000)}` });
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

describe("no spelling gets past a route", () => {
  const router = new Router(
    ["/admin", "/admin/*", "/public/*", "/*"].map((written) => {
      const path = parsePathMatch(written);
      if (path === undefined) throw new Error(`the configuration refuses ${written}`);
      return { match: { host: { kind: "any" as const, name: "" }, path, methods: [] }, route: written };
    }),
  );
  const routed = (path: string): string | undefined => {
    try {
      return router.match("GET", "h", path);
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };

  test.each([
    "/admin/x",
    "//admin/x",
    "/./admin/x",
    "/%61dmin/x",
    "/admin%2fx",
    "/admin\\x",
    "/%2fadmin/x",
    "/admin;v=1/x",
    "/admin/%2e/x",
  ])("%s is a path below /admin/", (path) => {
    expect(routed(path)).toBe("/admin/*");
  });

  test.each([
    "/public/../admin/x",
    "/public/%2e%2e/admin/x",
    "/public/..%2fadmin/x",
    "/public/..;/admin/x",
    "/public//../admin/x",
    "/admin/../public/x",
    "/admin/%2e%2e/public/x",
    "/admin/x%2f..%2f..%2fpublic",
    "/x/../x/admin//../y",
    "/admin%00/x",
    "/../admin/x",
  ])("%s is refused, since servers do not agree where it leads", (path) => {
    expect(routed(path)).toBe("MESSAGE_MALFORMED");
  });

  test("`..` within one route is taken, and so is one that leads to it from no route", () => {
    expect(routed("/admin/a/../b")).toBe("/admin/*");
    expect(routed("/a/%2e%2e/b//c;x=1/%2F?q=%20+a&b=%zz")).toBe("/*");
    const one = new Router([
      {
        match: {
          host: { kind: "any" as const, name: "" },
          path: { kind: "prefix", path: "/api/" },
          methods: [],
        },
        route: "api",
      },
    ]);
    expect(one.match("GET", "h", "/nowhere/../api/x")).toBe("api");
    expect(one.match("GET", "h", "/api/../nowhere")).toBeUndefined();
  });
});

/** The rules of docs/forwarding.md, one after the other and each over the whole path; undefined for what they refuse. */
function reference(written: string): string | undefined {
  const path = written.replace(/\?[^]*/, "");
  if (/%(?![0-9A-Fa-f]{2})/.test(path) || /%[01][0-9A-Fa-f]|%7f/i.test(path)) return undefined;
  if (/%c[01]%[89ab]|%e0%[89]|%f0%8/i.test(path)) return undefined;
  // A separator that is no plain slash becomes a mark and a slash; the mark stays with both of its neighbours.
  const bytes = path
    .replaceAll(/%2f|%5c|\\/gi, "\0/\0")
    .replaceAll(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
  let odd = false;
  const kept: string[] = [];
  const segments = bytes.slice(1).split("/");
  for (const segment of segments) {
    odd ||= segment.includes("\0");
    const whole = segment.replaceAll("\0", "");
    const [name = ""] = whole.split(";");
    if (name === "..") {
      if (odd || whole.includes(";") || kept.pop() === undefined) return undefined;
    } else if (name === "" || (name === "." && whole.includes(";"))) odd = true;
    else if (name !== ".") kept.push(name);
  }
  const [last = ""] = segments.at(-1)?.replaceAll("\0", "").split(";") ?? [];
  const folder = last === "" || last === "." || last === "..";
  return kept.length === 0 ? "/" : `/${kept.join("/")}${folder ? "/" : ""}`;
}
