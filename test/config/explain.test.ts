import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseHostMatch, parsePathMatch } from "../../host/config/address.ts";
import type { MatchConfig, RouteConfig } from "../../host/config/config.ts";
import { explainRoutes } from "../../host/config/explain.ts";
import { Router } from "../../host/router.ts";

/** A route as it stands in a configuration. */
interface Written {
  readonly host?: string;
  readonly path?: string;
  readonly methods?: readonly string[];
  readonly filters?: readonly string[];
}

const HOSTS = ["a.test", "*.a.test", "b.a.test", "*.b.a.test", "127.0.0.1", "[::1]"];
const PATHS = ["/", "/a", "/a/", "/a/b", "/b", "/caf%C3%A9", "/*", "/a/*", "/a/b/*", "/caf%C3%A9/*"];

const arbitraryRoutes = fc.uniqueArray(
  fc.record(
    {
      host: fc.constantFrom(...HOSTS),
      path: fc.constantFrom(...PATHS),
      methods: fc.constantFrom<readonly string[]>(["GET"], ["POST"], ["GET", "PUT"]),
      filters: fc.constantFrom<readonly string[]>(["keys"], []),
    },
    { requiredKeys: [] },
  ),
  {
    maxLength: 10,
    // The configuration refuses routes that share host, path and a method.
    comparator: (one: Written, other: Written) => keys(one).some((key) => keys(other).includes(key)),
  },
);

const arbitraryRequest = fc.record({
  method: fc.constantFrom("GET", "POST", "PUT", "PATCH"),
  authority: fc.constantFrom("a.test", "B.a.test:80", "x.b.a.test", "127.0.0.1:1", "[::1]:8080", "[::1]", ""),
  target: fc
    .array(
      fc.constantFrom(
        "a",
        "b",
        "",
        ".",
        "..",
        "%61",
        "%2e%2e",
        "%2F",
        "caf%c3%a9",
        "a;v=1",
        "..;",
        "\\",
        "%zz",
      ),
      {
        minLength: 1,
        maxLength: 5,
      },
    )
    .map((pieces) => `/${pieces.join("/")}`),
  query: fc.constantFrom("", "?q=/a/b", "?"),
});

