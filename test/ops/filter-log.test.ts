import fc from "fast-check";
import { expect, test } from "vitest";
import { LEVELS } from "../../host/filter/contract.ts";
import { FilterLog, type FilterLogBounds } from "../../host/ops/filter-log.ts";
import { LineBatch } from "../../host/ops/line-batch.ts";

test("a filter's line has pino's level, the filter, the exchange, and attributes apart from them", () => {
  expect(
    written("warn", "keys", "0190-f3", "no such key", [
      ["key", "k1"],
      ["level", "99"],
    ]),
  ).toEqual({
    level: 40,
    time: expect.any(Number),
    pid: process.pid,
    worker: 3,
    filter: "keys",
    request_id: "0190-f3",
    attributes: { key: "k1", level: "99" },
    msg: "no such key",
  });
});

test("a line from outside of an exchange names none", () => {
  const line = written("info", "keys", undefined, "configured", []);
  expect(line).not.toHaveProperty("request_id");
  expect(line).not.toHaveProperty("attributes");
});

test("of attributes with one name only the last is written, for readers differ about JSON with a name twice", () => {
  expect(
    text("info", "keys", undefined, "", [
      ["a", "1"],
      ["b", "3"],
      ["a", "2"],
    ]),
  ).toContain('"attributes":{"a":"2","b":"3"}');
});

test("lines below the configured level are not written, and `enabled` says so before", () => {
  for (const least of [...LEVELS, "fatal", "silent"] as const) {
    const posted: string[] = [];
    const batch = new LineBatch((lines) => posted.push(lines));
    const log = new FilterLog(batch, 0, least, BOUNDS);
    const kept = LEVELS.filter((level) => log.enabled(level));
    for (const level of LEVELS) log.line(level, "keys", undefined, level, []);
    batch.flush();

    const first = (LEVELS as readonly string[]).indexOf(least);
    expect(kept).toEqual(first < 0 ? [] : LEVELS.slice(first));
    expect(parsed(posted.join("")).map((line) => line["msg"])).toEqual(kept);
  }
});

test("a line is JSON, on one line and with the very strings, whatever they hold", () => {
  const units = fc.array(fc.nat(0xffff), { maxLength: 40 }).map((codes) => String.fromCharCode(...codes));
  fc.assert(
    fc.property(
      fc.constantFrom(...LEVELS),
      units,
      units,
      units,
      fc.uniqueArray(fc.tuple(units, units), { selector: ([name]) => name }),
      (...given) => {
        const [level, filter, requestId, message, attributes] = given;
        const line = written(level, filter, requestId, message, attributes);
        expect(line).toMatchObject({ filter, request_id: requestId, msg: message });
        expect(new Map(Object.entries(line["attributes"] ?? {}))).toEqual(new Map(attributes));
      },
    ),
  );
});

test("of a filter's own lines so many are written in a second, and the others counted", () => {
  const { log, lines, dropped } = bounded({ linesMax: 2 });
  for (const filter of ["keys", "keys", "keys", "other", "keys"])
    log.said("info", filter, undefined, "said", []);
  expect(lines()).toEqual([
    ["keys", "said", undefined],
    ["keys", "said", undefined],
    ["other", "said", undefined],
  ]);
  expect(dropped()).toBe(2);
  log.sweep(1_000);
  expect(lines()).toEqual([["keys", "lines of the filter not logged", { count: "2" }]]);
  log.said("info", "keys", undefined, "said again", []);
  log.sweep(1_999);
  log.said("info", "keys", undefined, "said again", []);
  log.said("info", "keys", undefined, "one too many", []);
  expect(lines().map(([, message]) => message)).toEqual(["said again", "said again"]);
  log.sweep(2_000);
  expect(lines()).toEqual([["keys", "lines of the filter not logged", { count: "1" }]]);
  log.sweep(3_000);
  expect(lines(), "when nothing was dropped").toEqual([]);
});

test("lines that would not be kept anyway take no room", () => {
  const { log, lines } = bounded({ linesMax: 1 });
  for (let index = 0; index < 5; index++) log.said("trace", "keys", undefined, "too low", []);
  log.said("info", "keys", undefined, "said", []);
  expect(lines().length).toBe(1);
});

test("of a filter's failures for one reason so many are written in a second, and the others counted", () => {
  const { log, lines } = bounded({ failuresMax: 1 });
  const failures = ["trap", "trap", "stack", "trap"].map((reason) =>
    log.failure("keys", "id", reason, "why"),
  );
  expect(failures.map((line) => line !== undefined)).toEqual([true, false, true, false]);
  expect(JSON.parse(failures[0] ?? "")).toMatchObject({
    level: 50,
    filter: "keys",
    request_id: "id",
    attributes: { reason: "trap", detail: "why" },
    msg: "filter failed",
  });
  expect(log.failure("other", "id", "trap", "why")).toBeDefined();
  log.flush();
  expect(lines()).toEqual([["keys", "failures of the filter not logged", { reason: "trap", count: "2" }]]);
});

/** A log under `info`, what it has written since it was last asked, and how many lines it has dropped. */
function bounded(bounds: Partial<FilterLogBounds>): {
  log: FilterLog;
  lines: () => [filter: unknown, message: unknown, attributes: unknown][];
  dropped: () => number;
} {
  let posted = "";
  let count = 0;
  const batch = new LineBatch((lines) => {
    posted += lines;
  });
  const log = new FilterLog(batch, 0, "info", { ...BOUNDS, ...bounds, dropped: () => (count += 1) });
  return {
    log,
    lines: () => {
      batch.flush();
      const lines = parsed(posted);
      posted = "";
      return lines.map(({ filter, msg, attributes }) => [filter, msg, attributes]);
    },
    dropped: () => count,
  };
}

const BOUNDS: FilterLogBounds = { linesMax: 1_000, failuresMax: 1_000, dropped: () => {} };

type Line = Parameters<FilterLog["line"]>;

function text(...line: Line): string {
  const posted: string[] = [];
  const batch = new LineBatch((lines) => posted.push(lines));
  new FilterLog(batch, 3, "trace", BOUNDS).line(...line);
  batch.flush();
  return posted.join("");
}

function written(...line: Line): Record<string, unknown> {
  const lines = parsed(text(...line));
  expect(lines).toHaveLength(1);
  return lines[0]!;
}

function parsed(posted: string): Record<string, unknown>[] {
  return Buffer.from(posted, "utf8")
    .toString("utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}
