import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Explanation } from "../../host/control/control.ts";
import { type Outcome, sluice } from "./command.ts";
import { OLD_DIGEST, ScriptedHost } from "./scripted-host.ts";

let host: ScriptedHost;

beforeEach(async () => {
  host = await ScriptedHost.start();
});

afterEach(() => host[Symbol.asyncDispose]());

const EXPLANATION: Explanation = {
  generation: 4,
  canonicalPath: "/api/items",
  route: {
    name: "api",
    match: "GET example.com/api/*",
    filters: [
      { name: "keys", digest: OLD_DIGEST, phases: ["request", "end"] },
      { name: "headers", digest: OLD_DIGEST, phases: ["response"] },
    ],
    upstream: "echo",
    servers: ["http://127.0.0.1:9000"],
  },
  considered: [
    { name: "api", matches: true, why: "the first that takes it" },
    { name: "all\u001B[2J", matches: true, why: "api comes first: its path is more specific" },
    { name: "write", matches: false, why: "it takes POST only" },
  ],
  overlaps: ["one and two take some of the same requests."],
};

test("a request is explained by a running host: its route, what is on it, and why no other", async () => {
  host.answer("POST /v1/explain", EXPLANATION);

  const { code, stdout } = await host.run("explain", "GET", "http://example.com/api/./items");

  expect(code).toBe(0);
  expect(stdout.split("\n")).toEqual([
    "path      /api/items",
    "route     api, GET example.com/api/*",
    "filters   keys (000000000000, request, end) → headers (000000000000, response)",
    "upstream  echo: http://127.0.0.1:9000",
    "",
    "ROUTE    TAKES IT  WHY",
    "api      yes       the first that takes it",
    "all\u{FFFD}[2J  yes       api comes first: its path is more specific",
    "write    no        it takes POST only",
    "",
    "one and two take some of the same requests.",
    "",
  ]);
  expect(host.asked?.body).toEqual({ method: "GET", url: "http://example.com/api/./items" });
  expect(JSON.parse((await host.run("explain", "GET", "/", "--json")).stdout)).toEqual(EXPLANATION);
  await host.run("explain", "GET", "example.com/api");
  expect(host.asked?.body, "a host without a scheme").toEqual({
    method: "GET",
    url: "http://example.com/api",
  });
});

test("a request that no route takes is told so", async () => {
  host.answer("POST /v1/explain", { ...EXPLANATION, route: null, overlaps: [] });

  expect((await host.run("explain", "GET", "/api/items")).stdout.split("\n").slice(0, 3)).toEqual([
    "path      /api/items",
    "no route takes it",
    "",
  ]);
});

const FILE = `listen: ["127.0.0.1:0"]
upstreams:
  one: { servers: ["http://127.0.0.1:1", "http://127.0.0.1:2"] }
  two: { servers: ["http://127.0.0.1:3"] }
filters:
  keys: { component: none.wasm }
routes:
  - { name: api, match: { path: "/api/*", methods: [GET] }, filters: [keys], upstream: one }
  - { match: { host: example.com }, upstream: two }
`;

test("--offline explains by the file alone, and asks nobody", async () => {
  writeFileSync(join(host.folder, "sluice.yaml"), FILE);

  const { code, stdout } = await runOffline("GET", "/api/x");

  expect(code).toBe(0);
  expect(stdout.split("\n").slice(0, 8)).toEqual([
    "path      /api/x",
    "route     api, GET */api/*",
    "filters   keys",
    "upstream  one: http://127.0.0.1:1, http://127.0.0.1:2",
    "",
    "ROUTE                    TAKES IT  WHY",
    "routes[1] example.com/*  no        its host is example.com, not no host",
    "api                      yes       the first that takes it",
  ]);
  expect(stdout).toMatch(
    /\n\nroutes\[1\] example\.com\/\* and api \(GET \*\/api\/\*\) take some of the same requests: /,
  );
  expect(host.questions).toEqual([]);
  expect(JSON.parse((await runOffline("GET", "example.com/api/x", "--json")).stdout)).toMatchObject({
    file: "sluice.yaml",
    canonicalPath: "/api/x",
    route: { name: "routes[1] example.com/*", filters: [], upstream: "two", servers: ["http://127.0.0.1:3"] },
  });
  expect((await runOffline("GET", "/%zz")).stdout).toMatch(/^no route takes it\n\n/);
});

test("--offline with a file that is refused is its problems and code 1", async () => {
  writeFileSync(join(host.folder, "sluice.yaml"), FILE.replace("upstream: two", "upstream: tow"));

  const outcome = await runOffline("GET", "/");
  expect(outcome).toMatchObject({ code: 1, stdout: "" });
  expect(outcome.stderr).toMatch(/^sluice\.yaml:9:\d+ routes\[1\]\.upstream: /);
  expect(JSON.parse((await runOffline("GET", "/", "--json")).stdout)).toMatchObject({
    code: "CONFIG_REFUSED",
    problems: [{ line: 9 }],
  });
});

function runOffline(...words: string[]): Promise<Outcome> {
  return sluice(["explain", "--offline", ...words], { cwd: host.folder });
}
