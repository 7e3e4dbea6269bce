import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AddressKey } from "../../host/address-key.ts";
import { ClientAddress } from "../../host/client-address.ts";
import type { LogConfig } from "../../host/config/config.ts";
import { FAILURES, Failure, type FailureCode } from "../../host/failure.ts";
import type { MetadataValue } from "../../host/filter/contract.ts";
import { type ExchangeEntry, ExchangeLog } from "../../host/ops/exchange-log.ts";
import { LineBatch } from "../../host/ops/line-batch.ts";
import { DECISION } from "../../host/ops/filter-work.ts";
import { PHASE } from "../../host/ops/meter.ts";
import { Timeline } from "../../host/timeline.ts";

const ENTRY: ExchangeEntry = {
  requestId: "0190-f3",
  routeName: "api",
  method: "GET",
  target: "/a/b",
  protocol: "HTTP/1.1",
  clientAddress: new ClientAddress("203.0.113.7"),
  requestFields: ["Host", "a.example", "User-Agent", "curl/8", "Authorization", "Bearer sentinel"],
  responseFields: ["Server", "one", "server", "two"],
  status: 200,
  durationMs: 1.2345678,
  requestBytes: 0,
  responseBytes: 1_024,
  generation: 7,
  failure: undefined,
  repliedBy: undefined,
  versions: undefined,
  metadata: undefined,
  timeline: undefined,
};

test("an exchange is one line in pino's shape", () => {
  const line = written(ENTRY);
  expect(line).toEqual({
    level: 30,
    time: expect.any(Number),
    pid: process.pid,
    worker: 3,
    msg: "exchange",
    request_id: "0190-f3",
    "http.request.method": "GET",
    "url.path": "/a/b",
    "http.route": "api",
    "http.response.status_code": 200,
    "network.protocol.version": "1.1",
    "http.request.body.size": 0,
    "http.response.body.size": 1_024,
    "sluice.duration_ms": 1.235,
    "sluice.generation": 7,
  });
});

test("a failure brings its code and its detail, a reply the filter that gave it", () => {
  const line = written({
    ...ENTRY,
    failure: new Failure("FILTER_TRAPPED", "unreachable\n  at keys"),
    repliedBy: "keys",
    status: 500,
  });
  expect(line).toMatchObject({
    "error.type": "FILTER_TRAPPED",
    "sluice.detail": "unreachable\n  at keys",
    "sluice.replied_by": "keys",
    "http.response.status_code": 500,
  });
});

test("a 5xx of an upstream is an error, too, and one without a head has no status", () => {
  expect(written({ ...ENTRY, status: 503 })["error.type"]).toBe("503");
  expect(written({ ...ENTRY, status: 404 })).not.toHaveProperty(["error.type"]);
  expect(written({ ...ENTRY, status: 0 })).not.toHaveProperty(["http.response.status_code"]);
});

test("what filters have set is in an object of its own, but for bytes and for what is too long", () => {
  const line = written({
    ...ENTRY,
    metadata: new Map<string, MetadataValue>([
      ["user", { tag: "text", val: 'é"' }],
      ["status", { tag: "integer", val: -(2n ** 63n) }],
      ["known", { tag: "boolean", val: false }],
      ["digest", { tag: "bytes", val: Buffer.from("sentinel") }],
      ["long", { tag: "text", val: "x".repeat(5_000) }],
      ["last", { tag: "text", val: "" }],
    ]),
  });
  expect(line).toMatchObject({
    "http.response.status_code": 200,
    "sluice.metadata": { user: 'é"', status: Number(-(2n ** 63n)), known: false, last: "" },
  });
  expect(Object.keys(line["sluice.metadata"] as object)).toEqual(["user", "status", "known", "last"]);
  expect(JSON.stringify(line)).not.toContain("sentinel");
  const nothing = new Map<string, MetadataValue>([["b", { tag: "bytes", val: Buffer.from("b") }]]);
  expect(written({ ...ENTRY, metadata: nothing })).not.toHaveProperty(["sluice.metadata"]);
});

