import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OBJECTIVES, type RouteBurn } from "../../host/slo/slo.ts";
import { type Evidence, judge } from "../../host/trial/judge.ts";
import {
  type ShadowCounts,
  TRIAL_DEFAULTS,
  type TrialCounts,
  type TrialLimits,
  type TrialRequest,
} from "../../host/trial/trial.ts";

const CANARY: TrialRequest = { kind: "canary", percent: 5, key: { kind: "none" }, ...TRIAL_DEFAULTS };
const SHADOW: TrialRequest = { kind: "shadow", ...TRIAL_DEFAULTS, differencePercentMax: 1 };

function side(exchanges: number, failed = 0, failures = 0, meanMs = 1): TrialCounts {
  return { exchanges, failed, failures, meanMs };
}

function shadow(comparedCount: number, different: number): ShadowCounts {
  const kinds = { decision: 0, status: 0, headers: different, target: 0, body: 0, trailers: 0, failure: 0 };
  return { compared: comparedCount, different, partly: 0, dropped: 0, kinds, samples: [] };
}

function evidence(parts: Partial<Evidence> = {}): Evidence {
  return { elapsedMs: 1_000, present: side(1_000), candidate: side(100), shadow: null, burns: [], ...parts };
}

describe("a candidate is rolled back", () => {
  test.each<[string, TrialRequest, Partial<Evidence>, string]>([
    [
      "at its first failure, however few exchanges there were",
      CANARY,
      { candidate: side(1, 1, 1) },
      "the candidate has failed once, and 0 may be",
    ],
    [
      "when more of its exchanges fail than of the present version's",
      CANARY,
      { present: side(1_000, 10), candidate: side(200, 5) },
      "2.5 % of the candidate's exchanges failed, 1 % of the present version's, and 1 % more may be",
    ],
    [
      "when its calls take longer",
      CANARY,
      { present: side(1_000, 0, 0, 0.5), candidate: side(100, 0, 0, 6) },
      "the candidate's calls take 5.5 ms longer in an exchange, and 5 ms may be",
    ],
    [
      "when it differs more often than it may",
      SHADOW,
      { shadow: shadow(100, 2) },
      "the candidate has done something else in 2 % of exchanges, and 1 % may be",
    ],
    [
      "when its time is over and it has hardly been tried",
      CANARY,
      { elapsedMs: 600_000, candidate: side(99) },
      "after 600 s the candidate has seen no more than 99 of 100 exchanges",
    ],
  ])("%s", (_, request, parts, why) => {
    expect(judge(request, evidence(parts))).toEqual({ kind: "roll-back", why });
  });
});

describe("a candidate is promoted", () => {
  test("when its time is over, enough was seen and all was within the limits", () => {
    expect(judge(CANARY, evidence({ elapsedMs: 600_000 }))).toEqual({
      kind: "promote",
      why: "within all limits for 600 s and 100 exchanges",
    });
  });

  test("and not before, nor ever when no time is given", () => {
    expect(judge(CANARY, evidence({ elapsedMs: 599_999 }))).toEqual({
      kind: "running",
      why: "it has seen 100 of 100 exchanges, and 1 s are left",
    });
    expect(judge({ ...CANARY, forMs: 0 }, evidence({ elapsedMs: 1e12 }))).toEqual({
      kind: "running",
      why: "all is within the limits, and an operator decides",
    });
  });
});

test("shares of a few exchanges are not judged", () => {
  const few = { candidate: side(99, 99, 0, 1_000), shadow: shadow(99, 99) };
  expect(judge(SHADOW, evidence(few)).kind).toBe("running");
});

