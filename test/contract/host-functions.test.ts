/** The imports that a filter is granted, called from Rust by the host's own path and by jco's. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ArtifactStore } from "../../host/filter/artifact.ts";
import { component } from "../support/test-host.ts";
import { type Account, LIMITS, type Story, temporaryStore, type Twin, Twins } from "./twin.ts";

let store: ArtifactStore;
let close: () => Promise<void>;
let twins: Twins;

beforeAll(async () => {
  ({ store, close } = temporaryStore());
  twins = await Twins.load(store, component("caller"));
});

afterAll(() => close());

const STORY: Story = {
  method: "GET",
  scheme: "http",
  authority: "a.test",
  path: "/",
  fields: [],
  status: 200,
  responseFields: [],
  facts: {
    requestId: "id-1",
    route: "main",
    protocol: "HTTP/1.1",
    tlsVersion: undefined,
    clientAddress: "::1",
  },
  outcome: { ending: "complete", status: 200, durationUs: 1, requestBytes: 0, responseBytes: 0 },
};

/** What `caller` has told of its calls. */
function told({ request }: Account): string[] {
  return request.fields.filter((_, index) => index % 2 === 1);
}

function both(calls: readonly unknown[]): [string, Twin][] {
  const { direct, reference } = twins.pair(JSON.stringify({ calls }));
  return [
    ["direct", direct],
    ["reference", reference],
  ];
}

/** What both ways have told, once they have been found to tell the same. */
function agreed(calls: readonly unknown[]): Account {
  const [direct, reference] = both(calls).map(([, twin]) => twin.run(STORY));
  expect(direct).toEqual(reference);
  return direct as Account;
}

test("both ways are there to be compared", () => {
  expect(twins.artifact.direct).toBe(true);
});

describe("clock", () => {
  test.each(["direct", "reference"])("%s: stands still within a call, and tells the time", (way) => {
    const twin = new Map(both(["clock", "clock"])).get(way) as Twin;
    const [first = "", second] = told(twin.run(STORY));
    const [still, now] = first.split(" ");
    expect(still).toBe("still");
    expect(second, "another call of the clock within the same call of the filter").toBe(first);
    expect(Math.abs(Number(now) / 1e6 - Date.now())).toBeLessThan(60_000);
  });

  test.each(["direct", "reference"])("%s: goes on from one call to the next", (way) => {
    const twin = new Map(both(["clock"])).get(way) as Twin;
    const monotonic = (): number => Number(told(twin.run(STORY))[0]?.split(" ")[2]);
    const first = monotonic();
    expect(first).toBeGreaterThan(0);
    expect(monotonic()).toBeGreaterThan(first);
  });
});

describe("random", () => {
  test.each(["direct", "reference"])("%s: other bytes and another number each time", (way) => {
    const twin = new Map(both([{ random: 16 }, { random: 16 }, { random: 0 }])).get(way) as Twin;
    const [first = "", second, none = ""] = told(twin.run(STORY));
    expect(first.length).toBeGreaterThan(16 + 1 + 10);
    expect(second).not.toBe(first);
    expect(none).toMatch(/^ \d+$/);
  });

  test("up to 65 536 bytes, and a trap beyond them", () => {
    for (const [way, twin] of both([{ random: 65_537 }]))
      expect(twin.run(STORY).calls.at(-1), way).toEqual(["on-request", "size: "]);
    for (const [way, twin] of both([{ random: 8_000 }]))
      expect(told(twin.run(STORY))[0]?.length, way).toBeGreaterThan(8_000);
  });
});