test("docs/logging.md explains every member that a line may have, and no other", () => {
  const timeline = new Timeline(0);
  for (let at = 0; at < 100; at++)
    timeline.called(
      { name: `${"f".repeat(60)}${at}`, digest: "d" },
      PHASE.request,
      0,
      0,
      0,
      DECISION.pass,
      null,
      [],
    );
  const entry = {
    ...ENTRY,
    target: "/?a=b",
    timeline,
    failure: new Failure("HOST_BROKE", ""),
    repliedBy: "keys",
    versions: { keys: "present" },
    metadata: new Map<string, MetadataValue>([["user", { tag: "text", val: "anna" }]]),
  } as const;
  const [line = {}] = lines(
    [entry],
    { headers: ["user-agent", "server"], query: "names" },
    { form: "truncate" },
  );
  const guide = readFileSync(new URL("../../docs/logging.md", import.meta.url), "utf8");
  const [, table = ""] = guide.split("## The line of an exchange");
  const documented = [...(table.split("###")[0] ?? "").matchAll(/^\| (`[^|]+) \|/gm)].flatMap(
    ([, names = ""]) => names.split(", ").map((name) => name.replaceAll("`", "")),
  );
  const members = Object.keys(line).map((name) => name.replace(/(?<=header\.).*/, "NAME"));
  expect(members.toSorted()).toEqual(documented.toSorted());
});

test("an exchange without a route has no route in its line", () => {
  expect(written({ ...ENTRY, routeName: undefined })).not.toHaveProperty(["http.route"]);
});

test.each([
  ["/a/b?token=secret", "/a/b"],
  ["/a?secret?secret", "/a"],
  ["/?secret", "/"],
  ["/a#secret", "/a"],
  ["/a#b?secret", "/a"],
  ["/a://b/c?secret", "/a://b/c"],
  ["http://user:secret@host/a/b?secret", "/a/b"],
  ["http://user:secret@host", "/"],
  ["http://host?secret=/secret", "/"],
  ["*", "*"],
  ["user:secret@host:443", ""],
  ["?secret", ""],
  ["", ""],
])("of the target %j only the path %j is logged", (target, path) => {
  const line = written({ ...ENTRY, target });
  expect(line["url.path"]).toBe(path);
  expect(JSON.stringify(line)).not.toContain("secret");
});

test("a path or a detail of any length leaves a line of bounded length", () => {
  const line = written({
    ...ENTRY,
    target: `/${"a".repeat(100_000)}`,
    failure: new Failure("HOST_BROKE", "😀".repeat(50_000)),
  });
  expect(line["url.path"]).toHaveLength(2_049);
  expect(line["sluice.detail"]).toHaveLength(2_049);
});

test("a duration that is no positive number is 0, for JSON knows no other", () => {
  for (const durationMs of [Number.NaN, -1])
    expect(written({ ...ENTRY, durationMs })["sluice.duration_ms"]).toBe(0);
});

test("a line is JSON, on one line and with the very strings, whatever they hold", () => {
  fc.assert(
    fc.property(
      TEXT,
      TEXT,
      TEXT,
      TEXT,
      TEXT,
      TEXT,
      fc.constantFrom(...(Object.keys(FAILURES) as FailureCode[])),
      (...given) => {
        const [requestId, routeName, method, path, detail, repliedBy, code] = given;
        const target = `/${path.replaceAll(/[?#]/g, "")}`;
        const line = written({
          ...ENTRY,
          requestId,
          routeName,
          method,
          target,
          failure: { code, detail },
          repliedBy,
        });
        expect(line).toMatchObject({
          request_id: requestId,
          "http.route": routeName,
          "http.request.method": method,
          "url.path": target,
          "error.type": code,
          "sluice.detail": detail,
          "sluice.replied_by": repliedBy,
        });
      },
    ),
  );
});

test("a log that is switched off, or keeps more important lines only, writes nothing", () => {
  expect(lines([{ ...ENTRY, failure: new Failure("HOST_BROKE", "") }], { exchanges: null })).toEqual([]);
  expect(lines([ENTRY], {}, { enabled: false })).toEqual([]);
});

describe("a choice of exchanges", () => {
  const many = Array.from({ length: 2_000 }, (_, index) => ({ ...ENTRY, requestId: `id ${index}` }));

  test("keeps a share of them, the same ones whenever it is asked, and all that went wrong", () => {
    const exchanges = { samplePercent: 10, only: null };
    const kept = lines(many, { exchanges });
    expect(kept.length).toBeGreaterThan(140);
    expect(kept.length).toBeLessThan(260);
    expect(ids(lines(many, { exchanges }))).toEqual(ids(kept));
    expect(
      lines(
        many.map((entry) => ({ ...entry, status: 502 })),
        { exchanges },
      ),
    ).toHaveLength(2_000);
    const gone = { failure: new Failure("CLIENT_GONE", "") };
    expect(
      lines(
        many.map((entry) => ({ ...entry, ...gone })),
        { exchanges },
      ),
    ).toHaveLength(2_000);
  });

  test("tells at the beginning of an exchange whether its steps will be wanted", () => {
    const exchanges = { samplePercent: 10, only: null };
    const log = logOf([], { exchanges });
    const wanted = many.filter(({ requestId }) => log.wantsSteps(requestId));
    expect(wanted.map(({ requestId }) => requestId)).toEqual(ids(lines(many, { exchanges })));
    expect(logOf([], { exchanges, receipts: false }).wantsSteps("id 1")).toBe(false);
    expect(logOf([], { exchanges: null }).wantsSteps("id 1")).toBe(false);
  });

  test.each([
    [{ status: ["4xx"] }, [404]],
    [{ status: ["404", "301"] }, [301, 404]],
    [{ routes: ["api"] }, [200, 301, 404]],
    [{ routes: ["other"] }, []],
    [{ slowerThanMs: 10 }, [404]],
    [{ status: ["3xx"], slowerThanMs: 10 }, []],
  ])("with only %j keeps %j, and 500", (part, statuses) => {
    const only = { status: null, routes: null, slowerThanMs: null, ...part };
    const entries = [200, 301, 404, 500].map((status) => ({
      ...ENTRY,
      status,
      durationMs: status === 404 ? 10.1 : 10,
    }));
    const kept = lines(entries, { exchanges: { samplePercent: 100, only } });
    expect(kept.map((line) => line["http.response.status_code"])).toEqual([...statuses, 500]);
  });
});

describe("what is somebody's", () => {
  test("header fields are logged that are on the list, as often as they are there, and without secrets", () => {
    const [line] = lines([ENTRY], { headers: ["user-agent", "server", "x-none"] }, { secret: "curl" });
    expect(line).toMatchObject({
      "http.request.header.user-agent": ["[secret]/8"],
      "http.response.header.server": ["one", "two"],
    });
    expect(JSON.stringify(line)).not.toMatch(/sentinel|x-none/);
  });

  test("of a query there are the names, where that is configured", () => {
    const target = "/a?token=secret&secret&=secret&a=secret=secret#secret";
    expect(lines([{ ...ENTRY, target }], { query: "names" })[0]?.["url.query"]).toBe(
      "token=REDACTED&REDACTED&=REDACTED&a=REDACTED",
    );
    expect(lines([{ ...ENTRY, target: "/a?" }], { query: "names" })[0]).not.toHaveProperty(["url.query"]);
  });

  test("the address is there in the form that is configured, and in no text of others", () => {
    const metadata = new Map<string, MetadataValue>([
      ["who 203.0.113.7", { tag: "text", val: "203.0.113.7!" }],
    ]);
    const failure = new Failure("HOST_BROKE", "203.0.113.7 is odd");
    const entry = { ...ENTRY, metadata, failure, requestFields: ["Referer", "http://203.0.113.7/"] };
    const told = (form: "drop" | "truncate" | "keyed-hash"): Record<string, unknown> => {
      const [line = {}] = lines([entry], { headers: ["referer"] }, { form });
      expect(JSON.stringify(line)).not.toContain("203.0.113.7");
      return line;
    };
    expect(told("drop")).not.toHaveProperty(["client.address"]);
    expect(told("truncate")["client.address"]).toBe("203.0.113.0/24");
    expect(told("keyed-hash")).toMatchObject({
      "client.address": KEY.hash("203.0.113.7"),
      "http.request.header.referer": ["http://redacted/"],
      "sluice.metadata": { "who redacted": "redacted!" },
      "sluice.detail": "redacted is odd",
    });
  });
});

describe("receipts", () => {
  test("tell what each filter took, decided and changed", () => {
    const timeline = new Timeline(0);
    const keys = { name: "keys", digest: "0123456789abcdef" };
    timeline.called(keys, PHASE.request, 1, 0.01234, 512, DECISION.pass, null, ["+x-user", "-cookie"]);
    timeline.tries("main", "http://127.0.0.1:1");
    timeline.called(keys, PHASE["response-body"], 2, 1, 10, DECISION.pass, null, []);
    timeline.called(keys, PHASE["response-body"], 3, 1, 10, DECISION.pass, null, []);
    timeline.called(keys, PHASE.response, 4, 1, 10, DECISION.fail, "trap", []);
    const call = { filter: "keys", digest: "0123456789ab" };
    expect(written({ ...ENTRY, timeline })["sluice.filters"]).toEqual([
      { ...call, phase: "request", ms: 0.012, fuel: 512, decision: "pass", changed: ["+x-user", "-cookie"] },
      { ...call, phase: "response-body", ms: 2, fuel: 20, decision: "pass", calls: 2 },
      { ...call, phase: "response", ms: 1, fuel: 10, decision: "fail", reason: "trap" },
    ]);
    expect(lines([{ ...ENTRY, timeline }], { receipts: false })[0]).not.toHaveProperty(["sluice.filters"]);
    expect(written({ ...ENTRY, timeline: new Timeline(0) })).not.toHaveProperty(["sluice.filters"]);
  });

  test("leave a line of bounded length, whatever filters do", () => {
    const timeline = new Timeline(0);
    const names = Array.from({ length: 1_000 }, (_, index) => `+${"n".repeat(1_000)}${index}`);
    for (let at = 0; at < 100; at++)
      timeline.called({ name: `f${at}`, digest: "d" }, PHASE.request, 0, 0, 0, DECISION.pass, null, names);
    const line = written({ ...ENTRY, timeline });
    expect(JSON.stringify(line).length).toBeLessThan(10_000);
    expect((line["sluice.filters"] as unknown[]).length + (line["sluice.filters_left_out"] as number)).toBe(
      100,
    );
  });
});

/** Any UTF-16 code units: also control characters and halves of surrogate pairs. */
const TEXT = fc.oneof(
  fc.array(fc.nat(0xffff), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc.array(fc.nat(0xff), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc.string(),
);

const KEY = new AddressKey(AddressKey.memory());

interface Means {
  readonly enabled?: boolean;
  readonly secret?: string;
  readonly form?: "drop" | "truncate" | "keyed-hash";
}

function logOf(
  posted: string[],
  log: Partial<LogConfig>,
  { enabled = true, secret, form = "drop" }: Means = {},
): ExchangeLog & { flush(): void } {
  const batch = new LineBatch((text) => posted.push(text));
  const rules = {
    log: { ...LOG, ...log },
    clientAddress: { log: form, filters: "whole" as const },
    clean: (text: string) => (secret === undefined ? text : text.replaceAll(secret, "[secret]")),
  };
  const made = new ExchangeLog(batch, 3, KEY, rules);
  made.use(rules, enabled);
  return Object.assign(made, { flush: () => batch.flush() });
}

const LOG: LogConfig = {
  level: "info",
  file: null,
  exchanges: { samplePercent: 100, only: null },
  receipts: true,
  query: "drop",
  headers: [],
};

function lines(
  entries: readonly ExchangeEntry[],
  log: Partial<LogConfig> = {},
  means: Means = {},
): Record<string, unknown>[] {
  const posted: string[] = [];
  const made = logOf(posted, log, means);
  for (const entry of entries) made.write(entry);
  made.flush();
  return posted
    .join("")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function ids(logged: readonly Record<string, unknown>[]): unknown[] {
  return logged.map((line) => line["request_id"]);
}

function written(entry: ExchangeEntry): Record<string, unknown> {
  const posted: string[] = [];
  const log = logOf(posted, {});
  log.write(entry);
  log.flush();
  const text = posted.join("");
  expect(text.indexOf("\n"), "not exactly one line").toBe(text.length - 1);
  // As the destination does it: what UTF-8 cannot carry must have been escaped.
  return JSON.parse(Buffer.from(text, "utf8").toString("utf8"));
}
