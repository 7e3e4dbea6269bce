/** The long runs of scripts/soak, short: whether they find nothing wrong. */
import { expect, test } from "vitest";
import { killAgain } from "../../scripts/soak/kills.ts";
import { changeUnderTraffic } from "../../scripts/soak/swaps.ts";

test("changes of every kind, some of them broken, cost no exchange and leave nothing behind", {
  timeout: 120_000,
}, async () => {
  expect((await changeUnderTraffic(25, () => {})).missed).toEqual([]);
});

test("a host that is killed at any step of a change comes back with the old generation or the new one, and never loses one that was answered", {
  timeout: 120_000,
}, async () => {
  expect((await killAgain(8, () => {})).missed).toEqual([]);
});
