import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseHostMatch, parsePathMatch } from "../../host/config/address.ts";
import type { MatchConfig } from "../../host/config/config.ts";
import { Router } from "../../host/router.ts";

/** A match as it stands in a configuration. */
interface Written {
  readonly host?: string;
  readonly path?: string;
  readonly methods?: readonly string[];
}

describe("hosts", () => {
  const router = routerOf({
    exact: { host: "example.com" },
    below: { host: "*.example.com" },
    deeper: { host: "*.api.example.com" },
    address: { host: "[::1]" },
    any: {},
  });

  test.each([
    ["example.com", "exact"],
    ["EXAMPLE.com", "exact"],
    ["example.com:8080", "exact"],
    ["a.example.com", "below"],
    ["a.b.Example.com:1", "below"],
    ["api.example.com", "below"],
    ["v1.api.example.com", "deeper"],
    ["badexample.com", "any"],
    ["example.com.evil.test", "any"],
    ["[::1]", "address"],
    ["[::1]:8080", "address"],
    ["", "any"],
  ])("%j goes to %s", (authority, route) => {
    expect(router.match("GET", authority, "/")).toBe(route);
  });

  test("a host without a route for this path leaves the request to a less specific one", () => {
    const fallback = routerOf({
      exact: { host: "a.example.com", path: "/only" },
      below: { host: "*.example.com", path: "/below/*" },
      any: { path: "/any" },
    });
    expect(fallback.match("GET", "a.example.com", "/only")).toBe("exact");
    expect(fallback.match("GET", "a.example.com", "/below/x")).toBe("below");
    expect(fallback.match("GET", "a.example.com", "/any")).toBe("any");
    expect(fallback.match("GET", "a.example.com", "/none")).toBeUndefined();
  });
});

describe("paths", () => {
  const router = routerOf({
    exact: { path: "/api" },
    slash: { path: "/api/" },
    prefix: { path: "/api/*" },
    longer: { path: "/api/v2/*" },
    within: { path: "/api/v2/status" },
    root: { path: "/" },
  });

  test.each([
    ["/", "root"],
    ["/api", "exact"],
    ["/api?x=/api/v2/", "exact"],
    ["/api/", "slash"],
    ["/api/x", "prefix"],
    ["/api/x/", "prefix"],
    ["/api//x", "prefix"],
    ["/api/v2", "prefix"],
    ["/api/v2/", "longer"],
    ["/api/v2/a?b", "longer"],
    ["/api/v2/status", "within"],
    ["/api/v2/status/", "longer"],
    ["/API", undefined],
    ["/apis", undefined],
    ["//api", "exact"],
    ["/?", "root"],
  ])("%s goes to %s", (path, route) => {
    expect(router.match("GET", "h", path)).toBe(route);
  });

  test("an escape stands for its character, so that no spelling of a path gets around its route", () => {
    expect(router.match("GET", "h", "/%61pi")).toBe("exact");
    expect(router.match("GET", "h", "/api%2Fv2/")).toBe("longer");
    expect(router.match("GET", "h", "/api/%76%32/x")).toBe("longer");
  });

  test("a path whose escapes are broken is refused; bytes that are no UTF-8 are bytes", () => {
    for (const path of ["/api/%", "/api/%zz", "/api/%c0%ae"])
      expect(() => router.match("GET", "h", path), path).toThrow("MESSAGE_MALFORMED");
    for (const path of ["/api/%ff", "/api/%c3%28"])
      expect(router.match("GET", "h", path), path).toBe("prefix");
  });

  test("a path of many kilobytes is matched like any other", () => {
    expect(router.match("GET", "h", `/api/${"x".repeat(15_000)}`)).toBe("prefix");
    expect(router.match("GET", "h", `/api/v2/${"x/".repeat(7_000)}`)).toBe("longer");
  });

  test.each([
    "/a:b",
    "/:id",
    "/a::b",
    "/:a(d+)",
    "/a(b)",
    "/(",
    "/a:b(c)",
    "/{x}",
    "/a-:b.:c",
    "/a,b=c,d",
    "/a+b&c=$!'~@",
    "/[x]|y^`",
  ])("the characters of %s stand for themselves", (path) => {
    const literal = routerOf({ exact: { path }, prefix: { path: `${path}/*` } });
    expect(literal.match("GET", "h", path)).toBe("exact");
    expect(literal.match("GET", "h", `${path}/x`)).toBe("prefix");
    const others = ["/a", "/ab", "/axb", "/x", "/1", "/a:b1", "/:", "/axxb/x", "/1/x"].filter(
      (other) => other !== path,
    );
    expect(others.filter((other) => literal.match("GET", "h", other) !== undefined)).toEqual([]);
  });

  test("a path is written in the configuration as a client sends it, escapes and all", () => {
    const router = routerOf({ space: { path: "/a%20b" }, accent: { path: "/caf%C3%A9/*" } });
    expect(router.match("GET", "h", "/a%20b")).toBe("space");
    expect(router.match("GET", "h", "/a%2520b")).toBeUndefined();
    expect(router.match("GET", "h", "/caf%c3%a9/x")).toBe("accent");
  });

  test("a spelling that no request could meet is refused in the configuration", () => {
    for (const path of [
      "/a%2Fb",
      "/a%2fb/*",
      "/%3F",
      "/%2A",
      "/%",
      "/%zz",
      "/%ff",
      "/%2e%2E/a",
      "/a//b",
      "/a;b",
      "/a\\b",
      "/a%00",
    ]) {
      expect(parsePathMatch(path), path).toBeUndefined();
    }
    const percent = routerOf({ percent: { path: "/100%25" } });
    expect(percent.match("GET", "h", "/100%25")).toBe("percent");
    expect(percent.match("GET", "h", "/100%2525")).toBeUndefined();
  });
});

