import type { Account } from "./account.ts";
import { failureText } from "./case-check.ts";
import type { Variation } from "./case-run.ts";
import type { KitFilter } from "./kit-filter.ts";
import type { Reruns, Violation } from "./reruns.ts";
import type { StagedExchange } from "./staged-exchange.ts";
import type { CallName } from "./watched-instance.ts";

/** An exchange that the instance has served before. */
export async function varyState(reruns: Reruns): Promise<Violation[]> {
  const { handlesLeaked } = reruns.plain;
  if (handlesLeaked > 0) {
    const sentence = `${handlesLeaked} handles that the filter was given are not given back`;
    return [{ kind: "state", sentence, paste: [], differences: [] }];
  }
  const filter = await reruns.fresh();
  await reruns.play(filter);
  const differences = await reruns.again(filter);
  const grown = differences.length > 0 ? 0 : await growth(reruns, () => ({}));
  filter.close();
  if (differences.length > 0) {
    reruns.stateful = true;
    const sentence = "the same exchange, served a second time by the same instance, comes out otherwise";
    return [{ kind: "state", sentence, paste: [], differences }];
  }
  if (grown === 0) return [];
  const sentence = `memory grows with every exchange: by ${grown} bytes in ${LEAK_ROUNDS / 2}`;
  return [{ kind: "state", sentence, paste: [], differences: [] }];
}

/** The client goes away, or the upstream breaks off, before each event of the exchange. */
export async function varyAbort(reruns: Reruns): Promise<Violation[]> {
  for (const { who, breaks } of BREAKS) {
    for (let event = 1; ; event++) {
      const way = abortAt(event, breaks);
      const filter = await reruns.used();
      const account = await reruns.play(filter, way.variation);
      if (!way.happened()) break;
      const violation = await afterAbort(reruns, filter, account, `${who} ${afterWhat(account, event)}`);
      if (violation !== undefined) return [violation];
    }
  }
  return await leakViolation(reruns);
}

async function afterAbort(
  reruns: Reruns,
  filter: KitFilter,
  account: Account,
  what: string,
): Promise<Violation | undefined> {
  const { failure, handlesLeaked } = account;
  if (failure !== null)
    return {
      kind: "abort",
      sentence: `when ${what}, the filter fails: ${failureText(failure)}`,
      paste: [],
      differences: [],
    };
  if (handlesLeaked > 0)
    return {
      kind: "abort",
      sentence: `when ${what}, ${handlesLeaked} handles are not given back`,
      paste: [],
      differences: [],
    };
  if (reruns.stateful) return undefined;
  const differences = await reruns.again(filter);
  if (differences.length === 0) return undefined;
  return {
    kind: "abort",
    sentence: `when ${what}, the next exchange of the instance comes out otherwise`,
    paste: [],
    differences,
  };
}

/** Exchanges that break off must leave no more behind than those that do not. */
async function leakViolation(reruns: Reruns): Promise<Violation[]> {
  if ((await growth(reruns, (round) => abortAt(1 + (round % EVENTS_SEEN), clientGone).variation)) === 0)
    return [];
  if ((await growth(reruns, () => ({}))) > 0) return [];
  for (let event = 1; event <= EVENTS_SEEN; event++) {
    const bytes = await growth(reruns, () => abortAt(event, clientGone).variation);
    if (bytes === 0) continue;
    const account = await reruns.play(await reruns.fresh(), abortAt(event, clientGone).variation);
    const what = `the client goes away ${afterWhat(account, event)}`;
    const sentence = `when ${what}, memory is not given back: ${bytes} bytes in ${LEAK_ROUNDS / 2} exchanges`;
    return [{ kind: "abort", sentence, paste: [], differences: [] }];
  }
  return [];
}

/** By how much memory grows in the second half of many exchanges, when what is kept on purpose has been kept. */
async function growth(reruns: Reruns, variation: (round: number) => Variation): Promise<number> {
  const filter = await reruns.fresh();
  let middle = 0;
  let last = 0;
  for (let round = 0; round < LEAK_ROUNDS; round++) {
    const requestId = `00000000-0000-4000-8000-${String(round).padStart(12, "0")}`;
    const { calls } = await reruns.play(filter, { ...variation(round), requestId });
    last = calls.at(-1)?.memoryBytes ?? last;
    if (round === LEAK_ROUNDS / 2) middle = last;
  }
  filter.close();
  return last - middle;
}

