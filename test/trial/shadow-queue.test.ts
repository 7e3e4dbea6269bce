import { MessageChannel } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ExchangeRecord } from "../../host/trial/record.ts";
import { type ShadowBatch, type ShadowDone, ShadowQueue } from "../../host/trial/shadow-queue.ts";
import { waitFor } from "../support/waiting.ts";

/** A queue, and the other thread's end of it. */
function connected(queue = new ShadowQueue()): {
  queue: ShadowQueue;
  batches: ShadowBatch[];
  done: () => void;
  close: () => void;
} {
  const { port1, port2 } = new MessageChannel();
  const batches: ShadowBatch[] = [];
  port2.on("message", (batch: ShadowBatch) => batches.push(batch));
  queue.connect(port1);
  onTestFinished(() => {
    port1.close();
    port2.close();
  });
  const done = (): void => {
    for (const { bytes, copies } of batches.splice(0))
      port2.postMessage({ bytes, copies: copies.length } satisfies ShadowDone);
  };
  return { queue, batches, done, close: () => port2.close() };
}

const RECORD = { filter: "keys", steps: [] } as unknown as ExchangeRecord;

/** As many as are taken, of that size. */
function fill(queue: ShadowQueue, bytes: number): number {
  let count = 0;
  for (; queue.admits && count < 10_000; count++) queue.add(`keys ${count}`, RECORD, bytes);
  return count;
}

describe("copies on their way", () => {
  test("are bounded by number and by size, and there is room again when the other thread is done", async () => {
    const { queue, batches, done } = connected();
    expect(fill(queue, 1)).toBe(256);
    await waitFor("one batch of all", () => batches[0]?.copies.length === 256);
    expect(batches[0]?.copies[7]).toEqual({ trial: "keys 7", record: RECORD });
    expect([queue.admits, queue.idle]).toEqual([false, false]);
    done();
    await waitFor("room", () => queue.idle);
    expect(fill(queue, 65_536)).toBe(64);
  });

  test("are not made where there is no thread, or none any more", async () => {
    expect(new ShadowQueue().admits).toBe(false);
    const { queue, close } = connected();
    expect(queue.admits).toBe(true);
    close();
    await waitFor("the end of the other thread to be known", () => !queue.admits);
  });

  test("that another thread has lost do not count against its successor", async () => {
    const first = connected();
    fill(first.queue, 1);
    await waitFor("a batch", () => first.batches.length > 0);
    const { queue, batches, done } = connected(first.queue);
    expect(queue.admits).toBe(true);
    first.done();
    queue.add("keys 1", RECORD, 1);
    await waitFor("a batch for the successor", () => batches.length > 0);
    expect(queue.idle, "what the first thread was done with was taken for the successor's").toBe(false);
    done();
    await waitFor("the end of the work", () => queue.idle);
  });
});
