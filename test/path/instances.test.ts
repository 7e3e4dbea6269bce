/** How many instances a filter has in one worker, and how long each of them lives. */
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { InstanceBudget } from "../../host/filter/budget.ts";
import type { Instance } from "../../host/filter/contract.ts";
import { InstancePool, type PoolLimits } from "../../host/filter/pool.ts";
import { Quarantine } from "../../host/filter/quarantine.ts";
import { INSTANCE_ENDS, WorkerMeter } from "../../host/ops/meter.ts";

/** What the pool looks at of an instance. */
class Plain {
  memoryBytes = 1_000;
  exchanges = 0;
}

/** A pool of instances that do nothing, and what has been made and ended. */
class Pond {
  made = 0;
  /** Makes the next ones throw. */
  broken = false;
  /** How long it takes to make one. */
  takesMs = 0;
  readonly pool: InstancePool;
  readonly #meter = new WorkerMeter().filter("own");

  constructor(limits: Partial<PoolLimits> = {}, ahead = true, budget: InstanceBudget = roomFor(1_000)) {
    const make = (): Instance => {
      const until = performance.now() + this.takesMs;
      while (performance.now() < until);
      if (this.broken) throw new Error("broken");
      this.made += 1;
      return new Plain() as unknown as Instance;
    };
    const nobody = { quarantined: () => {}, released: () => {} };
    this.pool = new InstancePool(
      make,
      make(),
      {
        instancesMax: 8,
        waitMs: 10_000,
        instanceIdleMs: 1_000,
        instanceExchangesMax: 5,
        instanceBytesMax: 10_000,
        ...limits,
      },
      this.#meter,
      new Quarantine({ failures: 1, of: 1, baseMs: 1, maxMs: 1 }, nobody),
      budget,
      ahead,
    );
  }

  /** An instance that is there; fails when there is none. */
  take(): Instance & Plain {
    const instance = this.pool.take();
    if (instance === undefined) throw new Error("no instance");
    return instance;
  }

  several(count: number): Instance[] {
    return Array.from({ length: count }, () => this.take());
  }

  get alive(): number {
    return this.#meter.instances;
  }

  /** Those that have ended, by reason. */
  get ended(): Record<string, number> {
    const { instanceEnds } = this.#meter.snapshot("own");
    const counts = INSTANCE_ENDS.map((why, at) => [why, instanceEnds[at]] as const);
    return Object.fromEntries(counts.filter(([, count]) => count !== 0)) as Record<string, number>;
  }
}

function roomFor(count: number): InstanceBudget {
  return new InstanceBudget(new Int32Array(1), new Int32Array(1), 0, count);
}

test("one more than there are exchanges is ready, so that the next one does not wait while it is made", async () => {
  const pond = new Pond();
  const [one] = pond.several(3);
  await turn();
  expect([pond.alive, pond.made]).toEqual([4, 4]);
  pond.take();
  expect(pond.made, "made within the call").toBe(4);
  pond.pool.give(one as Instance);
  await turn();
  expect(pond.alive, "although one was free again").toBe(4);
});

test("none is ready beforehand where each call gives its instance back at once", async () => {
  const pond = new Pond({}, false);
  for (let call = 0; call < 3; call++) {
    pond.pool.give(pond.take());
    await turn();
  }
  expect([pond.alive, pond.made]).toEqual([1, 1]);
});

test.each([true, false])("one that has failed is replaced before the next is asked for", async (ahead) => {
  const pond = new Pond({}, ahead);
  pond.pool.discard(pond.take());
  await turn();
  const { made } = pond;
  pond.take();
  expect([pond.made, pond.ended]).toEqual([made, { fault: 1 }]);
});

test("one that cannot be made is tried again by the next exchange, which fails", async () => {
  const pond = new Pond({}, false);
  pond.broken = true;
  pond.pool.discard(pond.take());
  await turn();
  expect(() => pond.pool.take()).toThrow("broken");
  expect(pond.alive).toBe(0);
  pond.broken = false;
  pond.take();
  expect(pond.alive).toBe(1);
});

