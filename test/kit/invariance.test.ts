/** What must make no difference, and what is said when it does. The filter is `planted`, which has the bug that it is told to have. */
import { afterAll, expect, test } from "vitest";
import { Kit } from "../../host/kit/engine.ts";
import { readCaseFiles, caseFiles } from "../../host/kit/case-file.ts";
import { runSuite } from "../../host/kit/case-suite.ts";
import { Reruns, type Violation } from "../../host/kit/reruns.ts";
import type { Case } from "../../host/kit/case.ts";
import { play, settingsOf } from "../../host/kit/case-run.ts";
import { varyState } from "../../host/kit/vary-course.ts";
import { COMPILED, casesOf, component, suite } from "./kit.ts";
import { join } from "node:path";

const kit = new Kit(COMPILED);
afterAll(() => kit.close());

async function found(text: string, name = "planted"): Promise<readonly Violation[]> {
  const { results } = await suite(kit, name, text, { invariance: true });
  expect(
    results.map(({ differences, refused }) => [refused, differences]),
    "the plain run passes",
  ).toEqual(results.map(() => [null, []]));
  return results.flatMap(({ violations }) => violations);
}

test("a token that is looked for within one chunk is cut in two, at its first cut", async () => {
  const violations = await found(`
name: a token is refused
config: { bug: one-chunk }
request: { body: a secret in the middle }
expect: { reply: { status: 403 } }`);
  expect(violations.map(({ kind }) => kind)).toEqual(["chunks"]);
  expect(violations[0]?.sentence).toBe("the request's body in 2 chunks, cut at byte 3, makes a difference");
  expect(violations[0]?.paste).toEqual([
    "request:",
    "  chunks:",
    '    - "a s"',
    '    - "ecret in the middle"',
  ]);
  expect(violations[0]?.differences).toContainEqual({
    at: "response",
    expected: "403, whole",
    got: "200, whole",
  });
});

test("what is to be pasted shows the same by itself", async () => {
  const { results } = await suite(
    kit,
    "planted",
    `
name: pasted
config: { bug: one-chunk }
request:
  chunks:
    - "a s"
    - "ecret in the middle"
expect: { reply: { status: 403 } }`,
  );
  expect(results[0]?.differences).toMatchObject([{ at: "reply", got: "the upstream's own answer" }]);
});

test("a head that depends on what the first chunk held is found, with the earliest cut", async () => {
  const violations = await found(`
name: a page is a page
config: { bug: late-head }
request: { body: "<html>hello" }
expect: { response: { headers: { x-kind: page } } }`);
  expect(violations.map(({ kind }) => kind)).toEqual(["chunks"]);
  expect(violations[0]?.sentence).toContain("in 2 chunks, cut at byte 1,");
  expect(violations[0]?.differences[0]?.got).toContain("x-kind: data");
});

test("of a long body not all places are tried, and what fails byte by byte becomes as few cuts as it takes", async () => {
  const violations = await found(`
name: a long one
config: { bug: one-chunk }
request: { body: { text: "...................................secret...................................", times: 4 } }
expect: { reply: { status: 403 } }`);
  // All four have to be cut at once, which no two cuts do.
  expect(violations[0]?.kind).toBe("chunks");
  expect(violations[0]?.sentence).toBe(
    "the request's body in 5 chunks, cut at byte 36, 112, 188, 264, makes a difference",
  );
});

test("what one exchange has said must not show in the next one", async () => {
  const violations = await found(`
name: users pass
config: { bug: state }
request: { headers: { x-user: anna } }
expect: { upstream: { headers: { x-user-before: null } } }`);
  expect(violations.map(({ kind }) => kind)).toEqual(["state"]);
  expect(violations[0]?.differences[0]?.got).toContain("x-user-before: anna");
});

test("two cases with the same config are run in a row, and the second is told of the first", async () => {
  const { results } = await suite(
    kit,
    "planted",
    `
name: anna
config: { bug: state }
request: { headers: { x-user: anna } }
---
name: nobody
config: { bug: state }
invariance: [state]`,
    { invariance: true },
  );
  // The repeated case speaks for itself in both; the sequence is only told where it does not.
  expect(results.map(({ violations }) => violations.length)).toEqual([1, 1]);
});

test("memory that is kept when the client goes away is found, and after which call", async () => {
  const violations = await found(`
name: all is given back
config: { bug: leak-on-abort }`);
  expect(violations.map(({ kind }) => kind)).toEqual(["abort"]);
  expect(violations[0]?.sentence).toMatch(
    /^when the client goes away at event 1, after request, memory is not given back: \d+ bytes/,
  );
});

test("a filter that fails when the client goes away is found, with its words", async () => {
  const violations = await found(`
name: all is well
config: { bug: panic-on-abort }`);
  expect(violations.map(({ kind }) => kind)).toEqual(["abort"]);
  expect(violations[0]?.sentence).toContain("nobody was answered");
});

test("handles that are not given back are told", async () => {
  const [one] = casesOf("name: a\nconfig: { mark: v1 }") as [Case];
  const plain = await play(await kit.filter(component("mark"), settingsOf(one)), one);
  expect(plain.handlesLeaked).toBe(0);
  const leaking = new Reruns(kit, component("mark"), one, { ...plain, handlesLeaked: 2 });
  expect(await varyState(leaking)).toMatchObject([
    { kind: "state", sentence: "2 handles that the filter was given are not given back" },
  ]);
});

test("the two fields whose order matters are named", async () => {
  const violations = await found(`
name: the first of them
config: { bug: first-header }
request: { headers: { a: 1, x-a: 1, x-b: 2, z: 3 } }`);
  expect(violations.map(({ kind }) => kind)).toEqual(["headers"]);
  expect(violations[0]?.sentence).toBe("of the request, x-b before x-a makes a difference");
});

test("invariance can be left out for a case, or as a whole", async () => {
  const text = `
name: a token is refused
config: { bug: one-chunk }
request: { body: a secret }
invariance: [state, fuel]`;
  expect(await found(text)).toEqual([]);
  const { results, runs } = await suite(kit, "planted", text.replace("invariance: [state, fuel]", ""));
  expect([runs, results[0]?.passed]).toEqual([0, true]);
});

test("out of fuel at each call: closed is closed, open is open, and nothing stays behind", async () => {
  for (const policy of ["closed", "open"])
    expect(
      await found(
        `
name: ${policy}
on-failure: ${policy}
config: { name: a, end: true, request: { head: true, take: stream, act: raise, trailers: true }, response: { head: true, take: { whole: 100 }, act: wrap } }
request: { chunks: [abc, def], trailers: { x-t: 1 } }
response: { body: hello }
expect: { upstream: { body: ABCDEF }, response: { body: "<a:hello>" } }`,
        "bodies",
      ),
    ).toEqual([]);
});

test("filters that keep to the contract pass: bodies, JSON, rates, requests of their own", async () => {
  const cases = readCaseFiles(caseFiles(join(import.meta.dirname, "cases")));
  const { results, runs } = await runSuite(
    kit,
    cases,
    { component: undefined, update: false, invariance: true },
    () => {},
  );
  expect(results.filter(({ passed }) => !passed)).toEqual([]);
  expect(runs, "all of them were varied").toBeGreaterThan(3_000);
});
