/** A filter's state cannot be handed over: the new version begins without, and the old one never notices. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { handmade } from "../contract/handmade.ts";
import { request } from "../support/raw-client.ts";
import { component } from "../support/test-host.ts";
import { ok } from "../support/upstream.ts";
import { waitFor } from "../support/waiting.ts";
import { ask, counted, CountingStage, isHandover, results, swap, whyNot } from "./counting.ts";

let stage: CountingStage;

beforeEach(() => {
  stage = new CountingStage();
});

afterEach(() => stage[Symbol.asyncDispose]());

describe("nothing is handed over, and the new version begins without", () => {
  test.each<[string, object, object, RegExp, Record<string, number>]>([
    [
      "when save panics",
      { save: "panic" },
      {},
      /^save failed \(trap\): [^]*panicked in save[^]*$/,
      { failed: 1 },
    ],
    [
      "when save has no end",
      { save: "spin" },
      {},
      /^save failed \(fuel\): one call consumed more/,
      { failed: 1 },
    ],
    [
      "when the state is too long",
      { save: { long: 2_000 } },
      {},
      /^the state has 2000 bytes, more than limits\.state-bytes allows$/,
      { failed: 1 },
    ],
    [
      "when restore panics",
      {},
      { restore: "panic" },
      /^restore failed \(trap\): [^]*panicked in restore[^]*$/,
      { saved: 1, failed: 1 },
    ],
    [
      "when restore refuses",
      {},
      { restore: "refuse" },
      /^the new version refuses it: this state is refused on purpose$/,
      { saved: 1, refused: 1 },
    ],
  ])("%s", async (_, before, after, why, counts) => {
    const client = await stage.start(before, { limits: { "state-bytes": "1KiB" } });
    expect(await counted(client, 2)).toBe(2);
    await swap(stage.host, { ...after, mark: "2" });
    expect(await whyNot(stage.host)).toMatch(why);
    expect(await ask(client)).toEqual({ count: 1, lineage: "0", from: "", mark: "2" });
    expect(await results(stage.host)).toEqual(counts);
  });

  test("when restore refuses with a sentence without end, of which the log has the beginning", async () => {
    await stage.start({});
    const file = await handmade(join(stage.host.folder, "verbose.wasm"), {
      restore: `
        (memory.fill (i32.const 4096) (i32.const 104) (i32.const 60000))
        (i32.store8 (i32.const 2048) (i32.const 1))
        (i32.store (i32.const 2052) (i32.const 4096)) (i32.store (i32.const 2056) (i32.const 60000))
        (i32.const 2048)`,
    });
    await swap(stage.host, {}, file);
    const why = await whyNot(stage.host);
    expect([why.length, why.startsWith("the new version refuses it: hhhh")]).toEqual([8_192, true]);
  });

  test("when there is nothing, which is no failure", async () => {
    const client = await stage.start({ save: "nothing" });
    await counted(client, 2);
    await swap(stage.host, { restore: "panic" });
    expect(await counted(client, 1)).toBe(1);
    expect(await results(stage.host)).toEqual({});
    expect(stage.host.log().filter(isHandover)).toEqual([]);
  });

  test("from a version without a state, or to one", async () => {
    const client = await stage.start({});
    await counted(client, 2);
    await swap(stage.host, { mark: "none" }, component("mark"));
    expect(await ask(client)).toMatchObject({ count: 0, mark: "none" });
    await swap(stage.host, { mark: "2" });
    expect(await ask(client)).toMatchObject({ count: 1, mark: "2" });
    expect(await results(stage.host)).toEqual({});
  });
});

test("while all instances are at work a swap waits for one of them, for timeouts.instance-wait", async () => {
  const waiting: (() => void)[] = [];
  stage.answer = async () => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return ok("here");
  };
  const client = await stage.start({ hold: true }, { limits: { instances: 1 } });
  client.send(request("/"));
  await waitFor("the exchange", () => waiting.length === 1);
  await swap(stage.host, { hold: true, mark: "2" });
  expect(await whyNot(stage.host)).toBe("no instance of the old version became free in time");
  waiting.pop()?.();
  expect((await client.response()).head.one("x-count"), "the exchange has not noticed").toBe("1");

  client.send(request("/"));
  await waitFor("the exchange", () => waiting.length === 1);
  const swapping = swap(stage.host, { hold: true, mark: "3" });
  waiting.pop()?.();
  expect((await client.response()).head.one("x-count")).toBe("1");
  await swapping;
  client.send(request("/"));
  await waitFor("the exchange", () => waiting.length === 1);
  waiting.pop()?.();
  expect((await client.response()).head.one("x-count"), "with the count of the exchange before").toBe("2");
});

describe("the old version goes on", () => {
  test("with what it knows, when the swap is refused after it has saved", async () => {
    const client = await stage.start({});
    expect(await counted(client, 2)).toBe(2);
    await expect(swap(stage.host, { unknown: 1 })).rejects.toMatchObject({ code: "CONFIGURE_REFUSED" });
    expect(await counted(client, 1)).toBe(3);
    // What was saved for the one that was refused is not what the next one gets.
    await swap(stage.host, { mark: "2" });
    expect(await ask(client)).toMatchObject({ count: 4, mark: "2" });
    expect(await results(stage.host)).toEqual({ saved: 2, restored: 1 });
  });

  test("with a fresh instance, when save has trapped and the swap is refused", async () => {
    const client = await stage.start({ save: "panic" });
    expect(await counted(client, 2)).toBe(2);
    await expect(swap(stage.host, { unknown: 1 })).rejects.toMatchObject({ code: "CONFIGURE_REFUSED" });
    expect(await counted(client, 1), "the instance that has trapped is not used again").toBe(1);
    expect(
      await stage.host.metric('sluice_filter_instances_ended_total{filter="count",reason="fault"}'),
    ).toBe(1);
    expect(
      await stage.host.metric('sluice_filter_failures_total{filter="count",reason="trap"}'),
      "no exchange",
    ).toBe(0);
  });
});
