/** The embedded store: it does what a map would, whatever is done in whichever order, until it is full. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SharedStore, spaceOf } from "../../host/store/shared-store.ts";
import { Model, Texts } from "./model.ts";

const MIB = 1_048_576;
const FOREVER = Number.POSITIVE_INFINITY;

function open(bytes: number = 4 * MIB): Texts {
  return new Texts(new SharedStore(SharedStore.memory(bytes), 1));
}

/** Some that share a block's length, some that do not fit into one. */
const KEYS = [
  "",
  "a",
  "key",
  "k".repeat(71),
  "k".repeat(72),
  "k".repeat(73),
  `${"k".repeat(72)}é`,
  "x".repeat(1_024),
];
const KEY = fc.constantFrom(...KEYS);
const VALUE = fc.oneof(
  fc.constantFrom("", "1", "v".repeat(72), "v".repeat(192), "v".repeat(193)),
  fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 400,
  }),
);
const LIFE = fc.constantFrom(0, 1, 10, FOREVER);
const AMOUNT = fc.oneof(fc.bigInt({ min: -3n, max: 3n }), fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n)));

const STEP = fc.oneof(
  fc.record({ kind: fc.constant("get" as const), key: KEY }),
  fc.record({ kind: fc.constant("set" as const), key: KEY, value: VALUE, life: LIFE }),
  fc.record({ kind: fc.constant("delete" as const), key: KEY }),
  fc.record({
    kind: fc.constant("exchange" as const),
    key: KEY,
    expected: fc.option(VALUE, { nil: undefined }),
    same: fc.boolean(),
    value: VALUE,
    life: LIFE,
  }),
  fc.record({ kind: fc.constant("add" as const), key: KEY, amount: AMOUNT, life: LIFE }),
  fc.record({ kind: fc.constant("wait" as const), time: fc.integer({ min: 1, max: 12 }) }),
);

type Step = Exclude<typeof STEP extends fc.Arbitrary<infer Each> ? Each : never, { kind: "wait" }>;

/** One step's answer. `model` knows what is there, for an exchange that is to succeed. */
function done(store: Texts | Model, step: Step, now: number, model: Model): unknown {
  switch (step.kind) {
    case "get":
      return store.get(step.key, now);
    case "set":
      return store.set(step.key, step.value, now + step.life, now);
    case "delete":
      return store.delete(step.key);
    case "add":
      return store.add(step.key, step.amount, now + step.life, now);
    case "exchange": {
      const expected = step.same ? model.get(step.key, now) : step.expected;
      return store.exchange(step.key, expected, step.value, now + step.life, now);
    }
  }
}

test("it does what a map does", () => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 60 }), (steps) => {
      const store = open();
      const model = new Model();
      let now = 5;
      const answers: [unknown, unknown][] = [];
      for (const step of steps) {
        if (step.kind === "wait") now += step.time;
        else answers.push([done(store, step, now, model), done(model, step, now, model)]);
      }
      expect(answers.map(([real]) => real)).toEqual(answers.map(([, wanted]) => wanted));
    }),
    { numRuns: 60 },
  );
});

test("spaces have nothing in common", () => {
  const store = new SharedStore(SharedStore.memory(4 * MIB), 1);
  const [one, other] = [new Texts(store, spaceOf("one")), new Texts(store, spaceOf("other"))];
  one.set("key", "1");
  expect([other.get("key"), other.add("key", 5n)]).toEqual([undefined, 5n]);
  expect(one.get("key")).toBe("1");
});

