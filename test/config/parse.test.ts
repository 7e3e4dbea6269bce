import { availableParallelism } from "node:os";
import { describe, expect, test } from "vitest";
import { MINIMAL, parse } from "./file.ts";

describe("a whole file", () => {
  test("the least that a file can say is filled in with every default", () => {
    expect(parse(MINIMAL)).toEqual({
      listen: [{ kind: "tcp", host: "127.0.0.1", port: 8080, tls: null, proxyProtocol: false }],
      admin: {
        address: { kind: "tcp", host: "127.0.0.1", port: 9901 },
        hosts: [],
        tokens: [],
        audit: null,
      },
      workers: Math.min(64, availableParallelism()),
      artifacts: "/etc/sluice/.sluice",
      log: {
        level: "info",
        file: null,
        exchanges: { samplePercent: 100, only: null },
        receipts: true,
        query: "drop",
        headers: [],
      },
      clientAddress: { log: "drop", filters: "whole" },
      timeouts: {
        clientHeadMs: 10_000,
        clientRequestMs: 300_000,
        clientIdleMs: 75_000,
        clientWriteMs: 60_000,
        clientHalfClosedMs: 1_000,
        tunnelIdleMs: 300_000,
        upstreamBodyMs: 60_000,
        upstreamKeepAliveMs: 4_000,
        drainMs: 25_000,
        clientBodyMs: 60_000,
        eventLoopDelayMs: 500,
        instanceWaitMs: 1_000,
        instanceIdleMs: 60_000,
        httpMs: 10_000,
        storeMs: 250,
        registryMs: 60_000,
      },
      limits: {
        clientHeadBytesMax: 16_384,
        clientTargetBytesMax: 8_192,
        clientBodyBytesMax: 17_179_869_184,
        clientHeadersMax: 100,
        connectionsMax: 16_384,
        exchangesMax: 4_096,
        instancesTotalMax: 12_000,
        componentBytesMax: 67_108_864,
        replyBytesMax: 1_048_576,
        editsMax: 200,
        editBytesMax: 65_536,
        logLinesMax: 100,
        logRateMax: 1_000,
        logLineBytesMax: 8_192,
        metadataBytesMax: 16_384,
        stateBytesMax: 1_048_576,
        bodyBufferedBytesMax: 16_777_216,
        bodyHeldBytesMax: 1_048_576,
        metricsMax: 32,
        metricLabelsMax: 6,
        metricSeriesMax: 200,
        storeKeyBytesMax: 1_024,
        storeValueBytesMax: 65_536,
        instancesMax: 256,
        instanceExchangesMax: 1_000_000,
        instanceBytesMax: 8_388_608,
        failureLinesMax: 10,
        httpInFlightMax: 64,
        httpRequestBytesMax: 1_048_576,
        httpResponseBytesMax: 1_048_576,
      },
      forwarded: { mode: "x-forwarded", trusted: [] },
      upstreams: [
        {
          name: "api",
          servers: [
            {
              origin: "http://127.0.0.1:9000",
              scheme: "http",
              host: "127.0.0.1",
              port: 9000,
              weight: 1,
              drained: false,
            },
          ],
          connectMs: 5_000,
          headMs: 60_000,
          pendingMs: 5_000,
          totalMs: 0,
          connectionsMax: 256,
          pendingMax: 256,
          inFlightMax: 2_048,
          ejection: {
            consecutive: 5,
            rate: 50,
            rateRequests: 20,
            windowMs: 10_000,
            baseMs: 10_000,
            longestMs: 300_000,
            maxShare: 50,
            on: ["connect", "reset", "timeout"],
          },
          health: null,
          panicShare: 30,
          slowStartMs: 0,
          dns: { refreshMs: 10_000, family: "auto" },
          balance: { kind: "least-request" },
          retries: { attempts: 2, share: 20, perSecond: 10, on: ["connect", "reset"] },
          tls: null,
        },
      ],
      filters: [],
      registries: [],
      routes: [
        {
          name: "routes[0] */*",
          match: { host: { kind: "any", name: "" }, path: { kind: "any", path: "/" }, methods: [] },
          filters: [],
          upstream: "api",
          preserveHost: true,
          serverTiming: false,
          slo: null,
        },
      ],
      store: { sizeBytes: 67_108_864, server: null },
      capsules: null,
      timelines: { keep: 256, samplePercent: 1, debug: null },
      secrets: [],
    });
  });

  test("every option that a file gives reaches the configuration", () => {
    const config = parse(`
listen: ["127.0.0.1:8080", { address: "[::1]:0" }]
admin: unix:run/admin.sock
workers: 3
artifacts: /var/cache/sluice
log: { level: warn, file: ../log/sluice.log, exchanges: false, receipts: false, query: names, headers: [User-Agent] }
client-address: truncate
timeouts: { client-head: 1s, upstream-connect: 20ms, upstream-head: 2m }
limits: { reply-bytes: 2MiB, edit-bytes: 2048, log-lines: 0 }
upstreams:
  api: { servers: ["http://127.0.0.1:9000", "http://[::1]", "http://api.internal:80/"], timeouts: { head: 1h } }
filters:
  keys:
    component: ../filters/api_key.wasm
    sha256: ${"AB".repeat(32)}
    config: { header: x-api-key, nested: [1, 2.5, true, null, "text"] }
    on-failure: open
    grant: { log: false, exchange-facts: true, client-address: true, clock: true, store: true, rate-limit: all, env: { REGION: eu, EMPTY: "" } }
routes:
  - name: main
    match: { host: "*.Example.com", path: /api/*, methods: [GET, POST, GET] }
    filters: [keys]
    upstream: api
`);
    expect(config).toMatchObject({
      listen: [
        { host: "127.0.0.1", port: 8080 },
        { host: "::1", port: 0 },
      ],
      admin: { address: { kind: "unix", path: "/etc/sluice/run/admin.sock" } },
      workers: 3,
      artifacts: "/var/cache/sluice",
      log: {
        level: "warn",
        file: "/etc/log/sluice.log",
        exchanges: null,
        receipts: false,
        query: "names",
        headers: ["user-agent"],
      },
      clientAddress: { log: "truncate", filters: "truncate" },
      timeouts: { clientHeadMs: 1_000 },
      limits: { replyBytesMax: 2_097_152, editBytesMax: 2_048, logLinesMax: 0 },
      upstreams: [
        {
          servers: [
            { origin: "http://127.0.0.1:9000" },
            { origin: "http://[::1]", host: "::1", port: 80 },
            { origin: "http://api.internal", host: "api.internal", port: 80 },
          ],
          connectMs: 20,
          headMs: 3_600_000,
        },
      ],
      filters: [
        {
          name: "keys",
          component: "/etc/filters/api_key.wasm",
          sha256: "ab".repeat(32),
          config: { header: "x-api-key", nested: [1, 2.5, true, null, "text"] },
          onFailure: "open",
          quarantine: { failures: 90, of: 100, baseMs: 1_000, maxMs: 60_000 },
          grant: {
            log: false,
            exchangeFacts: true,
            clientAddress: true,
            clock: true,
            random: false,
            metrics: false,
            store: "filter keys",
            rateLimit: "shared all",
            env: [
              ["REGION", "eu"],
              ["EMPTY", ""],
            ],
          },
        },
      ],
      routes: [
        {
          name: "main",
          match: {
            host: { kind: "below", name: "example.com" },
            path: { kind: "prefix", path: "/api/" },
            methods: ["GET", "POST"],
          },
          filters: ["keys"],
          upstream: "api",
          preserveHost: true,
          serverTiming: false,
          slo: null,
        },
      ],
    });
    expect(config.timeouts, "what an upstream has for itself must not be read elsewhere").not.toHaveProperty(
      "headMs",
    );
  });

  test("a configuration survives a posting to a worker and a comparison as JSON", () => {
    const config = parse(MINIMAL);
    expect(structuredClone(config)).toEqual(config);
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });
});

