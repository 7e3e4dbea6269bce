import { describe, expect, test } from "vitest";
import { complaints, MINIMAL, wrongWith, wrongWithFilter, wrongWithRoutes } from "./file.ts";

const ADDRESS = "host:port, like 127.0.0.1:8080 or [::1]:8080";
const SERVER = "a URL of scheme, host and port, like http://127.0.0.1:9000";

describe("values", () => {
  test.each<[line: string, complaint: string]>([
    ["workers: 0", "6:10 workers: expected a whole number from 1 to 64, or auto, got 0"],
    ["workers: 1.5", "6:10 workers: expected a whole number from 1 to 64, or auto, got 1.5"],
    ['workers: "2"', '6:10 workers: expected a whole number from 1 to 64, or auto, got "2"'],
    ["workers:", "6:1 workers: expected a whole number from 1 to 64, or auto, got nothing"],
    ["admin: true", "6:8 admin: expected host:port, unix:path or false, got true"],
    ["admin: localhost", '6:8 admin: expected host:port, unix:path or false, got "localhost"'],
    ['admin: "unix:"', '6:8 admin: expected host:port, unix:path or false, got "unix:"'],
    [
      `admin: unix:/${"a".repeat(107)}`,
      "6:8 admin: expected a socket's path of at most 107 bytes, got 108 with its folder",
    ],
    ["artifacts: []", "6:12 artifacts: expected the path of a folder, got an empty list"],
    ["log: loud", '6:6 log: expected a mapping with level, file or exchanges, got "loud"'],
    [
      "log: { level: loud }",
      '6:15 log.level: expected trace, debug, info, warn, error, fatal or silent, got "loud"',
    ],
    ["log: { exchanges: yes }", '6:19 log.exchanges: expected true or false, got "yes"'],
    [
      "log: { exchanges: { sample: 0% } }",
      '6:29 log.exchanges.sample: expected a share over 0% to 100%, like 10% or 0.5%, got "0%"',
    ],
    [
      "log: { exchanges: { only: { status: [6xx] } } }",
      '6:38 log.exchanges.only.status[0]: expected a status or a class of them, like 404 or 4xx, got "6xx"',
    ],
    [
      "log: { exchanges: { only: { routes: [nowhere] } } }",
      '6:38 log.exchanges.only.routes[0]: expected the name of a route, got "nowhere"',
    ],
    ...["Cookie", "authorization", "X-Forwarded-For", "x-api-key", "Session"].map(
      (name) =>
        [
          `log: { headers: [${name}] }`,
          `6:18 log.headers[0]: expected the name of a header field that says neither who nor where somebody is, and proves nothing, got "${name}"`,
        ] as [string, string],
    ),
    ["client-address: whole", '6:17 client-address: expected drop, truncate or keyed-hash, got "whole"'],
    [
      "client-address: { log: whole }",
      '6:24 client-address.log: expected drop, truncate or keyed-hash, got "whole"',
    ],
    [
      "timeouts: { drain: 25 }",
      "6:20 timeouts.drain: expected a duration from 1ms to 24h with its unit, like 250ms, 5s or 1m, got 25",
    ],
    [
      "timeouts: { drain: 25h }",
      '6:20 timeouts.drain: expected a duration from 1ms to 24h with its unit, like 250ms, 5s or 1m, got "25h"',
    ],
    [
      "timeouts: { client-head: 1.5s }",
      '6:26 timeouts.client-head: expected a duration from 1ms to 10m with its unit, like 250ms, 5s or 1m, got "1.5s"',
    ],
    ["limits: { edits: -1 }", "6:18 limits.edits: expected a whole number from 1 to 10000, got -1"],
    [
      "limits: { edit-bytes: 64KB }",
      '6:23 limits.edit-bytes: expected a size from 1KiB to 1MiB, like 512, 64KiB or 1MiB, got "64KB"',
    ],
    [
      "limits: { edit-bytes: 1023 }",
      "6:23 limits.edit-bytes: expected a size from 1KiB to 1MiB, like 512, 64KiB or 1MiB, got 1023",
    ],
    [
      "limits: { edit-bytes: 2MiB }",
      '6:23 limits.edit-bytes: expected a size from 1KiB to 1MiB, like 512, 64KiB or 1MiB, got "2MiB"',
    ],
    ["limits: [1, 2]", "6:9 limits: expected a mapping of limits, got a list of 2"],
    [
      `artifacts: "${"a".repeat(90)}\\0"`,
      `6:12 artifacts: expected the path of a folder, got "${"a".repeat(78)}…`,
    ],
  ])("%s", (line, complaint) => {
    expect(wrongWith(line)).toEqual([`sluice.yaml:${complaint}`]);
  });

  test.each<[listen: string, complaint: string]>([
    ["8080", "1:9 listen: expected a list of addresses, 1 to 64, got 8080"],
    ["[]", "1:9 listen: expected a list of addresses, 1 to 64, got an empty list"],
    ["[8080]", `1:10 listen[0]: expected ${ADDRESS}, got 8080`],
    ['["127.0.0.1"]', `1:10 listen[0]: expected ${ADDRESS}, got "127.0.0.1"`],
    ['["127.0.0.1:65536"]', `1:10 listen[0]: expected ${ADDRESS}, got "127.0.0.1:65536"`],
    ['["300.0.0.1:80"]', `1:10 listen[0]: expected ${ADDRESS}, got "300.0.0.1:80"`],
    ['["::1:80"]', `1:10 listen[0]: expected ${ADDRESS}, got "::1:80"`],
    ["[{ address: 3 }]", `1:21 listen[0].address: expected ${ADDRESS}, got 3`],
    ["[{}]", `1:10 listen[0].address: expected ${ADDRESS}, got nothing`],
    ["[a:1, b:2, a:1]", '1:20 listen[2]: expected an address of its own, got "a:1" as in listen[0] (line 1)'],
    [
      "[{ address: 'A:1' }, a:1]",
      '1:30 listen[1]: expected an address of its own, got "a:1" as in listen[0].address (line 1)',
    ],
    ['["127.0.0.1:9901"]', "1:10 listen[0]: expected an address of its own, got the default of admin"],
  ])("listen: %s", (listen, complaint) => {
    expect(complaints(MINIMAL.replace('["127.0.0.1:8080"]', listen))).toEqual([`sluice.yaml:${complaint}`]);
  });

  test("an address that clients and operators would share is refused", () => {
    expect(wrongWith("admin: 127.0.0.1:8080")).toEqual([
      'sluice.yaml:6:8 admin: expected an address of its own, got "127.0.0.1:8080" as in listen[0] (line 1)',
    ]);
    expect(
      complaints(MINIMAL.replace("8080", "0").concat("admin: 127.0.0.1:0")),
      "port 0 is another one each time",
    ).toEqual([]);
  });

  test.each<[servers: string, complaint: string]>([
    ["[]", "3:19 upstreams.api.servers: expected a list of URLs, 1 to 256, got an empty list"],
    ["[ws://a]", `3:20 upstreams.api.servers[0]: expected ${SERVER}, got "ws://a"`],
    ["[127.0.0.1:9000]", `3:20 upstreams.api.servers[0]: expected ${SERVER}, got "127.0.0.1:9000"`],
    ["[http://a/base]", `3:20 upstreams.api.servers[0]: expected ${SERVER}, got "http://a/base"`],
    ["[http://a:0]", `3:20 upstreams.api.servers[0]: expected ${SERVER}, got "http://a:0"`],
    ["[http://me:secret@a]", `3:20 upstreams.api.servers[0]: expected ${SERVER}, got "http://…@a"`],
    [
      "[http://a, http://a:80/]",
      '3:30 upstreams.api.servers[1]: expected a server of its own, got "http://a:80/" as in upstreams.api.servers[0] (line 3)',
    ],
  ])("servers: %s", (servers, complaint) => {
    expect(complaints(MINIMAL.replace('["http://127.0.0.1:9000"]', servers))).toEqual([
      `sluice.yaml:${complaint}`,
    ]);
  });

  test.each<[line: string, complaint: string]>([
    ["    sha256: abc", '9:13 filters.keys.sha256: expected 64 hex digits, got "abc"'],
    ["    on-failure: ajar", '9:17 filters.keys.on-failure: expected closed or open, got "ajar"'],
    ["    grant: { env: { A: 1 } }", "9:24 filters.keys.grant.env.A: expected text, got 1"],
    [
      "    grant: { env: { A-B: x } }",
      '9:21 filters.keys.grant.env.A-B: expected the name of a variable, like REGION, got "A-B"',
    ],
    [
      "    grant: { exchange-facts: false, client-address: true }",
      "9:53 filters.keys.grant.client-address: expected false without exchange-facts, which would give it (line 9), got true",
    ],
    ["    config: .nan", "9:13 filters.keys.config: expected a finite number, got .nan"],
    ["    config: -.inf", "9:13 filters.keys.config: expected a finite number, got -.inf"],
    [
      "    config: { id: 12345678901234567890 }",
      "9:19 filters.keys.config.id: expected a whole number within ±9007199254740991, got 12345678901234567890 (put it in quotes to keep its digits)",
    ],
  ])("a filter with %s", (line, complaint) => {
    expect(wrongWithFilter(line)).toEqual([`sluice.yaml:${complaint}`]);
  });

  test("more filters than the workers can hold are refused", () => {
    const filters = Array.from(
      { length: 118 },
      (_unused, index) => `  f${index}: { component: f.wasm }`,
    ).join("\n");
    expect(wrongWith(`workers: 64\nfilters:\n${filters}`)).toEqual([
      "sluice.yaml:8:3 filters: expected at most 117 filters with 64 workers, got 118",
    ]);
    expect(wrongWith(`workers: 63\nfilters:\n${filters}`)).toEqual([]);
  });

  test.each<[match: string, complaint: string]>([
    [
      "host: example.com:80",
      '6:19 routes[0].match.host: expected a host like example.com or *.example.com, without a port, got "example.com:80"',
    ],
    [
      "host: '*'",
      '6:19 routes[0].match.host: expected a host like example.com or *.example.com, without a port, got "*"',
    ],
    [
      "host: '*.1.2.3.4'",
      '6:19 routes[0].match.host: expected a host like example.com or *.example.com, without a port, got "*.1.2.3.4"',
    ],
    ["path: api", '6:19 routes[0].match.path: expected a path like /a or /api/*, without a query, got "api"'],
    [
      "path: /a?b",
      '6:19 routes[0].match.path: expected a path like /a or /api/*, without a query, got "/a?b"',
    ],
    [
      "path: /a/*/b",
      '6:19 routes[0].match.path: expected a path like /a or /api/*, without a query, got "/a/*/b"',
    ],
    ["path: /a*", '6:19 routes[0].match.path: expected a path like /a or /api/*, without a query, got "/a*"'],
    [
      "path: /a/../b",
      '6:19 routes[0].match.path: expected a path like /a or /api/*, without a query, got "/a/../b"',
    ],
    ["path: /ü", '6:19 routes[0].match.path: expected a path like /a or /api/*, without a query, got "/ü"'],
    [
      "methods: [get]",
      '6:23 routes[0].match.methods[0]: expected an HTTP method in capitals, like GET, got "get"',
    ],
    [
      "methods: [GTE]",
      '6:23 routes[0].match.methods[0]: expected an HTTP method in capitals, like GET, got "GTE"',
    ],
    [
      "methods: [CONNECT]",
      '6:23 routes[0].match.methods[0]: expected an HTTP method in capitals, like GET, got "CONNECT"',
    ],
    ["methods: []", "6:22 routes[0].match.methods: expected a list of methods, 1 to 64, got an empty list"],
  ])("a match with %s", (match, complaint) => {
    expect(wrongWithRoutes(` - match: { ${match} }\n   upstream: api\n`)).toEqual([
      `sluice.yaml:${complaint}`,
    ]);
  });
});
