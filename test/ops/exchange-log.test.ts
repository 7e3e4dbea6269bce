import fc from "fast-check";
import { expect, test } from "vitest";
import { FAILURES, Failure, type FailureCode } from "../../host/failure.ts";
import type { MetadataValue } from "../../host/filter/contract.ts";
import { type ExchangeEntry, ExchangeLog } from "../../host/ops/exchange-log.ts";
import { LineBatch } from "../../host/ops/line-batch.ts";

const ENTRY: ExchangeEntry = {
  requestId: "0190-f3",
  routeName: "api",
  method: "GET",
  target: "/a/b",
  status: 200,
  durationMs: 1.2345678,
  requestBytes: 0,
  responseBytes: 1_024,
  generation: 7,
  failure: undefined,
  repliedBy: undefined,
  versions: undefined,
  metadata: undefined,
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
    route: "api",
    method: "GET",
    path: "/a/b",
    status: 200,
    duration_ms: 1.235,
    request_bytes: 0,
    response_bytes: 1_024,
    generation: 7,
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
    failure: "FILTER_TRAPPED",
    detail: "unreachable\n  at keys",
    replied_by: "keys",
    status: 500,
  });
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
    status: 200,
    metadata: { user: 'é"', status: Number(-(2n ** 63n)), known: false, last: "" },
  });
  expect(Object.keys(line["metadata"] as object)).toEqual(["user", "status", "known", "last"]);
  expect(JSON.stringify(line)).not.toContain("sentinel");
  const nothing = new Map<string, MetadataValue>([["b", { tag: "bytes", val: Buffer.from("b") }]]);
  expect(written({ ...ENTRY, metadata: nothing })).not.toHaveProperty("metadata");
});

test("an exchange without a route has no route in its line", () => {
  expect(written({ ...ENTRY, routeName: undefined })).not.toHaveProperty("route");
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
  expect(line["path"]).toBe(path);
  expect(JSON.stringify(line)).not.toContain("secret");
});

test("a path or a detail of any length leaves a line of bounded length", () => {
  const line = written({
    ...ENTRY,
    target: `/${"a".repeat(100_000)}`,
    failure: new Failure("HOST_BROKE", "😀".repeat(50_000)),
  });
  expect(line["path"]).toHaveLength(2_049);
  expect(line["detail"]).toHaveLength(2_049);
});

test("a duration that is no positive number is 0, for JSON knows no other", () => {
  for (const durationMs of [Number.NaN, -1]) expect(written({ ...ENTRY, durationMs })["duration_ms"]).toBe(0);
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
          route: routeName,
          method,
          path: target,
          failure: code,
          detail,
          replied_by: repliedBy,
        });
      },
    ),
  );
});

test("a log that is switched off writes nothing", () => {
  const posted: string[] = [];
  const batch = new LineBatch((lines) => posted.push(lines));
  new ExchangeLog(batch, 3, false).write(ENTRY);
  batch.flush();
  expect(posted).toEqual([]);
});

/** Any UTF-16 code units: also control characters and halves of surrogate pairs. */
const TEXT = fc.oneof(
  fc.array(fc.nat(0xffff), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc.array(fc.nat(0xff), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc.string(),
);

function written(entry: ExchangeEntry): Record<string, unknown> {
  const posted: string[] = [];
  const batch = new LineBatch((lines) => posted.push(lines));
  new ExchangeLog(batch, 3, true).write(entry);
  batch.flush();
  const text = posted.join("");
  expect(text.indexOf("\n"), "not exactly one line").toBe(text.length - 1);
  // As the destination does it: what UTF-8 cannot carry must have been escaped.
  return JSON.parse(Buffer.from(text, "utf8").toString("utf8"));
}