describe("what depends on the surroundings", () => {
  test("`admin: false` turns the admin API off", () => {
    expect(parse(`${MINIMAL}admin: false`).admin).toBeNull();
  });

  test("`workers: auto` is one for each core", () => {
    expect(parse(`${MINIMAL}workers: auto`).workers).toBe(Math.min(64, availableParallelism()));
  });

  test("a route without a name is named for its place and its match", () => {
    const names = parse(`
listen: ["127.0.0.1:8080"]
upstreams: { api: { servers: ["http://127.0.0.1:9000"] } }
routes:
  - { match: { host: example.com, path: /a }, upstream: api }
  - { match: { host: "*.example.com", methods: [GET, PUT] }, upstream: api }
  - { match: { path: /api/* }, name: named, upstream: api }
`).routes.map(({ name }) => name);
    expect(names).toEqual(["routes[0] example.com/a", "routes[1] GET,PUT *.example.com/*", "named"]);
  });

  test("a route for any method may stand beside one that names methods", () => {
    const { routes } = parse(`${MINIMAL}  - { match: { methods: [GET] }, upstream: api }`);
    expect(routes.map(({ match }) => match.methods)).toEqual([[], ["GET"]]);
  });

  test("anchors and aliases say a thing once", () => {
    const { upstreams } = parse(`
listen: ["127.0.0.1:8080"]
upstreams:
  a: &same { servers: ["http://127.0.0.1:9000"] }
  b: *same
routes: [{ upstream: b }]
`);
    expect(upstreams[1]).toEqual({ ...upstreams[0], name: "b" });
  });

  test("names that objects have by themselves are names like others", () => {
    const { filters } = parse(
      `${MINIMAL}filters: { constructor: { component: f.wasm }, tostring: { component: g.wasm } }`,
    );
    expect(filters.map(({ name }) => name)).toEqual(["constructor", "tostring"]);
    expect(() => parse(MINIMAL.replace("upstream: api", "upstream: constructor"))).toThrow(
      /name of an upstream/,
    );
  });

  test("a byte order mark moves nothing", () => {
    expect(parse(`\uFEFF${MINIMAL}`)).toEqual(parse(MINIMAL));
    expect(() => parse(`\uFEFFlisten: 3`)).toThrow(/sluice.yaml:1:9 listen/);
  });
});
