/** A filter's state goes from one version to the next while requests flow. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Handmade, handmade } from "../contract/handmade.ts";
import { renameOver, variant, writeVariant } from "../support/component-file.ts";
import { Load } from "../support/load.ts";
import { request } from "../support/raw-client.ts";
import { ok } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import {
  ask,
  COUNT,
  counted,
  CountingStage,
  DIGEST,
  digestOf,
  isHandover,
  results,
  swap,
  whyNot,
} from "./counting.ts";

let stage: CountingStage;

beforeEach(() => {
  stage = new CountingStage();
});

afterEach(() => stage[Symbol.asyncDispose]());

describe("a count goes on", () => {
  test("when the config changes", async () => {
    const client = await stage.start({ mark: "1" });
    expect(await counted(client, 3)).toBe(3);
    await swap(stage.host, { mark: "2" });
    expect(await ask(client)).toEqual({ count: 4, lineage: "0", from: DIGEST, mark: "2" });
    const [line] = await stage.host.lines("the hand-over", isHandover);
    expect(line).toMatchObject({
      level: 30,
      worker: 1,
      filter: "count",
      msg: "state handed over",
      attributes: { bytes: "3", from: DIGEST, to: DIGEST },
    });
    expect(await results(stage.host)).toEqual({ saved: 1, restored: 1 });
  });

  test("when another component comes by a swap, with the digest of the one that has saved", async () => {
    const client = await stage.start({});
    await counted(client, 2);
    const other = writeVariant(COUNT, join(stage.host.folder, "other.wasm"), "other");
    await swap(stage.host, {}, other);
    expect(await ask(client)).toMatchObject({ count: 3, from: DIGEST });
    await swap(stage.host, {});
    expect(await ask(client)).toMatchObject({ count: 4, from: digestOf(other) });
    const lines = await stage.host.lines("two hand-overs", isHandover, 2);
    expect(lines.map(({ attributes }) => attributes)).toMatchObject([
      { from: DIGEST, to: digestOf(other) },
      { from: digestOf(other), to: DIGEST },
    ]);
  });

  test("when another component comes as a file", async () => {
    const folder = (await stage.start({}), stage.host.folder);
    const file = writeVariant(COUNT, join(folder, "own.wasm"), "one");
    await swap(stage.host, {}, file);
    const client = await stage.connect();
    const before = digestOf(file);
    expect(await counted(client, 5)).toBe(5);
    renameOver(variant(readFileSync(COUNT), "two"), file);
    const after = await waitFor("the swap", async () => {
      const told = await ask(client);
      return told.from === before && told;
    });
    // What the old version still counts after it has saved is in nobody's count.
    expect(after.count).toBeGreaterThan(5);
    expect(after.count).toBeLessThanOrEqual(stage.upstream.arrivals.length);
  });

  test("over versions that have served nothing", async () => {
    const client = await stage.start({});
    await counted(client, 7);
    for (const mark of ["1", "2", "3"]) await swap(stage.host, { mark });
    expect(await counted(client, 1)).toBe(8);
  });

  test("in the instance that is made later, too", async () => {
    const waiting: (() => void)[] = [];
    stage.answer = async ({ target }) => {
      if (target === "/wait") await new Promise<void>((resolve) => waiting.push(resolve));
      return ok("here");
    };
    const client = await stage.start({ hold: true });
    await counted(client, 4);
    await swap(stage.host, { hold: true, mark: "2" });
    const clients = await Promise.all([stage.connect(), stage.connect(), stage.connect()]);
    for (const each of clients) each.send(request("/wait"));
    await waitFor("three exchanges at once", () => waiting.length === 3);
    for (const release of waiting) release();
    const responses = await Promise.all(clients.map((each) => each.response()));
    expect(responses.map(({ head }) => head.one("x-count"))).toEqual(["5", "5", "5"]);
    expect(await results(stage.host), "counted once").toEqual({ saved: 1, restored: 1 });
    expect(await stage.host.lines("the hand-over", isHandover), "told once").toHaveLength(1);
  });

  test("in a component that runs on jco's path", async () => {
    const parts: Handmade = {
      beside: '(data (i32.const 1024) "said by jco") (data (i32.const 2048) "\\00\\04\\00\\00\\0b")',
      save: "(i32.const 2048)",
      // It refuses what it gets, so that this can be seen.
      restore: `
        (i32.store8 (i32.const 3072) (i32.const 1))
        (i32.store (i32.const 3076) (local.get $state))
        (i32.store (i32.const 3080) (local.get $length))
        (i32.const 3072)`,
      destructor: false,
    };
    await stage.start({});
    const one = await handmade(join(stage.host.folder, "one.wasm"), parts);
    const two = writeVariant(one, join(stage.host.folder, "two.wasm"), "two");
    await stage.start({}, { filters: { count: { component: one } } });
    expect(stage.host.host.status().filters[0]?.path).toBe("reference");
    await swap(stage.host, {}, two);
    expect(await whyNot(stage.host)).toBe("the new version refuses it: said by jco");
    expect(await results(stage.host)).toEqual({ saved: 1, refused: 1 });
  });
});

test("each of two workers hands over its own", async () => {
  const first = await stage.start({ lineage: true }, { workers: 2 });
  const clients = [first, ...(await Promise.all(Array.from({ length: 7 }, () => stage.connect())))];
  const counts = new Map<string, number>();
  for (const [index, client] of clients.entries()) {
    for (let exchange = 0; exchange <= index; exchange++) {
      const { lineage, count } = await ask(client);
      expect(count).toBe((counts.get(lineage) ?? 0) + 1);
      counts.set(lineage, count);
    }
  }
  expect(counts.size, "one count for each worker").toBe(2);
  await swap(stage.host, { lineage: true, mark: "2" });
  for (const client of clients) {
    const { lineage, count, mark } = await ask(client);
    expect([mark, count]).toEqual(["2", (counts.get(lineage) ?? 0) + 1]);
    counts.set(lineage, count);
  }
  expect(counts.size).toBe(2);
  expect(await results(stage.host)).toEqual({ saved: 2, restored: 2 });
  const lines = await stage.host.lines("both hand-overs", isHandover, 2);
  expect(new Set(lines.map(({ worker }) => worker))).toEqual(new Set([1, 2]));
});

test("what an older version still knows does not come back with it", async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  stage.answer = async ({ target }) => {
    if (target === "/wait") await held;
    return ok("here");
  };
  const client = await stage.start({ mark: "1" });
  await counted(client, 2);
  // Its generation stays until this exchange has ended.
  const slow = await stage.connect();
  slow.send(request("/wait"));
  await waitFor("the exchange", () => stage.upstream.arrivals.some(({ target }) => target === "/wait"));
  await swap(stage.host, { mark: "2" });
  expect(await counted(client, 3)).toBe(5);
  await swap(stage.host, { mark: "1" });
  expect(await ask(client)).toMatchObject({ count: 6, mark: "1" });
  release();
  expect((await slow.response()).head.one("x-count"), "of the first version").toBe("3");
});

test("20 swaps under load hand over each time, and lose no request", { timeout: 120_000 }, async () => {
  const client = await stage.start({ lineage: true, hold: true }, { workers: 2, log: { exchanges: false } });
  await counted(client, 50);
  await using load = new Load(stage.host.address, { keeping: 12, fresh: 2 });
  for (let version = 1; version <= 20; version++) {
    await swap(stage.host, { lineage: true, hold: true, mark: String(version) });
    await load.more(50);
  }
  await load.stop();
  expect(load.failures).toEqual([]);
  expect((await ask(client)).from, "whatever instance it is").toBe(DIGEST);
  expect(await results(stage.host)).toEqual({ saved: 40, restored: 40 });
  expect(await stage.host.metric('sluice_swaps_total{result="ok"}')).toBe(20);
});