/** Another instance of the filter takes over before each event: what has begun ends as it began. */
export async function varySwap(reruns: Reruns): Promise<Violation[]> {
  const filter = await reruns.used();
  const next = await reruns.fresh();
  for (let event = 1; ; event++) {
    let happened = false;
    let other: Account | undefined;
    const before = async (exchange: StagedExchange, at: number): Promise<void> => {
      if (at !== event || exchange.ended) return;
      happened = true;
      other = await reruns.play(next);
    };
    const account = await reruns.play(filter, { before });
    if (!happened) break;
    const differences = [account, other].flatMap((one) => (one === undefined ? [] : reruns.differences(one)));
    if (differences.length === 0 || reruns.stateful) continue;
    const sentence = `a swap ${afterWhat(account, event)} makes a difference`;
    return [{ kind: "swap", sentence, paste: [], differences }];
  }
  next.close();
  return [];
}

/** Each call in turn runs out of fuel half way through. */
export async function varyFuel(reruns: Reruns): Promise<Violation[]> {
  for (const [number, { call, fuel }] of (await usedCalls(reruns)).entries()) {
    const filter = await reruns.used();
    const fuelOf = (at: number): number | undefined => (at === number ? fuel >> 1 : undefined);
    const account = await reruns.play(filter, { fuelOf });
    if (account.failure?.reason !== "fuel") continue;
    const wrong = policyBroken(reruns, account, call);
    const what = `when ${call} (call ${number + 1}) runs out of fuel`;
    if (wrong !== undefined)
      return [
        { kind: "fuel", sentence: `${what}, ${wrong}`, paste: [], differences: reruns.differences(account) },
      ];
    const differences = reruns.stateful ? [] : await reruns.again(filter);
    if (differences.length > 0)
      return [
        { kind: "fuel", sentence: `${what}, the next exchange comes out otherwise`, paste: [], differences },
      ];
  }
  return [];
}

/** The calls of an exchange that is not the first one of its instance, which has more to do. */
async function usedCalls(reruns: Reruns): Promise<Account["calls"]> {
  const filter = await reruns.used();
  if (!reruns.stateful) await reruns.play(filter);
  return (await reruns.play(filter)).calls;
}

/** What is not as `on-failure` says. */
function policyBroken(reruns: Reruns, { code, response }: Account, call: CallName): string | undefined {
  const whole = response?.whole === true;
  // The client has everything when the end is told.
  if (call === "end" || call === "close")
    return whole === reruns.plain.response?.whole ? undefined : "the client does not get the whole response";
  if (reruns.case.onFailure === "open")
    return code === null || code === reruns.plain.code
      ? undefined
      : `on-failure is open, and the exchange ends with ${code}`;
  if (code !== "FILTER_OUT_OF_FUEL")
    return `on-failure is closed, and the exchange ends with ${code ?? "no failure"}`;
  return whole && response?.status !== 500
    ? `on-failure is closed, and the client gets a whole response with ${response?.status}`
    : undefined;
}

function abortAt(
  event: number,
  breaks: (exchange: StagedExchange) => boolean,
): { readonly variation: Variation; readonly happened: () => boolean } {
  let happened = false;
  let last = -1;
  const before = (exchange: StagedExchange, at: number): void => {
    last = at;
    if (at === event && breaks(exchange)) happened = true;
  };
  // An upstream cannot break off before it is asked: that event is passed over, and there may be more.
  return { variation: { before }, happened: () => happened || last > event };
}

const clientGone = (exchange: StagedExchange): boolean => {
  exchange.clientGone();
  return true;
};

const upstreamGone = (exchange: StagedExchange): boolean => {
  const answering = exchange.answering;
  exchange.upstreamGone();
  return answering;
};

const BREAKS = [
  { who: "the client goes away", breaks: clientGone },
  { who: "the upstream breaks off", breaks: upstreamGone },
];

function afterWhat({ calls }: Account, event: number): string {
  const calledBefore = calls.filter(({ call }) => call !== "end" && call !== "close" && call !== "open");
  const last = calledBefore.at(-1)?.call;
  return `at event ${event}${last === undefined ? "" : `, after ${last}`}`;
}

/** Enough for a hundred bytes each to fill a page of memory, and done in some hundredths of a second. */
const LEAK_ROUNDS = 400;
const EVENTS_SEEN = 12;