describe("methods", () => {
  const router = routerOf({
    read: { path: "/a", methods: ["GET", "HEAD"] },
    write: { path: "/a", methods: ["POST"] },
    other: { path: "/a" },
    prefix: { path: "/*", methods: ["PUT"] },
  });

  test.each([
    ["GET", "/a", "read"],
    ["HEAD", "/a", "read"],
    ["POST", "/a", "write"],
    ["PUT", "/a", "other"],
    ["PUT", "/b", "prefix"],
    ["GET", "/b", undefined],
    ["get", "/a", "other"],
    ["PROPFIND", "/a", "other"],
    ["X-OWN", "/a", "other"],
  ])("%s %s goes to %s", (method, path, route) => {
    expect(router.match(method, "h", path)).toBe(route);
  });

  test("a less specific path that takes the method serves where the more specific one does not", () => {
    const nested = routerOf({
      narrow: { path: "/a/b", methods: ["POST"] },
      wide: { path: "/a/*", methods: ["GET"] },
    });
    expect(nested.match("GET", "h", "/a/b")).toBe("wide");
    expect(nested.match("POST", "h", "/a/b")).toBe("narrow");
    expect(nested.match("POST", "h", "/a/c")).toBeUndefined();
  });
});

test("any set of routes finds what a search through all of them finds", () => {
  const host = fc.constantFrom(undefined, "a.test", "*.a.test", "b.a.test", "*.b.a.test", "127.0.0.1");
  // Signs that mean something to trees of routes, and pieces that are the beginning of others.
  const piece = fc.constantFrom("", "a", "ab", "b", ":a", "a:b", "(a)", "+", "a-b", "%20", "{a}", "::");
  const path = fc
    .array(piece, { minLength: 1, maxLength: 3 })
    .map((pieces) => `/${pieces.join("/")}`.replaceAll(/\/{2,}/g, "/"));
  const written = fc.record(
    {
      host: host as fc.Arbitrary<string>,
      path: fc.oneof(
        path,
        path.map((text) => `${text.replace(/\/$/, "")}/*`),
      ),
      methods: fc.constantFrom<readonly string[]>(["GET"], ["POST"], ["GET", "PUT"]),
    },
    { requiredKeys: [] },
  );
  // The configuration refuses routes that share host, path and a method.
  const keys = (match: Written): string[] =>
    (match.methods ?? ["any"]).map((method) => `${method} ${match.host} ${match.path ?? "/*"}`);
  const routes = fc.uniqueArray(written, {
    maxLength: 12,
    comparator: (one, other) => keys(one).some((key) => keys(other).includes(key)),
  });
  const asked = fc.record({
    method: fc.constantFrom("GET", "POST", "PUT", "PATCH"),
    authority: fc.constantFrom("a.test", "B.a.test:80", "x.b.a.test", "127.0.0.1:1", "other", ""),
    path: fc
      .tuple(path, fc.constantFrom("", "/", "/x", "?q", "/%61", "/a%20"))
      .map(([text, end]) => (text + end).replaceAll(/\/{2,}/g, "/")),
  });
  fc.assert(
    fc.property(routes, fc.array(asked, { minLength: 10, maxLength: 10 }), (matches, requests) => {
      const named = matches.map((match, index) => [String(index), match] as const);
      const router = routerOf(Object.fromEntries(named));
      for (const { method, authority, path: target } of requests) {
        expect(router.match(method, authority, target), `${method} ${authority}${target}`).toBe(
          search(named, method, authority, target),
        );
      }
    }),
    { numRuns: 500 },
  );
});

/** The most specific host, then the most specific path, then a named method; looked for in all routes, one by one. */
function search(
  routes: readonly (readonly [string, Written])[],
  method: string,
  authority: string,
  target: string,
): string | undefined {
  const host = authority.toLowerCase().replace(/:\d+$/, "");
  const path = decodeURI(target.replace(/\?.*/, ""));
  const found = routes.flatMap(([name, match]) => {
    const hostRank = rankOfHost(match.host, host);
    const pathRank = rankOfPath(decodeURI(match.path ?? "/*"), path);
    const takes = match.methods === undefined || match.methods.includes(method);
    return hostRank < 0 || pathRank < 0 || !takes
      ? []
      : [{ name, rank: [hostRank, pathRank, match.methods === undefined ? 0 : 1] }];
  });
  found.sort(
    (one, other) =>
      other.rank.map((rank, at) => rank - (one.rank[at] ?? 0)).find((difference) => difference !== 0) ?? 0,
  );
  return found[0]?.name;
}

function rankOfHost(match: string | undefined, host: string): number {
  if (match === undefined) return 0;
  if (!match.startsWith("*.")) return match === host ? 1_000 : -1;
  return host.endsWith(match.slice(1)) ? match.length : -1;
}

function rankOfPath(match: string, path: string): number {
  if (!match.endsWith("/*")) return match === path ? 1_000 : -1;
  return path.startsWith(match.slice(0, -1)) ? match.length : -1;
}

/** Routes whose names are the keys. */
function routerOf(routes: Readonly<Record<string, Written>>): Router<string> {
  return new Router(Object.entries(routes).map(([route, match]) => ({ match: read(match), route })));
}

function read({ host, path, methods = [] }: Written): MatchConfig {
  const pathMatch = path === undefined ? { kind: "any" as const, path: "/" } : parsePathMatch(path);
  const hostMatch = host === undefined ? { kind: "any" as const, name: "" } : parseHostMatch(host);
  if (pathMatch === undefined || hostMatch === undefined)
    throw new Error(`the configuration refuses ${host} ${path}`);
  return { host: hostMatch, path: pathMatch, methods };
}
