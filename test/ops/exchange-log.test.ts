import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FAILURES, Failure, type FailureCode } from "../../host/failure.ts";
import type { MetadataValue } from "../../host/filter/contract.ts";
import { DECISION } from "../../host/ops/filter-work.ts";
import { PHASE } from "../../host/ops/meter.ts";
import { Timeline } from "../../host/timeline.ts";
import { ENTRY, lines, written } from "./exchange-lines.ts";

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

/** Any UTF-16 code units: also control characters and halves of surrogate pairs. */
const TEXT = fc.oneof(
  fc.array(fc.nat(0xffff), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc.array(fc.nat(0xff), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc.string(),
);
