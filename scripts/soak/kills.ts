import { KILLED, type Killed, Killing, type Moment } from "../../test/generations/killing.ts";
import type { Finding, Progress } from "../soak.ts";

export function soakKills(quick: boolean, progress: Progress): Promise<Finding> {
  return killAgain(quick ? 20 : 200, progress);
}

/** Kills the process in the middle of changes, by turns before a step and after a time, and starts it again. */
export async function killAgain(rounds: number, progress: Progress): Promise<Finding> {
  await using killing = await Killing.start();
  const plans = new Map<Killed, Plan>(KILLED.map((what) => [what, new Plan()]));
  const hit = new Map<string, number>();
  const came = { old: 0, new: 0 };
  let answered = 0;
  let round = 0;
  const wrong: string[] = [];
  for (; round < rounds && wrong.length === 0; round++) {
    const what = KILLED[round % KILLED.length] as Killed;
    const plan = plans.get(what) as Plan;
    const moment = plan.next(rounds < 100 ? STRIDE : 1);
    try {
      const outcome = await killing.kill(what, moment);
      plan.learn(moment, outcome.step, outcome.answeredMs);
      came[outcome.came] += 1;
      answered += outcome.answeredMs === undefined ? 0 : 1;
      const where = outcome.step ?? ("step" in moment ? "after the change" : "after a time");
      hit.set(where, (hit.get(where) ?? 0) + 1);
    } catch (error) {
      const { message } = error as Error;
      wrong.push(`${what}, killed ${JSON.stringify(moment)}: ${message}`);
    }
    if ((round + 1) % 20 === 0) progress(`${round + 1} kills, ${came.old} came back old, ${came.new} new`);
  }
  return {
    figures: {
      kills: `${round}: ${came.old} came back with the old generation, ${came.new} with the new one`,
      "changes that had been answered, none of them lost": answered,
      "killed before": [...hit].map(([step, count]) => `${step} (${count})`).join(", "),
    },
    missed: wrong,
  };
}

/** When a kind of change is killed: by turns at each of its steps and at times that are spread over it. */
class Plan {
  #turn = 0;
  #step = 1;
  #lastsMs = 150;

  next(stride: number): Moment {
    this.#turn += 1;
    if (this.#turn % 3 === 0) return { delayMs: ((this.#turn * GOLDEN) % 1) * 1.1 * this.#lastsMs };
    const step = this.#step;
    this.#step += stride;
    return { step };
  }

  learn(moment: Moment, step: string | undefined, answeredMs: number | undefined): void {
    if (answeredMs !== undefined) this.#lastsMs = answeredMs;
    // It has no step of this number: from the first one again, and others when steps were skipped.
    if ("step" in moment && step === undefined) this.#step = 1 + (this.#turn % 2);
  }
}

/** A low-discrepancy sequence: however long it is, its parts are spread evenly. */
const GOLDEN = 0.618_033_988_75;

/** Of few kills each has to get further. */
const STRIDE = 7;
