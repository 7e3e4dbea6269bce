import { ArtifactRefused, ConfigRefused } from "../filter/contract.ts";
import type { Account } from "./account.ts";
import type { Case } from "./case.ts";
import { type Difference, differences } from "./case-check.ts";
import type { Kit } from "./engine.ts";
import type { KitFilter } from "./kit-filter.ts";
import type { KitSettings } from "./kit-host.ts";
import { type Script, scriptOf } from "./message-input.ts";
import { MockServices } from "./mock-services.ts";
import { type Snapshots, snapshotOf } from "./snapshot.ts";
import type { StagedExchange } from "./staged-exchange.ts";

/** What came of one case. */
export interface CaseResult {
  readonly case: Case;
  /** Null when the filter could not be loaded. */
  readonly account: Account | null;
  readonly differences: readonly Difference[];
  /** Why the filter could not be loaded. */
  readonly refused: string | null;
  readonly ms: number;
}

export interface RunOptions {
  /** The component of cases that name none. */
  readonly component: string | undefined;
  readonly snapshots: Snapshots;
  readonly update: boolean;
}

/** Runs a case as it is written, with an instance of its own. */
export async function runCase(kit: Kit, one: Case, options: RunOptions): Promise<CaseResult> {
  const began = performance.now();
  const over = (result: Omit<CaseResult, "case" | "ms">): CaseResult => ({
    case: one,
    ...result,
    ms: performance.now() - began,
  });
  const component = one.component ?? options.component;
  if (component === undefined)
    return over({ account: null, differences: [], refused: "no component is named, and none was found" });
  let filter: KitFilter;
  try {
    filter = await kit.filter(component, settingsOf(one));
  } catch (error) {
    if (!(error instanceof ArtifactRefused || error instanceof ConfigRefused)) throw error;
    return over({ account: null, differences: [], refused: error.message });
  }
  const account = await play(filter, one);
  filter.close();
  const found = differences(one.expect, account);
  if (one.snapshot) found.push(...snapshotDifference(one, account, options));
  return over({ account, differences: found, refused: null });
}

export function settingsOf(one: Case): KitSettings {
  const { filterName: name, config, onFailure, grant, fuel, memoryBytesMax, clock, random } = one;
  return { name, config, onFailure, grant, fuel, memoryBytesMax, clock, random };
}

/** How a run of a case differs from the case as it is written. */
export interface Variation {
  readonly script?: Script;
  readonly fuelOf?: (call: number) => number | undefined;
  /** Called before each event of the exchange, with the number of those before. */
  readonly before?: (exchange: StagedExchange, event: number) => void | Promise<void>;
  readonly requestId?: string;
}

/** One exchange of the case, from the beginning: of time, of randomness and of the store. */
export async function play(filter: KitFilter, one: Case, variation: Variation = {}): Promise<Account> {
  filter.restart();
  for (const [key, value] of Object.entries(one.store)) filter.put(key, value);
  const services = new MockServices(one.http);
  const script = variation.script ?? scriptOf(one.request, one.response);
  const { before, requestId, fuelOf } = variation;
  const facts = requestId === undefined ? one.facts : { ...one.facts, requestId };
  const exchange = filter.stage(script, services, facts, fuelOf);
  if (before !== undefined)
    for (let event = 0; !exchange.ended; event++) {
      await before(exchange, event);
      if (!exchange.step() && !(await exchange.stirred())) break;
    }
  await exchange.finish();
  return await filter.account(exchange, services.sent, fuelOf === undefined ? "places" : "no places");
}

function snapshotDifference(one: Case, account: Account, { snapshots, update }: RunOptions): Difference[] {
  const now = snapshotOf(account);
  const kept = snapshots.kept(one.name);
  if (update) snapshots.accept(one.name, now);
  if (update || kept === now) return [];
  if (kept === undefined)
    return [{ at: "snapshot", expected: "a snapshot, which --update writes", got: "none" }];
  return [{ at: "snapshot", expected: kept.trimEnd(), got: now.trimEnd() }];
}
