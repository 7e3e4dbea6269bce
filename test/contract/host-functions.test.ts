/** The imports that a filter is granted, called from Rust by the host's own path and by jco's. */
import fc from "fast-check";
import { ClientAddress } from "../../host/client-address.ts";
import { NO_SENDER } from "../support/no-http.ts";
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
    clientAddress: new ClientAddress("::1"),
    http: NO_SENDER,
  },
  outcome: { ending: "complete", status: 200, durationUs: 1, requestBytes: 0, responseBytes: 0 },
};

/** What `caller` has told of its calls. */
function told({ request }: Account): string[] {
  return request.fields.filter((_, index) => index % 2 === 1);
}

function both(calls: readonly unknown[], metrics: readonly unknown[] = []): [string, Twin][] {
  const { direct, reference } = twins.pair(JSON.stringify({ calls, metrics }));
  return [
    ["direct", direct],
    ["reference", reference],
  ];
}

/** What both ways have told, once they have been found to tell the same. */
function agreed(calls: readonly unknown[], metrics: readonly unknown[] = []): Account {
  const [direct, reference] = both(calls, metrics).map(([, twin]) => twin.run(STORY));
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

describe("metrics", () => {
  const COUNTER = { counter: ["hits_total", "Hits.", ["method"]] };
  const GAUGE = { gauge: ["size", "Size.", []] };
  const HISTOGRAM = { histogram: ["bytes", "Sizes.", ["a", "b"], [1, 10.5]] };

  test("count what they are told, by their labels", () => {
    const { metrics } = agreed(
      [
        { measure: [0, 2, ["GET"]] },
        { measure: [0, 3, ['é"']] },
        { measure: [0, 1, ["GET"]] },
        { measure: [1, 5, []] },
        { measure: [1, -1.5, []] },
        { measure: [2, 1, ["x", "y"]] },
        { measure: [2, 10.6, ["x", "y"]] },
        { measure: [2, 0, ["xy", ""]] },
      ],
      [COUNTER, GAUGE, HISTOGRAM],
    );
    expect(metrics.map(({ name, series }) => [name, series])).toEqual([
      [
        "hits_total",
        [
          [["GET"], Float64Array.of(3)],
          [['é"'], Float64Array.of(3)],
        ],
      ],
      ["size", [[[], Float64Array.of(-1.5)]]],
      [
        "bytes",
        [
          [["x", "y"], Float64Array.of(1, 0, 1, 11.6)],
          [["xy", ""], Float64Array.of(1, 0, 0, 0)],
        ],
      ],
    ]);
  });

  test("are refused with the contract's reason", () => {
    const declared = (...metrics: readonly object[]): string[] => told(agreed(["declared"], metrics));
    expect(
      declared(
        COUNTER,
        COUNTER,
        { gauge: ["hits_total", "Hits.", ["method"]] },
        { counter: ["hits_total", "Hits.", ["path"]] },
        { counter: ["hits_total", "Other.", ["method"]] },
        // In OpenMetrics a counter is called by its name without the ending.
        { histogram: ["hits", "", [], []] },
      ),
    ).toEqual(["ok, ok, Error::Conflict, Error::Conflict, Error::Conflict, Error::Conflict"]);
    expect(
      declared(
        { counter: ["1", "", []] },
        { counter: ["a b", "", []] },
        { counter: ["é", "", []] },
        { gauge: ["a", "", ["__a"]] },
        { gauge: ["a", "", ["filter"]] },
        { gauge: ["a", "", ["b", "b"]] },
        { histogram: ["a", "", ["le"], []] },
        { histogram: ["a", "", [], [1, 1]] },
        { counter: ["a", "", ["a", "b", "c", "d", "e", "f", "g"]] },
      ),
    ).toEqual([
      `${"Error::BadName, ".repeat(7)}Error::Other("the bounds of a histogram ascend"), Error::TooMany`,
    ]);
    expect(declared(...["a", "b", "c", "d", "e"].map((name) => ({ gauge: [name, "", []] })))).toEqual([
      "ok, ok, ok, ok, Error::TooMany",
    ]);
    expect(declared(HISTOGRAM, { counter: ["bytes_count", "", []] })).toEqual(["ok, Error::Conflict"]);
  });

  test("fall together beyond the limit of series, and never show a secret", () => {
    const labels = ["a", "swordfish", "x".repeat(200), "d", "e", "d"];
    const { metrics } = agreed(
      labels.map((label) => ({ measure: [0, 1, [label]] })),
      [COUNTER],
    );
    expect(metrics[0]?.series).toEqual([
      [["a"], Float64Array.of(1)],
      [["[secret]"], Float64Array.of(1)],
      [["x".repeat(128)], Float64Array.of(1)],
      [["other"], Float64Array.of(3)],
    ]);
  });

  test("with other labels than were declared, or declared too late, trap", () => {
    for (const call of [{ measure: [0, 1, []] }, { measure: [0, 1, ["a", "b"]] }, "declare-late"]) {
      const { calls, metrics } = agreed([call], [COUNTER]);
      expect(calls.at(-1)).toEqual(["on-request", "contract: "]);
      expect(metrics[0]?.series).toEqual([]);
    }
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
