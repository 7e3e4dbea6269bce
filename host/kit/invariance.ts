import type { InvarianceKind } from "./case.ts";
import type { CaseResult } from "./case-run.ts";
import { settingsOf } from "./case-run.ts";
import type { Kit } from "./engine.ts";
import { Reruns, type Violation } from "./reruns.ts";
import { varyAbort, varyFuel, varyState, varySwap } from "./vary-course.ts";
import { varyChunks, varyHeaders } from "./vary-messages.ts";

/** What all variations of a case have come to. */
export interface InvarianceResult {
  readonly violations: readonly Violation[];
  /** How many exchanges were run. */
  readonly runs: number;
}

/** Runs a case in all ways that must make no difference. `state` comes first: whether instances can be used again depends on it. */
const VARIATIONS: readonly (readonly [
  kind: InvarianceKind,
  vary: (reruns: Reruns) => Promise<Violation[]>,
])[] = [
  ["state", varyState],
  ["chunks", varyChunks],
  ["headers", varyHeaders],
  ["abort", varyAbort],
  ["swap", varySwap],
  ["fuel", varyFuel],
];

/** Of a filter that fails as the case expects, what it gets may be varied, and not what happens meanwhile. */
const OF_FAILURES: readonly InvarianceKind[] = ["chunks", "headers"];

export async function invarianceOf(
  kit: Kit,
  component: string,
  { case: one, account }: CaseResult,
): Promise<InvarianceResult> {
  if (account === null) return { violations: [], runs: 0 };
  const reruns = new Reruns(kit, component, one, account);
  const kinds =
    account.failure === null ? one.invariance : one.invariance.filter((kind) => OF_FAILURES.includes(kind));
  const violations: Violation[] = [];
  for (const [kind, vary] of VARIATIONS) if (kinds.includes(kind)) violations.push(...(await vary(reruns)));
  reruns.close();
  return { violations, runs: reruns.runs };
}

/** Each case behind the one before it, with one instance: what a filter keeps of one exchange must not show in another one. */
export async function sequenceViolations(
  kit: Kit,
  component: string | undefined,
  results: readonly CaseResult[],
): Promise<ReadonlyMap<CaseResult, Violation>> {
  const found = new Map<CaseResult, Violation>();
  const last = new Map<string, CaseResult>();
  for (const result of results) {
    const { case: one, account } = result;
    const own = one.component ?? component;
    if (own === undefined || account === null || account.failure !== null) continue;
    if (!one.invariance.includes("state")) continue;
    const key = JSON.stringify([own, settingsOf(one)]);
    const before = last.get(key);
    last.set(key, result);
    if (before === undefined) continue;
    const first = new Reruns(kit, own, before.case, account);
    const second = new Reruns(kit, own, one, account);
    const filter = await second.fresh();
    await first.play(filter);
    const differences = await second.again(filter);
    filter.close();
    if (differences.length === 0) continue;
    const sentence = `served by an instance that has served “${before.case.name}” before, it comes out otherwise`;
    found.set(result, { kind: "state", sentence, paste: [], differences });
  }
  return found;
}