describe("when it is full", () => {
  /** Puts entries in until one is refused; gives their number. */
  function fill(store: Texts, value: string, expires: number, now: number, name = "filler"): number {
    for (let count = 0; ; count++) {
      const fault = store.set(`${name} ${count}`, value, expires, now);
      if (fault === undefined) continue;
      expect(fault).toBe("full");
      return count;
    }
  }

  test("it says so, keeps what it has, and has used nearly all its memory", () => {
    const store = open();
    const value = "v".repeat(1_000);
    const count = fill(store, value, FOREVER, 0);
    expect(count * 1_010).toBeGreaterThan(4 * MIB * 0.75);
    for (let index = 0; index < count; index++) expect(store.get(`filler ${index}`)).toBe(value);
    fill(store, "", FOREVER, 0, "rest");
    expect([store.add("new", 1n), store.take("new", 1_000, 1, 1, 0)]).toEqual(["full", "full"]);
  });

  test("what is there can still be changed, deleted and counted", () => {
    const store = open();
    store.add("counter", 1n);
    fill(store, "v".repeat(500), FOREVER, 0);
    expect(store.add("counter", 1n)).toBe(2n);
    expect(store.set("filler 3", "w".repeat(500))).toBe(undefined);
    expect(store.get("filler 3")).toBe("w".repeat(500));
    // A longer one has no room, and the one before stays.
    expect(store.set("filler 3", "w".repeat(5_000))).toBe("full");
    expect(store.get("filler 3")).toBe("w".repeat(500));
    store.delete("filler 4");
    expect(store.set("other", "v".repeat(400))).toBe(undefined);
  });

  test("what has expired makes room, and what has not stays", () => {
    const store = open();
    store.set("kept", "v", 1_000, 0);
    const count = fill(store, "v".repeat(500), 100, 0);
    expect(store.set("new", "v".repeat(500), FOREVER, 99)).toBe("full");
    expect(store.set("new", "v".repeat(500), FOREVER, 100)).toBe(undefined);
    expect(store.get("kept", 100)).toBe("v");
    expect(fill(store, "v".repeat(500), FOREVER, 100)).toBeGreaterThanOrEqual(count - 2);
  });
});

describe("a rate", () => {
  const SECOND = 1e9;

  test("allows its burst at once, then one per interval, and tells when", () => {
    const store = open();
    const take = (now: number, cost = 1): unknown => store.take("client", SECOND, 3, cost, now);
    expect([take(0), take(0), take(0), take(0)]).toEqual([2, 1, 0, -SECOND]);
    expect(take(SECOND - 100)).toBe(-100);
    expect([take(SECOND), take(SECOND)]).toEqual([0, -SECOND]);
    expect(take(60 * SECOND, 2), "never more than the burst has been saved").toBe(1);
  });

  test("a cost of none takes nothing, and one beyond the burst is never allowed", () => {
    const store = open();
    expect([store.take("c", SECOND, 2, 0, 0), store.take("c", SECOND, 2, 0, 0)]).toEqual([2, 2]);
    expect(store.take("c", SECOND, 2, 3, 0)).toBe(-SECOND);
    expect(store.take("c", SECOND, 2, 2, 0), "the refused one has taken nothing").toBe(0);
  });

  test("never allows more in any span of time than the rate and the burst come to", () => {
    const calls = fc.array(fc.tuple(fc.nat(3 * SECOND), fc.integer({ min: 1, max: 3 })), { maxLength: 100 });
    fc.assert(
      fc.property(calls, fc.integer({ min: 1, max: 5 }), (steps, burst) => {
        const store = open();
        let now = 0;
        const allowed: [at: number, cost: number][] = [];
        const tooEarly: number[] = [];
        for (const [pause, cost] of steps) {
          now += pause;
          const answer = store.take("k", SECOND, burst, cost, now) as number;
          if (answer >= 0) allowed.push([now, cost]);
          else tooEarly.push(store.take("k", SECOND, burst, cost, now - answer - 100) as number);
        }
        expect(tooEarly.filter((answer) => answer >= 0)).toEqual([]);
        for (let from = 0; from < allowed.length; from++) {
          let sum = 0;
          for (const [at, cost] of allowed.slice(from)) {
            sum += cost;
            expect(sum).toBeLessThanOrEqual(burst + (at - (allowed[from]?.[0] ?? 0)) / SECOND + 1e-6);
          }
        }
      }),
      { numRuns: 30 },
    );
  });
});