describe("store", () => {
  const all = (...calls: readonly object[]): string[] => told(agreed(calls));

  test("keeps values and counters, and tells them apart", () => {
    expect(
      all(
        { get: "k" },
        { set: ["k", "é\0", null] },
        { get: "k" },
        { add: ["k", 1, null] },
        { add: ["hits", -5, null] },
        { get: "hits" },
        { delete: "hits" },
        { get: "hits" },
        { set: ["k", "gone", 0] },
        { get: "k" },
      ),
    ).toEqual([
      "Ok(None)",
      "Ok(())",
      "some \\xc3\\xa9\\x00",
      "Err(Error::WrongType)",
      "Ok(-5)",
      "some -5",
      "Ok(())",
      "Ok(None)",
      "Ok(())",
      "Ok(None)",
    ]);
  });

  test("compares and sets", () => {
    expect(
      all(
        { "compare-and-set": ["k", "a", "b", null] },
        { "compare-and-set": ["k", null, "a", null] },
        { "compare-and-set": ["k", null, "b", null] },
        { "compare-and-set": ["k", "a", "b", null] },
        { get: "k" },
      ),
    ).toEqual([
      "Ok(Exchanged::Found(None))",
      "Ok(Exchanged::Stored)",
      "Ok(Exchanged::Found(Some([97])))",
      "Ok(Exchanged::Stored)",
      "some b",
    ]);
  });

  test("refuses what is too large, a counter that overflows, and more than fits", () => {
    const long = "x".repeat(LIMITS.storeValueBytesMax + 1);
    const key = "x".repeat(LIMITS.storeKeyBytesMax + 1);
    expect(all({ set: ["k", long, null] }, { get: key }, { add: [key, 1, null] }, { delete: key })).toEqual(
      Array(4).fill("Err(Error::TooLarge)"),
    );
    // The largest counter but a few, in JSON's own way to write it.
    expect(all({ add: ["k", 2 ** 63 - 1_024, null] }, { add: ["k", 1_000, null] })).toEqual([
      "Ok(9223372036854775000)",
      'Err(Error::Other("the counter is full"))',
    ]);
    const filled = all(...Array.from({ length: 80 }, (_, n) => ({ set: [`k${n}`, long.slice(1), null] })));
    expect([filled[0], filled.at(-1)]).toEqual(["Ok(())", "Err(Error::Full)"]);
  });

  test("does the same both ways, whatever is done", () => {
    const key = fc.constantFrom("a", "b", "");
    const value = fc.constantFrom("", "1", "é");
    const ms = fc.constantFrom(null, 0, 1, 9_007_199_254_740_991);
    const call = fc.oneof(
      fc.record({ get: key }),
      fc.record({ set: fc.tuple(key, value, ms) }),
      fc.record({ delete: key }),
      fc.record({ "compare-and-set": fc.tuple(key, fc.option(value), value, ms) }),
      fc.record({ add: fc.tuple(key, fc.maxSafeInteger(), ms) }),
      fc.record({
        take: fc.tuple(
          key,
          fc.nat(4_294_967_295),
          fc.nat(9_007_199_254_740_991),
          fc.nat(4_294_967_295),
          fc.nat(4_294_967_295),
        ),
      }),
      fc.record({ take: fc.tuple(key, fc.nat(3), fc.nat(1_000), fc.nat(3), fc.nat(3)) }),
    );
    fc.assert(
      fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
        expect(all(...calls)).toHaveLength(calls.length);
      }),
      { numRuns: 25 },
    );
  });
});

describe("rate-limit", () => {
  test("allows what is left, and tells when it would be allowed", () => {
    const take = { take: ["client", 1, 1_000, 2, 1] };
    expect(told(agreed([take, take, take, { take: ["client", 0, 1, 1, 1] }, { get: "client" }]))).toEqual([
      "Ok(Verdict::Allowed(1))",
      "Ok(Verdict::Allowed(0))",
      "Ok(Verdict::Refused(1000))",
      'Err(Error::Other("limit, period and burst are at least 1"))',
      "Ok(None)",
    ]);
  });
});

describe("secrets", () => {
  test("that are granted come byte for byte, and others do not", () => {
    expect(told(agreed([{ secret: "token é" }, { secret: "token" }, { secret: "" }]))).toEqual([
      "some s3cr3t\\xff\\n",
      "none",
      "none",
    ]);
  });

  test("are in no line of the log and in no panic's message", () => {
    const { log, calls } = agreed([{ betray: "password" }]);
    const [, message = ""] = (calls.at(-1) ?? []) as string[];
    expect(message).toMatch(/^trap: out: \[secret\]\n[^]*the secret is \[secret\]/);
    expect(log).toEqual([JSON.stringify(["warn", "id-1", "it is [secret]", [["the secret", "[secret]"]]])]);
  });
});
