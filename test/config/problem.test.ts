import { describe, expect, test } from "vitest";
import { complaints, wrongWith, wrongWithFilter, wrongWithRoutes } from "./file.ts";

const ADDRESS = "host:port, like 127.0.0.1:8080 or [::1]:8080";
const NAME = "a name of at most 63 of a-z, 0-9, `.`, `_` and `-` that begins with a letter or a digit";

describe("keys", () => {
  test.each<[line: string, complaint: string]>([
    ["wrkers: 2", '6:1 wrkers: expected a known option, got "wrkers" (did you mean workers?)'],
    ["Listen: 2", '6:1 Listen: expected a known option, got "Listen" (did you mean listen?)'],
    [
      "limits: { edit_bytes: 1 }",
      '6:11 limits.edit_bytes: expected a known option, got "edit_bytes" (did you mean edit-bytes?)',
    ],
    [
      "limits: { instnaces: 1 }",
      '6:11 limits.instnaces: expected a known option, got "instnaces" (did you mean instances?)',
    ],
    [
      "log: { colour: true }",
      '6:8 log.colour: expected level, file, exchanges, receipts, query or headers, got "colour"',
    ],
    [
      '"a b": 1',
      '6:1 ["a b"]: expected listen, admin, workers, artifacts, store, capsules, log, client-address, timelines, timeouts, limits, forwarded, upstreams, secrets, verify, filters, registries, slo or routes, got "a b"',
    ],
    ["workers: 1\nworkers: 2", '7:1 workers: expected each key once, got "workers" a second time'],
    [
      "log: { level: warn, level: info }",
      '6:21 log.level: expected each key once, got "level" a second time',
    ],
    ["filters: { F: { component: f.wasm } }", `6:12 filters.F: expected ${NAME}, got "F"`],
    [
      "filters: { 1: { component: f.wasm } }",
      "6:12 filters: expected a key that is text, got 1 (put it in quotes)",
    ],
    ["? [a, b]\n: 1", "6:3: expected a key that is text, got a list"],
    ["? { a: b }\n: 1", "6:3: expected a key that is text, got a mapping"],
    ["log: { ? : 1 }", "6:10 log: expected a key that is text, got null (put it in quotes)"],
    ["log: { __proto__: { level: warn } }", "6:8 log: expected a key that is text, got __proto__"],
    [
      "log: { <<: { level: warn } }",
      '6:8 log["<<"]: expected level, file, exchanges, receipts, query or headers, got "<<"',
    ],
  ])("%j", (line, complaint) => {
    expect(wrongWith(line)).toEqual([`sluice.yaml:${complaint}`]);
  });

  test("a filter's own limits", () => {
    expect(wrongWithFilter("    limits: { fuel: lots, memory: 1KiB }")).toEqual([
      'sluice.yaml:9:21 filters.keys.limits.fuel: expected a whole number from 1000 to 2000000000, got "lots"',
      'sluice.yaml:9:35 filters.keys.limits.memory: expected a size from 64KiB to 4GiB, like 512, 64KiB or 1MiB, got "1KiB"',
    ]);
  });
});

describe("names of other parts", () => {
  test.each<[route: string, complaint: string]>([
    [
      "upstream: apis",
      '6:14 routes[0].upstream: expected the name of an upstream, got "apis" (did you mean api?)',
    ],
    ["upstream: other", '6:14 routes[0].upstream: expected the name of an upstream, got "other"'],
    [
      "upstream: api\n   filters: [key]",
      '7:14 routes[0].filters[0]: expected the name of a filter, got "key" (did you mean keys?)',
    ],
    [
      "upstream: api\n   filters: [keys, keys]",
      '7:20 routes[0].filters[1]: expected each filter once, got "keys" as in routes[0].filters[0] (line 7)',
    ],
    ["upstream: ''", '6:14 routes[0].upstream: expected the name of an upstream, got ""'],
    ["filters: [keys]", "6:4 routes[0].upstream: expected the name of an upstream, got nothing"],
  ])("%j", (route, complaint) => {
    expect(wrongWithRoutes(` - ${route}\n`)).toEqual([`sluice.yaml:${complaint}`]);
  });

  test("two routes with one name", () => {
    const routes =
      " - { name: a, match: { path: /a }, upstream: api }\n - { name: a, match: { path: /b }, upstream: api }\n";
    expect(wrongWithRoutes(routes)).toEqual([
      'sluice.yaml:7:12 routes[1].name: expected a name of its own, got "a" as in routes[0].name (line 6)',
    ]);
  });

  test.each<[first: string, second: string, rest: string]>([
    ["{}", "{}", "got */*, which shares any method with"],
    ["{ path: /* }", "{}", "got */*, which shares any method with"],
    ["{ host: A.example }", "{ host: a.example }", "got a.example/*, which shares any method with"],
    [
      "{ path: /a, methods: [GET, PUT] }",
      "{ path: /a, methods: [POST, PUT] }",
      "got POST,PUT */a, which shares PUT with",
    ],
  ])("routes for %s and %s exclude each other", (first, second, rest) => {
    const routes = ` - match: ${first}\n   upstream: api\n - match: ${second}\n   upstream: api\n`;
    expect(wrongWithRoutes(routes)).toEqual([
      `sluice.yaml:8:11 routes[1].match: expected a match of its own, ${rest} routes[0].match (line 6)`,
    ]);
  });

  test.each([
    ["{}", "{ methods: [GET] }"],
    ["{ methods: [GET] }", "{ methods: [PUT] }"],
    ["{ path: /a }", "{ path: /a/* }"],
    ["{ path: /a }", "{ path: /A }"],
    ["{ host: example.com }", '{ host: "*.example.com" }'],
  ])("routes for %s and %s go together", (first, second) => {
    const routes = ` - match: ${first}\n   upstream: api\n - match: ${second}\n   upstream: api\n`;
    expect(wrongWithRoutes(routes)).toEqual([]);
  });
});