test("one is replaced after limits.instance-exchanges, and by a larger memory than limits.instance-bytes", async () => {
  const pond = new Pond();
  const old = pond.take();
  old.exchanges = 4;
  pond.pool.give(old);
  expect(pond.take()).toBe(old);
  old.exchanges = 5;
  pond.pool.give(old);
  expect([pond.ended, pond.take() === old]).toEqual([{ exchanges: 1 }, false]);
  const large = pond.take();
  large.memoryBytes = 9_999;
  pond.pool.give(large);
  expect(pond.take()).toBe(large);
  large.memoryBytes = 10_000;
  pond.pool.give(large);
  expect(pond.ended).toEqual({ exchanges: 1, memory: 1 });
});

test("a filter that begins with a large memory is not replaced for that alone", () => {
  const pond = new Pond({ instanceBytesMax: 600 });
  const instance = pond.take();
  instance.memoryBytes = 1_999;
  pond.pool.give(instance);
  expect(pond.ended).toEqual({});
  instance.memoryBytes = 2_000;
  pond.take();
  pond.pool.give(instance);
  expect(pond.ended).toEqual({ memory: 1 });
});

test("one that waits gets the successor of one that was replaced", async () => {
  const pond = new Pond({ instancesMax: 1 });
  const old = pond.take();
  const { promise, resolve } = Promise.withResolvers<Instance | undefined>();
  pond.pool.wait({ granted: resolve });
  old.exchanges = 5;
  pond.pool.give(old);
  const granted = await promise;
  expect([granted === old, granted === undefined]).toEqual([false, false]);
});

test("those that nobody needed for timeouts.instance-idle are let go, and one is kept", async () => {
  const pond = new Pond();
  const busy = pond.several(6);
  await turn();
  for (const instance of busy) pond.pool.give(instance);
  pond.pool.sweep(1_000);
  expect(pond.alive, "at the first look").toBe(7);
  // Three at a time, for a while.
  for (const instance of pond.several(3)) pond.pool.give(instance);
  pond.pool.sweep(1_999);
  expect(pond.alive, "before the time is over").toBe(7);
  pond.pool.sweep(2_000);
  expect([pond.alive, pond.ended]).toEqual([3, { idle: 4 }]);
  pond.pool.sweep(3_000);
  expect(pond.alive).toBe(1);
  for (let nowMs = 4_000; nowMs < 10_000; nowMs += 1_000) pond.pool.sweep(nowMs);
  expect(pond.alive).toBe(1);
});

test("all filters together have no more than limits.instances-total, but each has one", async () => {
  const budget = roomFor(5);
  const [one, other, third] = [
    new Pond({}, false, budget),
    new Pond({}, false, budget),
    new Pond({}, false, budget),
  ];
  const busy = one.several(3);
  expect(one.pool.take(), "a sixth of five").toBe(undefined);
  other.pool.discard(other.take());
  expect(other.pool.take(), "the only one of its filter").toBeDefined();
  for (const instance of busy) one.pool.give(instance);
  expect(third.take()).toBeDefined();
  expect(third.pool.take(), "before the others' are let go").toBe(undefined);
  // Little is left: what is idle goes at once.
  one.pool.sweep(0);
  one.pool.sweep(1);
  expect(one.alive).toBe(1);
  expect(third.take()).toBeDefined();
});

test("what a pool had when it was closed is given back, and what was in use when it comes", async () => {
  const all = new Int32Array(1);
  const pond = new Pond({}, false, new InstanceBudget(all, new Int32Array(1), 0, 10));
  const [one, two] = pond.several(3) as [Instance, Instance];
  pond.pool.give(one);
  const closed = pond.pool.close();
  expect([pond.alive, all[0]]).toEqual([2, 2]);
  pond.pool.give(two);
  expect([pond.alive, all[0], pond.ended]).toEqual([1, 1, { swap: 2 }]);
  let isEmpty = false;
  void closed.then(() => (isEmpty = true));
  await Promise.resolve();
  expect(isEmpty, "one is still in use").toBe(false);
});

