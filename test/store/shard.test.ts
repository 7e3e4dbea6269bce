/** A thread may end at any write: what `rebuild` makes of the rest is the table before the change, or the one after it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { BLOCK_BYTES, BLOCK_WORDS, blocksFor, type StoreViews } from "../../host/store/entry-data.ts";
import { HEAD_WORDS, Shard } from "../../host/store/shard.ts";
import { part } from "./model.ts";

const SPACE = { high: 1, low: 2 };
const PLACE = { at: 0, buckets: 4, blocks: 24 };
const WORDS = HEAD_WORDS + PLACE.buckets + PLACE.blocks * BLOCK_WORDS;
const KEYS = ["a", "b", "c", "d".repeat(100)];

/** Keys that fall into one bucket, so that chains are torn, too. */
const hashOf = (key: string): number => (KEYS.indexOf(key) % 2) * 4;

class Death extends Error {}

/** Views of one memory, the first of which ends the thread at its `writes`-th write. */
function views(buffer: ArrayBuffer, writes: number): StoreViews {
  let left = writes;
  const words = new Proxy(new Int32Array(buffer), {
    get: (target, index) => Reflect.get(target, index) as unknown,
    set: (target, index, value) => {
      if (left === 0) throw new Death();
      left -= 1;
      return Reflect.set(target, index, value);
    },
  });
  return {
    words,
    bytes: new Uint8Array(buffer),
    times: new Float64Array(buffer),
    numbers: new BigInt64Array(buffer),
  };
}

type Change = { readonly key: string; readonly value: string | undefined };

function apply(shard: Shard, { key, value }: Change): void {
  const hash = hashOf(key);
  const old = shard.find(SPACE, part(key), hash);
  if (value === undefined) {
    if (old !== 0) shard.remove(old);
    return;
  }
  const made = { kind: 0, value: part(value), number: 0n, expires: Number.POSITIVE_INFINITY };
  shard.put(old, SPACE, part(key), hash, made, 0);
}

function contents(shard: Shard): Record<string, string> {
  const found: Record<string, string> = {};
  for (const key of KEYS) {
    const entry = shard.find(SPACE, part(key), hashOf(key));
    if (entry !== 0) found[key] = Buffer.from(shard.value(entry)).toString("latin1");
  }
  return found;
}

const CHANGE: fc.Arbitrary<Change> = fc.record({
  key: fc.constantFrom(...KEYS),
  value: fc.option(fc.constantFrom("", "1", "v".repeat(80), "w".repeat(300), "x".repeat(900)), {
    nil: undefined,
    freq: 3,
  }),
});

test("of a change that was cut off anywhere, all or nothing is there, and no block is lost", () => {
  let cut = 0;
  fc.assert(
    fc.property(fc.array(CHANGE, { maxLength: 12 }), CHANGE, (before, last) => {
      const buffer = new ArrayBuffer(WORDS * 4);
      const whole = new Shard(views(buffer, -1), PLACE);
      for (const change of before) apply(whole, change);
      const old = contents(whole);
      const after = buffer.slice(0);
      apply(new Shard(views(after, -1), PLACE), last);
      const changed = new Shard(views(after, -1), PLACE);
      for (let writes = 0; ; writes++) {
        const copy = buffer.slice(0);
        let died = true;
        try {
          apply(new Shard(views(copy, writes), PLACE), last);
          died = false;
        } catch (error) {
          if (!(error instanceof Death)) throw error;
          cut += 1;
        }
        const rest = new Shard(views(copy, -1), PLACE);
        rest.rebuild();
        const now = contents(rest);
        // Where there is no room for both, the old value goes before the new one comes.
        const { [last.key]: _, ...without } = old;
        const allowed = [old, contents(changed), ...(roomFor(whole, last) ? [] : [without])];
        expect(allowed, `after ${writes} writes`).toContainEqual(now);
        expect(rest.entries).toBe(Object.keys(now).length);
        // All that is left can be used: as many as a fresh shard takes of what is not in use.
        const free = PLACE.blocks - rest.usedBytes / BLOCK_BYTES;
        for (let block = 0; block < free; block++) expect(fill(rest, block)).toBe(true);
        expect(fill(rest, free)).toBe(false);
        expect(contents(rest)).toEqual(now);
        if (!died) break;
      }
    }),
    { numRuns: 40 },
  );
  expect(cut).toBeGreaterThan(200);
});

function roomFor(shard: Shard, { key, value = "" }: Change): boolean {
  return PLACE.blocks - shard.usedBytes / BLOCK_BYTES >= blocksFor(key.length + value.length);
}

function fill(shard: Shard, index: number): boolean {
  const made = { kind: 0, value: part(""), number: 0n, expires: Number.POSITIVE_INFINITY };
  return shard.put(0, SPACE, part(`filler ${index}`), index * 7, made, 0);
}
