import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { balancerOf, type Choice } from "../../host/upstream/balancer.ts";
import { murmur3 } from "../../host/upstream/hash.ts";

const header = { kind: "header", name: "x-key" } as const;

/** Servers that have nothing to do, with these weights. */
function idle(...weights: number[]): Choice[] {
  return weights.map((weight, at) => ({
    load: 0,
    weight,
    fullWeight: weight,
    seed: murmur3(`http://server-${at}`, 0),
  }));
}

function count<Item>(servers: readonly Item[], rounds: number, choose: (round: number) => Item): number[] {
  const counts = servers.map(() => 0);
  for (let round = 0; round < rounds; round++) counts[servers.indexOf(choose(round))]! += 1;
  return counts;
}

const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 });

test("MurmurHash3 gives what its reference gives", () => {
  expect(
    ["", "hello", "Hello, world!", "The quick brown fox jumps over the lazy dog"].map((text) =>
      murmur3(text, 0),
    ),
  ).toEqual([0, 0x248bfa47, 0xc0363e43, 0x2e4ff723]);
});

describe("round-robin", () => {
  test("a server gets its share of any number of requests, give or take two", () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 500 }), (weights, rounds) => {
        const servers = idle(...weights);
        const balancer = balancerOf({ kind: "round-robin" });
        balancer.use(servers);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const counts = count(servers, rounds, () => balancer.choose("", undefined));
        counts.forEach((got, at) =>
          expect(Math.abs(got - (rounds * weights[at]!) / total), `of ${counts.join()}`).toBeLessThanOrEqual(
            2,
          ),
        );
      }),
    );
  });
});

describe("least-request", () => {
  test("of two servers the one with less to do for its weight is chosen, always", () => {
    const load = fc.integer({ min: 0, max: 50 });
    fc.assert(
      fc.property(load, load, (one, other) => {
        fc.pre(one !== other);
        const [a, b] = idle(1, 1).map((server, at) => ({ ...server, load: at === 0 ? one : other }));
        const balancer = balancerOf<Choice>({ kind: "least-request" });
        balancer.use([a!, b!]);
        expect(balancer.choose("", undefined)).toBe(one < other ? a : b);
      }),
    );
  });

  test("idle servers get shares by weight", () => {
    const servers = idle(1, 2, 3, 4);
    const balancer = balancerOf({ kind: "least-request" });
    balancer.use(servers);
    const counts = count(servers, 20_000, () => balancer.choose("", undefined));
    // Five standard deviations are below 0.02.
    [0.1, 0.2, 0.3, 0.4].forEach((share, at) =>
      expect(Math.abs(counts[at]! / 20_000 - share)).toBeLessThan(0.02),
    );
  });

  test("a server that starts slowly gets its part, whoever else does, too", () => {
    const servers = idle(10, 10, 10, 10).map((server, at) => ({ ...server, weight: at === 0 ? 1 : 3 }));
    const balancer = balancerOf<Choice>({ kind: "least-request" });
    balancer.use(servers);
    for (const server of servers.slice(1)) server.weight = 10;
    const counts = count(servers, 20_000, () => balancer.choose("", undefined));
    expect(Math.abs(counts[0]! / 20_000 - 1 / 31), counts.join()).toBeLessThan(0.02);
  });

  test("the most loaded of several is never chosen, and the least loaded most often", () => {
    const servers = idle(1, 1, 1, 1).map((server, load) => ({ ...server, load }));
    const balancer = balancerOf<Choice>({ kind: "least-request" });
    balancer.use(servers);
    const counts = count(servers, 6_000, () => balancer.choose("", undefined));
    expect(counts[3]).toBe(0);
    expect(counts[0]! / 6_000, "one of two draws of four").toBeCloseTo(0.5, 1);
  });
});

describe("hash", () => {
  const keys = Array.from({ length: 5_000 }, (_, at) => `key-${at}`);

  test("keys spread by weight", () => {
    const servers = idle(1, 1, 2);
    const balancer = balancerOf<Choice>(header);
    balancer.use(servers);
    const counts = count(servers, keys.length, (at) => balancer.choose(keys[at]!, undefined));
    [0.25, 0.25, 0.5].forEach((share, at) =>
      expect(Math.abs(counts[at]! / keys.length - share), counts.join()).toBeLessThan(0.04),
    );
  });

  test("when a server leaves, the keys of all others stay where they are", () => {
    fc.assert(
      fc.property(weights, fc.nat(), fc.array(fc.string(), { minLength: 20 }), (weights, leaver, keys) => {
        fc.pre(weights.length > 1);
        const servers = idle(...weights);
        const gone = servers[leaver % servers.length]!;
        const before = balancerOf<Choice>(header);
        before.use(servers);
        const after = balancerOf<Choice>(header);
        after.use(servers.filter((server) => server !== gone));
        for (const key of keys.filter((key) => key !== "")) {
          const server = before.choose(key, undefined);
          const next = after.choose(key, undefined);
          // Its own keys go where a retry goes, too.
          expect(next).toBe(server === gone ? before.choose(key, gone) : server);
        }
      }),
    );
  });
});

test("a server that has just failed is chosen again only when there is no other", () => {
  const kinds = [{ kind: "least-request" }, { kind: "round-robin" }, header] as const;
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      weights,
      fc.nat(),
      fc.string(),
      (balance, weights, failed, key) => {
        const servers = idle(...weights);
        const not = servers[failed % servers.length]!;
        const balancer = balancerOf<Choice>(balance);
        balancer.use(servers);
        const chosen = balancer.choose(key, not);
        expect(servers).toContain(chosen);
        expect(chosen === not).toBe(servers.length === 1);
      },
    ),
  );
});