describe("the text", () => {
  test.each<[text: string, complaint: string]>([
    ["", "1:1: expected a mapping with the options of sluice, got nothing"],
    ["# only a comment\n", "1:1: expected a mapping with the options of sluice, got nothing"],
    ["- a", "1:1: expected a mapping with the options of sluice, got a list of 1"],
    [
      "a: [1",
      "1:6: expected YAML, got an error: Flow sequence in block collection must be sufficiently indented and end with a ]",
    ],
    ["a:\n\tb: 1", "2:1: expected YAML, got an error: Tabs are not allowed as indentation"],
    ["a: 1\n---\nb: 2", "2:1: expected one YAML document, got another one"],
    ["a: !secret b", "1:4: expected YAML, got an error: Unresolved tag: !secret"],
    ["a: !!binary aGk=", "1:4: expected YAML, got an error: Unresolved tag: tag:yaml.org,2002:binary"],
    [
      "a: { b: ${C} }",
      '1:10: expected YAML, got an error: Unexpected flow-map-start at node end (put "${…}" in quotes within [ ] and { })',
    ],
    [
      "a: [${C}]",
      '1:6: expected YAML, got an error: Missing , or : between flow sequence items (put "${…}" in quotes within [ ] and { })',
    ],
    ["listen", '1:1: expected a mapping with the options of sluice, got "listen"'],
    ["- ".repeat(65), "1:129: expected at most 64 levels of nesting, got more"],
  ])("%j", (text, complaint) => {
    expect(complaints(text)[0]).toBe(`sluice.yaml:${complaint}`);
  });

  test("so many levels that the parser itself gives up are refused in the same words", () => {
    expect(complaints("[".repeat(10_000))[0]).toMatch(
      /^sluice\.yaml:1:\d+: expected at most 64 levels of nesting, got more$/,
    );
  });

  test("an alias of nothing, or of what it is in, is refused", () => {
    expect(wrongWith("artifacts: *cache")).toEqual([
      "sluice.yaml:6:12 artifacts: expected an anchor &cache before its alias, got none",
    ]);
    expect(wrongWith("filters:\n  f: { component: f.wasm, config: &a [1, *a] }")).toEqual([
      "sluice.yaml:7:42 filters.f.config[1]: expected a value, got *a, which holds itself",
    ]);
  });

  test("aliases that multiply are refused before they are spelled out", () => {
    const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let level = 1; level < 9; level += 1)
      bomb.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join()}]`);
    const [first, ...rest] = complaints(bomb.join("\n"));
    expect(first).toMatch(
      /^sluice\.yaml:\d+:\d+: expected at most 100000 values, aliases counted in full, got more$/,
    );
    expect(rest).toEqual([]);
  });
});

describe("many problems", () => {
  test("all are reported at once, in the order of the file", () => {
    const text = `
listen: ["127.0.0.1:8080", { adress: "[::1]:0" }]
workers: \${WORKERS}
log: { level: loud, level: info }
upstreams:
  api: { servers: ["ftp://127.0.0.1:9000"], timeout: 1s }
routes:
  - upstream: ap
    filters: [keys]
  - upstream: *gone
timeouts: { drain: 5 }
filters:
  keys: { component: \${COMPONENT}, on-failure: open }
  1: { component: x }
`;
    expect(
      complaints(text.replace("{ component: ${COMPONENT}", '{ component: "${COMPONENT}"'), { WORKERS: "0" }),
    ).toEqual([
      `sluice.yaml:2:28 listen[1].address: expected ${ADDRESS}, got nothing`,
      'sluice.yaml:2:30 listen[1].adress: expected a known option, got "adress" (did you mean address?)',
      'sluice.yaml:3:10 workers: expected a whole number from 1 to 64, or auto, got "0" from "${WORKERS}"',
      'sluice.yaml:4:15 log.level: expected trace, debug, info, warn, error, fatal or silent, got "loud"',
      'sluice.yaml:4:21 log.level: expected each key once, got "level" a second time',
      'sluice.yaml:6:20 upstreams.api.servers[0]: expected a URL of scheme, host and port, like http://127.0.0.1:9000, got "ftp://127.0.0.1:9000"',
      'sluice.yaml:6:45 upstreams.api.timeout: expected a known option, got "timeout" (did you mean timeouts?)',
      'sluice.yaml:8:15 routes[0].upstream: expected the name of an upstream, got "ap" (did you mean api?)',
      "sluice.yaml:10:5 routes[1]: expected a match of its own, got */*, which shares any method with routes[0] (line 8)",
      "sluice.yaml:10:15 routes[1].upstream: expected an anchor &gone before its alias, got none",
      "sluice.yaml:11:20 timeouts.drain: expected a duration from 1ms to 24h with its unit, like 250ms, 5s or 1m, got 5",
      "sluice.yaml:13:22 filters.keys.component: expected the environment variable COMPONENT, got nothing (${COMPONENT:-default} gives it a default)",
      "sluice.yaml:14:3 filters: expected a key that is text, got 1 (put it in quotes)",
    ]);
  });
});
