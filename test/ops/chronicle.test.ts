/** What one worker keeps of its exchanges, and how much of each. */
import { expect, test } from "vitest";
import { Chronicle, type ChronicleEntry } from "../../host/ops/chronicle.ts";
import { DECISION } from "../../host/ops/filter-work.ts";
import { PHASE } from "../../host/ops/meter.ts";
import type { TimelineView } from "../../host/ops/timeline-view.ts";
import { Timeline, type Wish } from "../../host/timeline.ts";
import { ENTRY } from "./exchange-lines.ts";

const CONFIG = { keep: 3, samplePercent: 0, debug: null };
const FILTER = { name: "keys", digest: "0".repeat(64) };

function entry(change: Partial<ChronicleEntry> = {}): ChronicleEntry {
  return { ...ENTRY, requestId: "id", target: "/a?token=hidden", ...change };
}

/** Of an exchange in which a filter was called so often, each time with these edits. */
function timeline(wish: Wish, calls = 1, changed: readonly string[] = ["+x-a"]): Timeline {
  const made = new Timeline(performance.now(), wish);
  for (let at = 0; at < calls; at++)
    made.called(FILTER, PHASE.request, performance.now(), 1, 1, DECISION.pass, null, changed);
  return made;
}

function kept(chronicle: Chronicle): TimelineView[] {
  return chronicle.list(null).map((text) => JSON.parse(text) as TimelineView);
}

test("a timeline that somebody else wanted keeps no exchange, but gives its steps to one that fails", () => {
  const chronicle = new Chronicle(1, CONFIG);
  chronicle.ended(entry({ timeline: timeline("passing") }));
  expect(kept(chronicle)).toEqual([]);
  chronicle.ended(entry({ timeline: timeline("passing"), status: 500 }));
  expect(kept(chronicle)).toMatchObject([{ status: 500, steps: [{ filter: "keys", changed: ["+x-a"] }] }]);
});

test("what many and long edits come to is bounded, and the rest is told", () => {
  const chronicle = new Chronicle(1, CONFIG);
  const names = Array.from({ length: 200 }, (_, at) => `+x-${at}-${"long".repeat(1_000)}`);
  chronicle.ended(entry({ timeline: timeline("kept", 1, names) }));
  const [few] = kept(chronicle);
  const [step] = few?.steps ?? [];
  const changed = step?.kind === "call" ? step.changed : [];
  expect([changed.length, changed[0]?.length]).toEqual([32, 64]);

  chronicle.ended(entry({ requestId: "many", timeline: timeline("kept", 100, names) }));
  const [text = ""] = chronicle.list("many");
  expect(text.length).toBeLessThan(1_000);
  // As many as were kept, and those that there was no room for before.
  expect(JSON.parse(text)).toMatchObject({ steps: null, more: 100 });
});

test("a path and a detail that are long are cut", () => {
  const chronicle = new Chronicle(1, CONFIG);
  const long = "é".repeat(10_000);
  chronicle.ended(
    entry({ target: `/${long}?hidden`, failure: { code: "FILTER_TRAPPED", detail: long }, status: 500 }),
  );
  const [view] = kept(chronicle);
  expect([view?.path.length, view?.failure?.detail.length]).toEqual([2_049, 2_049]);
  expect(view?.path).toMatch(/^\/é+…$/);
});

test("an address that a filter has repeated is not kept", () => {
  const chronicle = new Chronicle(1, CONFIG);
  const detail = "keys: no quota for 203.0.113.7";
  chronicle.ended(entry({ failure: { code: "FILTER_TRAPPED", detail }, status: 500 }));
  const [view] = kept(chronicle);
  expect(view?.failure?.detail).toMatch(/^keys: no quota for /);
  expect(JSON.stringify(view)).not.toContain("203.0.113.7");
});

test("exchanges are told in the order in which they began, though all are within a millisecond", () => {
  const chronicle = new Chronicle(1, { ...CONFIG, keep: 100 });
  for (let at = 0; at < 100; at++)
    chronicle.ended(entry({ requestId: String(at), status: 500, durationMs: 0 }));
  const ids = kept(chronicle)
    .toSorted((one, other) => one.at - other.at)
    .map(({ requestId }) => Number(requestId));
  expect(ids).toEqual(Array.from({ length: 100 }, (_, at) => at));
});

test("of all exchanges the share is sampled that the configuration says", () => {
  const sampled = (samplePercent: number, of: number): number => {
    const chronicle = new Chronicle(1, { ...CONFIG, samplePercent });
    let count = 0;
    for (let at = 0; at < of; at++) if (chronicle.wish("") === "kept") count += 1;
    return count;
  };
  expect([sampled(100, 1_000), sampled(0, 1_000)]).toEqual([1_000, 0]);
  // 10 000 of a million are expected, with a deviation of 100: these bounds are missed once in 10⁹ runs.
  expect(Math.abs(sampled(1, 1_000_000) - 10_000)).toBeLessThan(620);
  expect(Math.abs(sampled(50, 10_000) - 5_000)).toBeLessThan(310);
});
