import type { Account } from "./account.ts";
import { type Answer, answerOf, between } from "./answer.ts";
import type { Case, InvarianceKind } from "./case.ts";
import type { Difference } from "./case-check.ts";
import { play, settingsOf, type Variation } from "./case-run.ts";
import type { Kit } from "./engine.ts";
import type { KitFilter } from "./kit-filter.ts";
import { type Script, scriptOf } from "./message-input.ts";

/** Something that should have made no difference, and did. */
export interface Violation {
  readonly kind: InvarianceKind;
  /** What was done, and what came of it. */
  readonly sentence: string;
  /** Lines of a case that shows it; none where no case can. */
  readonly paste: readonly string[];
  readonly differences: readonly Difference[];
}

/** One case, run again and again in other ways. Its plain run is what all others are held against. */
export class Reruns {
  readonly kit: Kit;
  readonly component: string;
  readonly case: Case;
  readonly plain: Account;
  readonly script: Script;
  /** How many there were. */
  runs = 0;
  /** It keeps something between exchanges, so that each run has to have an instance of its own. */
  stateful = false;
  readonly #answer: Answer;
  readonly #loose: Answer;
  #filter: KitFilter | undefined;

  constructor(kit: Kit, component: string, one: Case, plain: Account) {
    this.kit = kit;
    this.component = component;
    this.case = one;
    this.plain = plain;
    this.script = scriptOf(one.request, one.response);
    this.#answer = answerOf(plain);
    this.#loose = answerOf(plain, true);
  }

  /** A filter whose instance has served nothing. */
  async fresh(): Promise<KitFilter> {
    return await this.kit.filter(this.component, settingsOf(this.case));
  }

  /** One that has served this case before, unless that makes a difference by itself. */
  async used(): Promise<KitFilter> {
    if (this.stateful) return await this.fresh();
    return (this.#filter ??= await this.fresh());
  }

  async play(filter: KitFilter, variation: Variation = {}): Promise<Account> {
    this.runs += 1;
    return await play(filter, this.case, variation);
  }

  /** What a run differs in from the plain one. `loose`: where the order and the case of names mean nothing. */
  differences(account: Account, loose = false): Difference[] {
    return between(loose ? this.#loose : this.#answer, answerOf(account, loose));
  }

  /** The differences of a run with this variation. What a reused instance does otherwise, a fresh one has to do, too. */
  async vary(variation: Variation, loose = false): Promise<Difference[]> {
    const found = this.differences(await this.play(await this.used(), variation), loose);
    if (found.length === 0 || this.stateful) return found;
    return this.differences(await this.play(await this.fresh(), variation), loose);
  }

  /** A plain run with an instance that has been through something. */
  async again(filter: KitFilter): Promise<Difference[]> {
    return this.differences(await this.play(filter));
  }

  close(): void {
    this.#filter?.close();
  }
}
