/** When a worker refuses requests because it has too many, or is too late. */
import { expect, test } from "vitest";
import { Admission } from "../../host/admission.ts";
import { SWEEP_MS } from "../../host/sweeper.ts";

const LATE = 100;

/** A worker's admission, and the time as it sees it. */
class Clock {
  readonly admission: Admission = new Admission({ exchangesMax: 10, delayMsMax: LATE });
  #nowMs = 1_000;

  constructor() {
    this.turn(0);
  }

  /** The event loop comes so late, so often. */
  turn(lateMs: number, times = 1): void {
    for (let turn = 0; turn < times; turn++) {
      this.#nowMs += SWEEP_MS + lateMs;
      this.admission.sweep(this.#nowMs);
    }
  }

  /** Of a hundred requests, how many are refused. */
  refused(): number {
    return Array.from({ length: 100 }, () => this.admission.refusal(0)).filter((found) => found).length;
  }
}

test("requests come in up to the number in flight, and not beyond", () => {
  const { admission } = new Clock();
  expect(admission.refusal(9)).toBeUndefined();
  expect(admission.refusal(10)?.failure.code).toBe("HOST_FULL");
});

test("turns that are late now and then refuse nothing", () => {
  const clock = new Clock();
  for (let round = 0; round < 10; round++) {
    clock.turn(1_000, 2);
    clock.turn(0);
  }
  expect(clock.refused()).toBe(0);
});

test("the more turns in a row are late, the more is refused, evenly, and never all", () => {
  const clock = new Clock();
  clock.turn(LATE + 1, 3);
  expect(clock.refused()).toBe(20);
  const pattern = Array.from({ length: 10 }, () => clock.admission.refusal(0) !== undefined);
  expect(pattern.filter(Boolean).length, "two of ten, and not all at once").toBe(2);
  expect(pattern.join().includes("true,true")).toBe(false);

  clock.turn(LATE + 1);
  expect(clock.refused()).toBe(40);
  clock.turn(LATE + 1, 50);
  expect(clock.refused()).toBeGreaterThanOrEqual(94);
  expect(clock.refused()).toBeLessThan(97);
});

test("between the half and the whole delay the share stays, below it goes down to nothing", () => {
  const clock = new Clock();
  clock.turn(LATE + 1, 4);
  clock.turn(LATE / 2, 100);
  expect(clock.refused()).toBe(40);
  clock.turn(LATE / 2 - 1, 4);
  expect(clock.refused()).toBe(20);
  clock.turn(0, 5);
  expect(clock.refused()).toBe(0);
});
