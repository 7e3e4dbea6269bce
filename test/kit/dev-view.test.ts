import { expect, test } from "vitest";
import { exchangeLines, joined, type LogLine } from "../../host/cli/dev-view.ts";
import { DevLog } from "../../host/cli/dev-log.ts";
import type { Observation, ObservedCall } from "../../host/kit/dev-observer.ts";
import { neededGrants } from "../../host/filter/grants.ts";
import { grantLine, minimalConfig } from "../../host/kit/dev-config.ts";

const CALL: ObservedCall = {
  kind: "call",
  filter: "marks",
  call: "request",
  decision: "proceed",
  edits: [],
  calls: 1,
  bytes: 0,
  fuel: 1_200,
  ms: 0.021,
};

const SEEN: Observation = {
  request_id: "one",
  method: "POST",
  target: "/a?b=1",
  route: "default",
  status: 200,
  ms: 1.9,
  requestBytes: 2_048,
  responseBytes: 3,
  failure: null,
  steps: [],
  more: 0,
  failures: 0,
};

const FAILURE: LogLine = {
  level: 50,
  msg: "filter failed",
  filter: "marks",
  request_id: "one",
  attributes: { reason: "trap", detail: "panicked at src/lib.rs:3:1:\nno" },
  stack: [
    "core::cell::panic at /rustc/library/cell.rs:9:1",
    `marks::look at ${process.cwd()}/src/lib.rs:3:1`,
    "sluice_filter::call at /sdk/export.rs:5:1",
    `marks::on_request at ${process.cwd()}/src/lib.rs:1:1`,
  ],
};

test("every call is a line with what it has cost, and its edits are below it", () => {
  const steps: Observation["steps"] = [
    { ...CALL, edits: ["path: /a -> /b", "- x-old: 1", "- Host: a", "+ host: b", "+ x-new: 2"] },
    { kind: "asked", filter: "marks", request: "GET users /who", answer: "timed-out" },
    { ...CALL, call: "request-body", decision: "pass", calls: 3, bytes: 2_048 },
    { kind: "upstream", status: 503, length: -1 },
    { ...CALL, filter: "a", call: "response", decision: "reply 403" },
  ];

  expect(exchangeLines({ ...SEEN, steps, more: 2 }, [])).toEqual(
    [
      "POST /a?b=1 → 200 in 1.9 ms, request 2 KiB, response 3 B",
      "  marks  request                      proceed    0.021 ms  1200 fuel",
      "      ~ path: /a -> /b",
      "      - x-old: 1",
      "      ~ Host: a -> b",
      "      + x-new: 2",
      "  marks has asked GET users /who → timed-out",
      "  marks  request-body 2 KiB in 3 pieces  pass       0.021 ms  1200 fuel",
      "  upstream answers 503",
      "  a      response                     reply 403  0.021 ms  1200 fuel",
      "  and 2 more steps",
    ].map((line) => expect.stringMatching(loose(line))),
  );
});

test("a header that is set twice is added twice", () => {
  expect(joined(["- a: 1", "+ a: 2", "+ a: 3"])).toEqual(["~ a: 1 -> 2", "+ a: 3"]);
});

test("a failure has the frames that its author wants to see", () => {
  const failure = { code: "FILTER_TRAPPED", detail: "marks: panicked" };
  const seen = { ...SEEN, target: "/\u001B[2J", status: 0, failure, failures: 1 };

  expect(exchangeLines(seen, [FAILURE])).toEqual([
    "POST /\u{FFFD}[2J → no answer in 1.9 ms, request 2 KiB, response 3 B",
    "  marks failed (trap): panicked at src/lib.rs:3:1:",
    "      no",
    "      at core::cell::panic at /rustc/library/cell.rs:9:1",
    "      at marks::look at src/lib.rs:3:1",
    "      at marks::on_request at src/lib.rs:1:1",
    "  FILTER_TRAPPED",
  ]);
});

test.each([
  ["before its exchange has ended", [FAILURE, { ...SEEN, failures: 1 }]],
  ["after it", [{ ...SEEN, failures: 1 }, FAILURE]],
])("an exchange is shown with the failure that is told %s", (_, told) => {
  const shown: (readonly string[])[] = [];
  const log = new DevLog((lines) => shown.push(lines));
  for (const [at, line] of told.entries()) {
    expect(shown.length, "it was shown without its failure").toBe(0);
    log.writeBatch(`${JSON.stringify(line)}\n`);
    expect(at === 0 ? shown.length : 0).toBe(0);
  }

  expect(shown.flat().slice(0, 2)).toEqual([
    "POST /a?b=1 → 200 in 1.9 ms, request 2 KiB, response 3 B",
    "  marks failed (trap): panicked at src/lib.rs:3:1:",
  ]);
});

test("what still waits at the end is shown", async () => {
  const shown: string[] = [];
  const log = new DevLog((lines) => shown.push(...lines));
  log.writeBatch(
    `${JSON.stringify({ ...SEEN, failures: 1 })}\n${JSON.stringify({ ...FAILURE, request_id: "two" })}\n`,
  );
  await log.flush();

  expect(shown[0]).toMatch(/^POST /);
  expect(shown[1]).toMatch(/^marks failed/);
});

test("a minimal configuration grants what a component imports, and no more", () => {
  const grants = neededGrants(["sluice:filter/clock@0.1.0", "sluice:filter/http-client@0.1.0"]);
  const crate = { package: "own-one", name: "own_one", manifest: "/own-one/Cargo.toml", sdk: undefined };
  const place = {
    crate,
    component: "/own_one.wasm",
    config: { a: 1 },
    port: 8_080,
    upstream: "http://127.0.0.1:9",
    artifacts: "/store",
  };
  const { config, filters } = minimalConfig(place, grants);

  expect(filters).toEqual(["own-one"]);
  expect(config.filters[0]).toMatchObject({
    component: "/own_one.wasm",
    config: { a: 1 },
    grant: { clock: true, http: ["upstream"], random: false, store: null, secrets: null },
  });
  expect(config).toMatchObject({ workers: 1, admin: null, listen: [{ host: "127.0.0.1", port: 8_080 }] });
  expect(grantLine(grants)).toBe("grant: { clock: true, http: [upstream] }");
});

/** Columns are as wide as their widest cell; how wide that is is no matter here. */
function loose(line: string): RegExp {
  const escaped = line.trimStart().replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const indent = " ".repeat(line.length - line.trimStart().length);
  return new RegExp(`^${indent}${escaped.replaceAll(/ {2,}/g, " {2,}")}$`);
}
