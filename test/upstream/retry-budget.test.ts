import fc from "fast-check";
import { expect, test } from "vitest";
import { RetryBudget } from "../../host/upstream/retry-budget.ts";

test("when everything fails, no more is sent again than the share and the seconds allow", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 1, max: 2_000 }),
      fc.integer({ min: 0, max: 10 }),
      (share, perSecond, requests, gapMs) => {
        const budget = new RetryBudget(share, perSecond, 0);
        let again = 0;
        for (let at = 1; at <= requests; at++) {
          budget.request();
          if (budget.take(at * gapMs)) again += 1;
        }
        const seconds = (requests * gapMs) / 1000;
        expect(again).toBeLessThanOrEqual((requests * share) / 100 + perSecond * (seconds + 10) + 1e-6);
      },
    ),
  );
});

test("a budget of nothing lets nothing be sent again", () => {
  const budget = new RetryBudget(0, 0, 0);
  budget.request();
  expect(budget.take(3_600_000)).toBe(false);
});

test("what was used up comes back with time, and with requests", () => {
  const budget = new RetryBudget(50, 1, 0);
  while (budget.take(0));
  expect(budget.take(999)).toBe(false);
  expect(budget.take(2_000)).toBe(true);
  while (budget.take(2_000));
  budget.request();
  budget.request();
  expect(budget.take(2_000)).toBe(true);
});
