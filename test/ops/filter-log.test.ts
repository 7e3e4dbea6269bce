import fc from "fast-check";
import { expect, test } from "vitest";
import { LEVELS } from "../../host/filter/contract.ts";
import { FilterLog } from "../../host/ops/filter-log.ts";
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
    const log = new FilterLog(batch, 0, least);
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

type Line = Parameters<FilterLog["line"]>;

function text(...line: Line): string {
  const posted: string[] = [];
  const batch = new LineBatch((lines) => posted.push(lines));
  new FilterLog(batch, 3, "trace").line(...line);
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
