/** What is thought of a server, told the time. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EjectionConfig, HealthConfig } from "../../host/config/config.ts";
import { Standing } from "../../host/upstream/standing.ts";

const EJECTION: EjectionConfig = {
  consecutive: 3,
  rate: 50,
  rateRequests: 10,
  windowMs: 1_000,
  baseMs: 100,
  longestMs: 350,
  maxShare: 100,
  on: ["connect"],
};

const HEALTH: HealthConfig = {
  path: "/",
  host: null,
  intervalMs: 100,
  jitter: 0,
  timeoutMs: 100,
  status: [[200, 299]],
  healthy: 2,
  unhealthy: 3,
};

function server(options: Partial<EjectionConfig> = {}, slowStartMs = 0): Standing {
  return new Standing(10, { ...EJECTION, ...options }, HEALTH, slowStartMs);
}

/** Failures until the server has failed too often; at most 100. */
function failuresUntilEjected(standing: Standing): number {
  for (let count = 1; count <= 100; count++) if (standing.failed()) return count;
  return Number.POSITIVE_INFINITY;
}

describe("a server has failed too often", () => {
  test("after so many failures in a row, and a success begins the row anew", () => {
    const standing = server();
    standing.failed();
    standing.failed();
    standing.succeeded();
    expect(failuresUntilEjected(standing)).toBe(3);
  });

  test("when the share of failures in a window is reached, with enough requests", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (outcomes) => {
        const standing = server({ consecutive: 1_000 });
        let failures = 0;
        for (const [at, isFailure] of outcomes.entries()) {
          if (isFailure) failures += 1;
          const ejected = isFailure ? standing.failed() : (standing.succeeded(), false);
          expect(ejected).toBe(isFailure && at + 1 >= 10 && failures / (at + 1) >= 0.5);
        }
      }),
    );
  });

  test("by no failure of a window that is over", () => {
    const standing = server({ consecutive: 1_000 });
    standing.sweep(1_000);
    for (let count = 0; count < 9; count++) standing.failed();
    standing.sweep(2_000);
    expect(standing.failed()).toBe(false);
  });

  test("never by a rate of 0%", () => {
    expect(failuresUntilEjected(server({ consecutive: 1_000, rate: 0 }))).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("an ejection", () => {
  test("takes the longer the oftener it comes, up to the longest", () => {
    const standing = server();
    let nowMs = 1_000_000;
    const lengths = [1, 2, 3, 4, 5].map(() => {
      const ms = standing.eject(nowMs);
      expect([standing.usable, standing.state]).toEqual([false, "ejected"]);
      expect(standing.sweep(nowMs + ms - 1), "it came back too early").toBe(false);
      nowMs += ms;
      expect(standing.sweep(nowMs)).toBe(true);
      expect([standing.usable, standing.state]).toEqual([true, "healthy"]);
      return ms;
    });
    expect(lengths).toEqual([100, 200, 300, 350, 350]);
  });

  test("is forgiven with time", () => {
    const standing = server();
    standing.eject(1_000_000);
    standing.sweep(1_000_100);
    expect(standing.eject(1_000_150), "no whole base without a failure").toBe(200);
    standing.sweep(1_000_350);
    expect(standing.eject(1_000_550), "two of them").toBe(100);
  });

  test("counts from nothing when it is over", () => {
    const standing = server();
    failuresUntilEjected(standing);
    standing.eject(1_000_000);
    expect(standing.failed(), "it is out already").toBe(false);
    standing.sweep(1_000_100);
    expect(failuresUntilEjected(standing)).toBe(3);
  });
});

describe("health checks", () => {
  test("the first one counts alone, then so many in a row", () => {
    const standing = server();
    expect([standing.checked(false, 1), standing.state]).toEqual([true, "unhealthy"]);
    expect([standing.checked(true, 2), standing.checked(false, 3), standing.checked(true, 4)]).toEqual([
      false,
      false,
      false,
    ]);
    expect([standing.checked(true, 5), standing.state]).toEqual([true, "healthy"]);
    expect([standing.checked(false, 6), standing.checked(false, 7), standing.usable]).toEqual([
      false,
      false,
      true,
    ]);
    expect([standing.checked(false, 8), standing.usable]).toEqual([true, false]);
  });

  test("that are good end no ejection, and the end of an ejection makes no server healthy", () => {
    const standing = server();
    standing.eject(1_000_000);
    standing.checked(false, 1_000_001);
    expect(standing.sweep(1_000_100)).toBe(true);
    expect([standing.usable, standing.state]).toEqual([false, "unhealthy"]);
    standing.eject(1_000_100);
    standing.checked(true, 1_000_101);
    standing.checked(true, 1_000_102);
    expect([standing.usable, standing.state]).toEqual([false, "ejected"]);
  });
});

describe("slow start", () => {
  test("lets a share grow from a tenth to the whole", () => {
    const standing = server({}, 1_000);
    expect([standing.weight, standing.state], "nobody waits at the start of all").toEqual([10, "healthy"]);
    standing.comes(1_000_000);
    const grown = [0, 50, 300, 700, 999, 1_000].map((ms) => {
      standing.sweep(1_000_000 + ms);
      return [standing.weight, standing.state];
    });
    expect(grown).toEqual([
      [1, "slow-start"],
      [1, "slow-start"],
      [3, "slow-start"],
      [7, "slow-start"],
      [9.99, "slow-start"],
      [10, "healthy"],
    ]);
  });

  test("follows an ejection and a recovery", () => {
    const standing = server({}, 1_000);
    standing.eject(1_000_000);
    standing.sweep(1_000_100);
    expect([standing.weight, standing.state]).toEqual([1, "slow-start"]);
    standing.sweep(1_001_100);
    standing.checked(false, 1_001_100);
    standing.checked(true, 1_001_101);
    standing.checked(true, 1_001_102);
    expect([standing.weight, standing.state]).toEqual([1, "slow-start"]);
  });
});