test("a burst of exchanges gets its instances over several turns of the event loop, none of which is long", async () => {
  const budget = roomFor(1_000);
  const pond = new Pond({ instancesMax: 100 }, true, budget);
  pond.takesMs = 3;
  const granted: (Instance | undefined)[] = [];
  const turns: number[] = [];
  let asked = 0;
  for (; asked < 40; asked++) {
    const instance = pond.pool.take();
    if (instance === undefined) pond.pool.wait({ granted: (one) => granted.push(one) });
    else granted.push(instance);
  }
  while (granted.length < asked) {
    turns.push(granted.length);
    await turn();
  }
  expect(granted).not.toContain(undefined);
  const steps = turns.map((count, at) => count - (turns[at - 1] ?? 0));
  expect(Math.max(...steps), "made in one turn, beside the one that was there").toBeLessThanOrEqual(5);
});

describe("a call that is part of no exchange", () => {
  const same = (instance: Instance): Instance => instance;

  /** One that has served, and is free. */
  function served(pond: Pond): Instance {
    const instance = pond.take();
    instance.exchanges = 1;
    return instance;
  }

  test("goes to the free instance that was used last, which stays free", async () => {
    const pond = new Pond();
    const [one, two] = [served(pond), served(pond)];
    pond.pool.give(two);
    pond.pool.give(one);
    expect(await pond.pool.visit(same)).toBe(one);
    expect(pond.take()).toBe(one);
  });

  test("goes to one that has served nothing only when none has", async () => {
    const pond = new Pond();
    const busy = served(pond);
    await turn();
    // The one that was made ahead is free.
    const visited = pond.pool.visit(same);
    pond.pool.give(busy);
    expect(await visited).toBe(busy);

    const fresh = new Pond();
    expect(await fresh.pool.visit(same)).toBe(fresh.take());
  });

  test("waits no longer than exchanges do, and takes what there is then, or nothing", async () => {
    const pond = new Pond({ waitMs: 1 });
    const busy = served(pond);
    await turn();
    expect(await pond.pool.visit(same)).toBe(pond.take());

    const full = new Pond({ waitMs: 1, instancesMax: 1 });
    const only = served(full);
    expect(await full.pool.visit(same)).toBeUndefined();
    full.pool.give(only);
    expect([full.take() === only, busy === only], "it is given to nobody who has gone").toEqual([
      true,
      false,
    ]);
  });

  test("comes before an exchange that waits, and takes nothing from it", async () => {
    const pond = new Pond({ instancesMax: 1 });
    const only = served(pond);
    const order: string[] = [];
    const granted = Promise.withResolvers<Instance | undefined>();
    pond.pool.wait({
      granted: (instance) => {
        order.push("exchange");
        granted.resolve(instance);
      },
    });
    const visited = pond.pool.visit(() => order.push("visit"));
    pond.pool.give(only);
    await visited;
    expect(await granted.promise).toBe(only);
    expect(order).toEqual(["visit", "exchange"]);
  });

  test("that throws ends the instance, and is no failure of an exchange", async () => {
    const pond = new Pond();
    const visit = pond.pool.visit(() => {
      throw new Error("trapped");
    });
    await expect(visit).rejects.toThrow("trapped");
    await turn();
    expect(pond.ended).toEqual({ fault: 1 });
    // One failure is enough for the quarantine of a pond.
    expect([pond.pool.quarantined, pond.alive]).toEqual([false, 1]);
  });

  test("ends an instance that has grown too large in it", async () => {
    const pond = new Pond();
    await pond.pool.visit((instance) => {
      (instance as Instance & Plain).memoryBytes = 10_000;
    });
    expect(pond.ended).toEqual({ memory: 1 });
  });
});
