/** What a case file may hold, and what is said about what it may not. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigError } from "../../host/config/problem.ts";
import { caseEditorSchema } from "../../host/kit/case-editor.ts";
import { caseFiles, readCases } from "../../host/kit/case-file.ts";
import { scriptOf } from "../../host/kit/message-input.ts";
import { casesOf, temporaryFolder } from "./kit.ts";

test("a file has one case for each document, each at its own line", () => {
  const cases = casesOf("# two cases\nname: one\n---\n\nname: two\nrandom: 7\n---\n# nothing\n");
  expect(cases.map(({ name, line, random }) => [name, line, random])).toEqual([
    ["one", 2, 1],
    ["two", 5, 7],
  ]);
});

test.each([
  ["nam: a", '1:1 nam: expected a known option, got "nam" (did you mean name?)', "unknown member"],
  [
    "name: a\n---\nname: b\nrequest:\n  pth: /",
    '5:3 request.pth: expected a known option, got "pth" (did you mean path?)',
    "typo",
  ],
  [
    "name: a\nexpect:\n  response: { status: 99 }",
    "3:23 expect.response.status: expected a status from 200 to 599, got 99",
    "status",
  ],
  ["name: a\n---\nname: a", "3:7 name: expected a name that no other case of the file has", "name twice"],
  [
    "name: a\nrequest:\n  body: { file: none.bin }",
    "3:17 request.body.file: expected a file that can be read, got none.bin",
    "file",
  ],
  [
    "name: a\nrequest:\n  body: a\n  chunks: [a]",
    "4:11 request.chunks: expected body or chunks, got both",
    "both",
  ],
  [
    "name: a\nexpect:\n  reply: { body: { matches: '(' } }",
    "3:29 expect.reply.body.matches: expected a regular expression, got",
    "pattern",
  ],
  ["name: a\nclock: tomorrow", "2:8 clock: expected a time like 2026-01-01T00:00:00Z", "time"],
  ["name: a\nconfig: [", "2:10", "no YAML"],
  ["name: a\ninvariance: [chunk]", "2:14 invariance", "kind"],
])("%j is refused: %s", (text, expected) => {
  const said = problemsOf(text);
  expect(said).toContain(`/cases/some.yaml:${expected}`);
});

test("all that is wrong is said at once, of all documents", () => {
  expect(problemsOf("nam: a\n---\nname: b\nrandom: x\n").split("\n").length).toBeGreaterThanOrEqual(3);
});

test("variables of the environment are text here: a case depends on nothing outside of it", () => {
  const [one] = casesOf("name: a\nconfig: ${HOME}\nrequest: { body: '${X' }");
  expect(one?.config).toBe("${HOME}");
});

test("bodies are text, base64, JSON, a file or a text many times", () => {
  using place = temporaryFolder();
  writeFileSync(join(place.folder, "some.bin"), Buffer.from([0, 255]));
  const bodies = [
    "a é",
    "{ base64: AP8= }",
    "{ json: { a: [1] } }",
    "{ file: some.bin }",
    "{ text: ab, times: 3 }",
    "12",
  ];
  const text = bodies.map((body, at) => `name: c${at}\nrequest: { body: ${body} }\n`).join("---\n");
  const bytes = casesOf(text, place.folder).map(({ request }) =>
    Buffer.concat(scriptOf(request).request.body.chunks).toString("latin1"),
  );
  expect(bytes).toEqual(["a Ã©", "\0ÿ", '{"a":[1]}', "\0ÿ", "ababab", "12"]);
});

test("a request gets the Host and the length that it lacks, and no length where only the end tells it", () => {
  const plain = scriptOf({ url: "https://a.example:8443/x?y#z", body: "abc" }).request;
  expect(plain).toMatchObject({ method: "POST", scheme: "https", authority: "a.example:8443", path: "/x?y" });
  expect(plain.fields).toEqual(["host", "a.example:8443", "content-length", "3"]);
  const trailed = scriptOf({ chunks: ["abc"], trailers: { "x-t": "1" } }).request;
  expect([trailed.body.length, trailed.fields]).toEqual([-1, ["host", "example.com"]]);
  const raw = scriptOf({ path: "/a/../b//%2e", headers: { host: "b.example", "x-a": ["1", "2"] } }).request;
  expect([raw.path, raw.authority]).toEqual(["/a/../b//%2e", "b.example"]);
  expect(raw.fields).toEqual(["host", "b.example", "x-a", "1", "x-a", "2"]);
});

test("a response that must not have a body has none", () => {
  for (const [method, status] of [
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ] as const) {
    const { body } = scriptOf({ method }, { status, body: "abc" }).response;
    expect(body.chunks, `${method} ${status}`).toEqual([]);
  }
});

test("the editors' schema is what the present one makes (node scripts/write-schema.ts writes it anew)", () => {
  const written = readFileSync(new URL("../../schema/case.schema.json", import.meta.url), "utf8");
  expect(written).toBe(caseEditorSchema());
  expect(written).not.toContain("x-expected");
});

test("snapshots are no cases", () => {
  using place = temporaryFolder();
  for (const name of ["b.yaml", "a.yml", "a.snap.yaml", "c.txt"]) writeFileSync(join(place.folder, name), "");
  expect(caseFiles(place.folder)).toEqual([join(place.folder, "a.yml"), join(place.folder, "b.yaml")]);
});

function problemsOf(text: string): string {
  try {
    readCases(text, "/cases/some.yaml");
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("nothing is wrong with it");
}
