import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FieldList } from "../../host/message.ts";
import { compared } from "../../host/trial/comparison.ts";
import { Flow } from "../../host/trial/flow.ts";

/** A request that has passed with these fields, and a body of which all has come. */
function passed(fields: FieldList, body = ""): Flow {
  const flow = new Flow({ method: "GET", scheme: "https", authority: "a.test", path: "/", fields });
  flow.settled = true;
  flow.decidedChunk(Buffer.from(body), true, null);
  return flow;
}

const details = (one: Flow, other: Flow): string[] =>
  compared(one, other).map(({ kind, detail }) => `${kind}: ${detail}`);

describe("fields", () => {
  test("are the same in another order of names and in other letters, and not in another order of values", () => {
    const fields = ["Accept", "a", "Cookie", "b", "accept", "c"];
    expect(details(passed(fields), passed(["cookie", "b", "ACCEPT", "a", "Accept", "c"]))).toEqual([]);
    expect(details(passed(fields), passed(["Accept", "c", "Cookie", "b", "accept", "a"]))).toEqual([
      "headers: accept with other values",
    ]);
  });

  test("are told by name, by which version leaves them, and not without end", () => {
    const many = Array.from({ length: 12 }, (_, at) => [`x-${at}`, "1"]).flat();
    const long = `x-${"a".repeat(100)}`;
    expect(details(passed(["a", "1", "b", "1"]), passed(["a", "2", "c", "1"]))).toEqual([
      "headers: a with other values; only the candidate leaves c; only the present version leaves b",
    ]);
    expect(details(passed([]), passed([...many, long, "1"]))).toEqual([
      "headers: only the candidate leaves x-0, x-1, x-2, x-3, x-4, x-5, x-6, x-7, 5 more",
    ]);
    expect(details(passed([]), passed([long, "1"]))[0]).toHaveLength(
      "headers: only the candidate leaves ".length + 64,
    );
  });
});

describe("a body that is held", () => {
  test("leaves with what releases it, whatever that is", () => {
    const flow = passed([]);
    const pieces = [Buffer.from("a"), Buffer.from("b"), Buffer.from("c"), Buffer.from("d")] as const;
    flow.decidedChunk(pieces[0], false, { kind: "hold" });
    expect(flow.body.toString()).toBe("");
    flow.decidedChunk(pieces[1], false, { kind: "proceed", edited: null });
    expect(flow.body.toString()).toBe("ab");
    flow.decidedChunk(pieces[2], false, { kind: "hold" });
    flow.decidedChunk(pieces[3], false, { kind: "replace", bytes: Buffer.from("x"), edited: null });
    expect(flow.body.toString()).toBe("abx");
    flow.decidedChunk(pieces[3], true, { kind: "hold" });
    expect(flow.body.toString()).toBe("abxd");
  });
});

describe("whatever two versions leave", () => {
  const name = fc.constantFrom("a", "B", "cookie", "x-user", "X-User");
  const value = fc.nat({ max: 3 }).map((n) => `secret-${n}`);
  const fields = fc.array(fc.tuple(name, value), { maxLength: 6 }).map((pairs) => pairs.flat());
  const flow = fc.tuple(fields, value).map(([list, body]) => passed(list, body));

  test("no value is told, and one never differs from itself", () => {
    fc.assert(
      fc.property(flow, flow, (one, other) => {
        expect(details(one, one)).toEqual([]);
        expect(details(one, other).join()).not.toContain("secret");
        // Each sees the difference that the other does.
        expect(compared(one, other).map(({ kind }) => kind)).toEqual(
          compared(other, one).map(({ kind }) => kind),
        );
      }),
    );
  });
});