describe("whatever was counted", () => {
  const count = fc.nat({ max: 10_000 });
  const anySide = fc
    .tuple(count, count, fc.nat({ max: 3 }), fc.double({ min: 0, max: 50, noNaN: true }))
    .map(([exchanges, failed, failures, meanMs]) =>
      side(exchanges, Math.min(failed, exchanges), failures, meanMs),
    );
  const anyShadow = fc.option(
    fc.tuple(count, count).map(([all, different]) => shadow(all, Math.min(all, different))),
  );
  const anyLimits: fc.Arbitrary<TrialLimits> = fc.record({
    forMs: fc.constantFrom(0, 1_000, 600_000),
    exchangesMin: fc.nat({ max: 1_000 }),
    errorPercentMax: fc.double({ min: 0, max: 100, noNaN: true }),
    failuresMax: fc.nat({ max: 3 }),
    addedMsMax: fc.double({ min: 0, max: 50, noNaN: true }),
    differencePercentMax: fc.double({ min: 0, max: 100, noNaN: true }),
  });
  const anyBurn: fc.Arbitrary<RouteBurn> = fc.record({
    route: fc.constant("api"),
    objective: fc.constantFrom(...OBJECTIVES),
    burn: fc.option(fc.double({ min: 0, max: 1_000, noNaN: true })),
  });
  const anyEvidence: fc.Arbitrary<Evidence> = fc.record({
    elapsedMs: fc.nat({ max: 1_000_000 }),
    present: anySide,
    candidate: anySide,
    shadow: anyShadow,
    burns: fc.array(anyBurn),
  });

  test("one that is promoted has kept every limit, for as long and as often as was asked", () => {
    fc.assert(
      fc.property(anyLimits, anyEvidence, (limits, found) => {
        const request: TrialRequest = { kind: "shadow", ...limits };
        const { kind } = judge(request, found);
        const { present, candidate, shadow: seen, elapsedMs, burns } = found;
        const share = (part: number, whole: number): number => (whole === 0 ? 0 : (100 * part) / whole);
        const kept =
          candidate.failures <= limits.failuresMax &&
          share(candidate.failed, candidate.exchanges) - share(present.failed, present.exchanges) <=
            limits.errorPercentMax + 1e-9 &&
          candidate.meanMs - present.meanMs <= limits.addedMsMax &&
          (seen === null || share(seen.different, seen.compared) <= limits.differencePercentMax + 1e-9);
        const burning = burns.some(({ burn }) => burn !== null && burn > 14.4);
        const over =
          !burning &&
          limits.forMs > 0 &&
          elapsedMs >= limits.forMs &&
          candidate.exchanges >= limits.exchangesMin;
        expect(kind !== "promote" || (kept && over), "what was promoted was not good, or too early").toBe(
          true,
        );
        expect(kind !== "promote" || !burning, "a route that it is on was in trouble").toBe(true);
        expect(kind !== "running" || !over, "its time was over").toBe(true);
        expect(kind === "roll-back" || candidate.failures <= limits.failuresMax, "it failed too often").toBe(
          true,
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test("a worse candidate never fares better", () => {
    const rank = { "roll-back": 0, running: 1, promote: 2 };
    fc.assert(
      fc.property(
        anyLimits,
        anyEvidence,
        fc.nat({ max: 50 }),
        fc.nat({ max: 2 }),
        (limits, found, more, fails) => {
          const request: TrialRequest = { kind: "shadow", ...limits };
          const { candidate } = found;
          const worse = {
            ...candidate,
            failed: Math.min(candidate.exchanges, candidate.failed + more),
            failures: candidate.failures + fails,
            meanMs: candidate.meanMs + more,
          };
          const before = judge(request, found).kind;
          expect(rank[judge(request, { ...found, candidate: worse }).kind]).toBeLessThanOrEqual(rank[before]);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("the reason is one sentence that holds no number which is none", () => {
    fc.assert(
      fc.property(anyLimits, anyEvidence, (limits, found) => {
        const { why } = judge({ kind: "shadow", ...limits }, found);
        expect(why).toMatch(/^\w[^\n]+$/);
        expect(why).not.toMatch(/NaN|Infinity|undefined/);
      }),
    );
  });
});