test("it agrees with the router on any routes and any request", () => {
  fc.assert(
    fc.property(
      arbitraryRoutes,
      fc.array(arbitraryRequest, { minLength: 10, maxLength: 10 }),
      (written, requests) => {
        const routes = routesOf(written);
        const router = new Router(routes.map((route) => ({ match: route.match, route: route.name })));
        for (const { method, authority, target, query } of requests) {
          const url = authority === "" ? `${target}${query}` : `http://${authority}${target}${query}`;
          const explained = explainRoutes(routes, method, url);
          const what = `${method} ${url}`;
          expect(explained.route?.name, what).toBe(matchOf(router, method, authority, `${target}${query}`));
          const takers = explained.considered.filter(({ matches }) => matches).map(({ name }) => name);
          expect(takers[0], `${what}: the first that takes it is not the route`).toBe(explained.route?.name);
          expect(explained.considered.map(({ name }) => name).sort()).toEqual(
            routes.map(({ name }) => name).sort(),
          );
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("a route of which it says that it changes nothing can be taken away, and requests go where they would have", () => {
  let idle = 0;
  fc.assert(
    fc.property(
      arbitraryRoutes,
      fc.array(arbitraryRequest, { minLength: 10, maxLength: 10 }),
      (written, requests) => {
        const routes = routesOf(written);
        for (const sentence of explainRoutes(routes, "GET", "/").overlaps) {
          const name = /^(\S+) \(.* changes nothing/.exec(sentence)?.[1];
          if (name === undefined) continue;
          idle += 1;
          const rest = routes.filter((route) => route.name !== name);
          for (const { method, authority, target } of requests) {
            // `..` from one route into another is refused, and may be one route's own without the second one.
            if (/\.\.|%2e/.test(target)) continue;
            const url = `http://${authority}${target}`;
            const [before, after] = [routes, rest].map((all) => explainRoutes(all, method, url).route);
            expect(after?.filters, `${method} ${url} without ${name}`).toEqual(before?.filters);
          }
        }
      },
    ),
    { numRuns: 500 },
  );
  expect(idle, "no routes were found that change nothing: nothing was tested").toBeGreaterThan(0);
});

test("of two routes that it says to cross, both take a request, and the first one gets it", () => {
  let crossing = 0;
  fc.assert(
    fc.property(arbitraryRoutes, (written) => {
      const routes = routesOf(written);
      for (const sentence of explainRoutes(routes, "GET", "/").overlaps) {
        const [, first, second] = /^(\S+) \(.*\) and (\S+) \(.*\) take some/.exec(sentence) ?? [];
        if (first === undefined || second === undefined) continue;
        crossing += 1;
        const pair = routes.filter(({ name }) => name === first || name === second);
        const witness = ["GET", "POST", "PUT", "PATCH"]
          .flatMap((method) =>
            HOSTS.flatMap((host) =>
              PATHS.map((path) => [method, host.replace("*", "x"), path.replace("*", "x")] as const),
            ),
          )
          .map(([method, host, path]) => explainRoutes(pair, method, `http://${host}${path}`))
          .find(({ considered }) => considered.filter(({ matches }) => matches).length === 2);
        expect(witness?.route?.name, sentence).toBe(first);
      }
    }),
    { numRuns: 500 },
  );
  expect(crossing, "no routes were found that cross: nothing was tested").toBeGreaterThan(0);
});

describe("a request of example.com", () => {
  const routes = routesOf([
    { path: "/*" },
    { host: "example.com", path: "/api/*", methods: ["GET"] },
    { host: "example.com", path: "/api/v2" },
    { host: "*.example.com" },
    { host: "example.com", path: "/*" },
  ]);

  test("each route says why it takes the request or does not, in the order in which they are tried", () => {
    expect(explainRoutes(routes, "GET", "https://u:p@Example.com:8443/api//v1/?q#f")).toMatchObject({
      canonicalPath: "/api/v1/",
      route: { name: "r1" },
      considered: [
        { name: "r2", matches: false, why: "its path is /api/v2" },
        { name: "r1", matches: true, why: "the first that takes it" },
        { name: "r4", matches: true, why: "r1 comes first: its path is more specific" },
        { name: "r3", matches: false, why: "example.com is not below example.com" },
        { name: "r0", matches: true, why: "r1 comes first: its host is more specific" },
      ],
    });
    expect(explainRoutes(routes, "POST", "example.com/api/x").considered[1]).toEqual({
      name: "r1",
      matches: false,
      why: "it takes GET only",
    });
    expect(explainRoutes(routes, "GET", "/api/x").considered[0]?.why).toBe(
      "its host is example.com, not no host",
    );
  });

  test("a path that servers read differently is refused with the reason, and so is `..` from one route into another", () => {
    const broken = explainRoutes(routes, "GET", "/%zz");
    expect(broken).toMatchObject({ canonicalPath: "", route: null });
    expect(broken.considered[0]?.why).toBe("the request is refused: a broken escape in the path");
    const climbing = explainRoutes(routes, "GET", "http://example.com/api/../x");
    expect(climbing).toMatchObject({ canonicalPath: "/x", route: null });
    expect(climbing.considered[0]?.why).toBe(
      "the request is refused: `..` leads from one route into another, from r1 into r4",
    );
  });

  test("text is what its UTF-8 is on the wire", () => {
    const accented = routesOf([{ path: "/caf%C3%A9" }]);
    expect(explainRoutes(accented, "GET", "/café")).toMatchObject({
      canonicalPath: "/café",
      route: { name: "r0" },
    });
  });
});

test("routes of which each has the more specific part are told, and those that change nothing", () => {
  const written = [
    { host: "*.example.com", path: "/*" },
    { path: "/api/*", filters: ["keys"] },
    { path: "/api/v2/*", filters: ["keys"] },
    { path: "/api/v2/x", filters: ["other"] },
  ];
  expect(explainRoutes(routesOf(written), "GET", "/").overlaps).toEqual([
    "r0 (*.example.com/*) and r3 (*/api/v2/x) take some of the same requests: r0 gets them, because its host is more specific, although the path of r3 is.",
    "r0 (*.example.com/*) and r2 (*/api/v2/*) take some of the same requests: r0 gets them, because its host is more specific, although the path of r2 is.",
    "r0 (*.example.com/*) and r1 (*/api/*) take some of the same requests: r0 gets them, because its host is more specific, although the path of r1 is.",
    "r2 (*/api/v2/*) changes nothing: without it its requests would take r1 (*/api/*), which has the same filters and upstream.",
  ]);
});

test("a thousand crossing routes are told in a hundred sentences, and soon", () => {
  const many = Array.from({ length: 2_000 }, (_, at) => ({
    ...(at % 2 === 0 && { host: `*.h${at}.test` }),
    path: `/p${at}/*`,
  }));
  const routes = routesOf([...many, { host: "*.test", path: "/*" }]);

  const { overlaps } = explainRoutes(routes, "GET", "/");

  expect(overlaps).toHaveLength(101);
  expect(overlaps.at(-1)).toBe("There are 1900 more of these.");
});

function keys({ host, path, methods }: Written): string[] {
  return (methods ?? ["any"]).map((method) => `${method} ${host} ${path ?? "/*"}`);
}

/** Named `r0`, `r1` and so on. */
function routesOf(written: readonly Written[]): RouteConfig[] {
  return written.map((route, at) => ({
    name: `r${at}`,
    match: matchConfig(route),
    filters: route.filters ?? [],
    upstream: "api",
    preserveHost: false,
    serverTiming: false,
    slo: null,
  }));
}

function matchConfig({ host, path, methods = [] }: Written): MatchConfig {
  const hostMatch = host === undefined ? { kind: "any" as const, name: "" } : parseHostMatch(host);
  const pathMatch = path === undefined ? { kind: "any" as const, path: "/" } : parsePathMatch(path);
  if (hostMatch === undefined || pathMatch === undefined) throw new Error(`refused: ${host} ${path}`);
  return { host: hostMatch, path: pathMatch, methods };
}

/** Undefined for a request that no route takes, and for one that the router refuses. */
function matchOf(
  router: Router<string>,
  method: string,
  authority: string,
  target: string,
): string | undefined {
  try {
    return router.match(method, authority, target);
  } catch {
    return undefined;
  }
}
