import {
  KILLED,
  type Killed,
  Killing,
  type KillOutcome,
  type Moment,
} from "../../test/generations/killing.ts";
import type { Finding, Progress } from "../soak.ts";

export function soakKills(quick: boolean, progress: Progress): Promise<Finding> {
  return killAgain(quick ? 20 : 200, progress);
}

/** Kills the process in the middle of changes, by turns before a step and after a time, and starts it again. */
export async function killAgain(rounds: number, progress: Progress): Promise<Finding> {
  await using killing = await Killing.start();
  const few = rounds < 100;
  const plans = new Map<Killed, Plan>(
    KILLED.map((what, at) => [what, few ? new Plan(1 + ((3 * at + 1) % 10), STRIDE) : new Plan(1, 1)]),
  );
  const hit = new Map<string, number>();
  const came = { old: 0, new: 0 };
  let answered = 0;
  let round = 0;
  const wrong: string[] = [];
  for (; round < rounds && wrong.length === 0; round++) {
    const what = ROUNDS[round % ROUNDS.length] as Killed;
    const plan = plans.get(what) as Plan;
    const moment = plan.next();
    try {
      const outcome = await killing.kill(what, moment);
      plan.learn(moment, outcome);
      came[outcome.came] += 1;
      answered += outcome.answeredMs === undefined ? 0 : 1;
      const where = outcome.step === undefined ? undefined : stepNamed(outcome.step);
      const told = where ?? ("step" in moment ? "its end" : "a time");
      hit.set(told, (hit.get(told) ?? 0) + 1);
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
      "killed before a step, or after": [...hit].map(([step, count]) => `${step} (${count})`).join(", "),
    },
    missed: wrong,
  };
}

/** One with a fresh component has three times as many steps as any other. */
const ROUNDS: readonly Killed[] = KILLED.flatMap((what, at) => (at % 3 === 1 ? ["fresh", what] : [what]));

/** Which part of a change a step belongs to. */
function stepNamed(step: string): string {
  return STEPS.find(([pattern]) => pattern.test(step))?.[1] ?? step;
}

/** The first one counts that fits. */
const STEPS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^(?:readFile|utimes) jco-|^utimes /, "load"],
  [/^transpile|new-|vendor|meter_bg|jco-/, "transpile"],
  [/state\/|\.json/, "state"],
  [/sluice-run|filters\//, "read"],
  [/component\.wasm|shaN/, "keep"],
];

/** When a kind of change is killed: mostly at one of its steps after the other, and now and then after a time. */
class Plan {
  readonly #stride: number;
  #step: number;
  #turn = 0;
  #sweeps = 0;
  #lastsMs = 150;

  constructor(first: number, stride: number) {
    this.#step = first;
    this.#stride = stride;
  }

  next(): Moment {
    this.#turn += 1;
    if (this.#turn % 3 === 0) return { delayMs: ((this.#turn * GOLDEN) % 1) * 1.1 * this.#lastsMs };
    const step = this.#step;
    this.#step += this.#stride;
    return { step };
  }

  learn(moment: Moment, { step, answeredMs }: KillOutcome): void {
    if (answeredMs !== undefined) this.#lastsMs = answeredMs;
    if (!("step" in moment) || step !== undefined) return;
    // It has no step of this number: from the beginning again, and others where steps were left out.
    this.#sweeps += 1;
    this.#step = 1 + (this.#sweeps % this.#stride);
  }
}

/** A low-discrepancy sequence: however long it is, its parts are spread evenly. */
const GOLDEN = 0.618_033_988_75;

/** Of few kills each has to get further. */
const STRIDE = 7;
