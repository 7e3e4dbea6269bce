/** The embedded store between threads: nothing that one adds is lost, and one that is ended in the middle stops nobody. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { SharedStore } from "../../host/store/shared-store.ts";
import { Texts } from "./model.ts";

const MIB = 1_048_576;

function start(buffer: SharedArrayBuffer, owner: number, turns: number, done: Int32Array): Worker {
  const workerData = { buffer, owner, turns, done };
  return new Worker(new URL("adder.ts", import.meta.url), { workerData });
}

function counters(store: Texts): bigint[] {
  return Array.from({ length: 7 }, (_, index) => store.add(`counter ${index}`, 0n) as bigint);
}

test("what several threads add at once adds up", async () => {
  const buffer = SharedStore.memory(4 * MIB);
  const done = new Int32Array(new SharedArrayBuffer(4));
  const workers = [1, 2, 3, 4].map((owner) => start(buffer, owner, 1_400, done));
  await Promise.all(workers.map((worker) => once(worker, "exit")));
  const store = new Texts(new SharedStore(buffer, 5));
  expect(counters(store)).toEqual(Array(7).fill(800n));
});

test("threads that are ended at any moment leave a store that others go on with", async () => {
  const buffer = SharedStore.memory(4 * MIB);
  const main = new SharedStore(buffer, 1_000);
  let turns = 0;
  for (let owner = 1; owner <= 8; owner++) {
    const done = new Int32Array(new SharedArrayBuffer(4));
    const worker = start(buffer, owner, Number.POSITIVE_INFINITY, done);
    // Not before it is at work, and then at no particular moment.
    await Atomics.waitAsync(done, 0, 0).value;
    await worker.terminate();
    main.recover(owner);
    turns += Atomics.load(done, 0);
  }
  const store = new Texts(main);
  const sum = counters(store).reduce((total, count) => total + count, 0n);
  // Each may have been ended between its addition and its count of it.
  expect(Number(sum)).toBeGreaterThanOrEqual(turns);
  expect(Number(sum)).toBeLessThanOrEqual(turns + 8);
  for (let index = 0; index < 5; index++)
    expect(store.get(`value ${index}`) ?? "", "a value of two threads").toMatch(/^(\d)\1*$|^$/);
  expect(main.usage().entries).toBeLessThanOrEqual(12);
});

test("a thread that finds a lock held does not wait for ever", () => {
  const buffer = SharedStore.memory(4 * MIB);
  // The first shard's lock: somebody holds it, and nobody knows that he is gone.
  new Int32Array(buffer)[16] = 7;
  const main = new SharedStore(buffer, 1);
  const store = new Texts(main);
  expect(store.add("counter", 1n)).toBe("unavailable");
  main.recover(7);
  expect(store.add("counter", 1n)).toBe(1n);
});

test("an exception in the middle of a change is put in order by the thread that it came to", () => {
  const main = new SharedStore(SharedStore.memory(4 * MIB), 1);
  const store = new Texts(main);
  store.set("key", "before");
  const exhaust = (): void => {
    try {
      exhaust();
    } finally {
      // All the way back there is a little more of the stack each time.
      store.set("key", "after".repeat(50));
    }
  };
  expect(exhaust).toThrow(RangeError);
  main.repair();
  expect(["before", "after".repeat(50)]).toContain(store.get("key"));
  expect([store.set("key", "again"), store.get("key"), main.usage().entries]).toEqual([
    undefined,
    "again",
    1,
  ]);
});
