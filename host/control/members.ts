import { mergedSlos } from "../ops/merge.ts";
import type { MeterSnapshot } from "../ops/meter.ts";
import type { SloCounts } from "../slo/slo.ts";
import type { TrialSnapshot } from "../ops/trial-meter.ts";
import type { RefusedHead } from "../ops/refusals.ts";
import type { WorkerView } from "./control.ts";
import { type Answers, INSTANCES, OPEN, type Order, TAKEN } from "./messages.ts";
import type { PulseWatch } from "./pulse-watch.ts";
import type { WorkerLink } from "./worker-link.ts";

/** A data worker, as the main thread sees it. */
export interface Member {
  readonly link: WorkerLink;
  /** As in `WorkerData`. */
  readonly place: number;
  state: "starting" | "serving" | "draining";
  snapshot: MeterSnapshot | undefined;
  /** What it has counted of trials, when it last answered. */
  trials: readonly TrialSnapshot[];
  readonly watch: PulseWatch;
  readonly vitals: Int32Array<SharedArrayBuffer>;
  /** Filters that it does not call. */
  quarantined: readonly string[];
  /** Connections given to it. */
  handed: number;
  /** The generation that it begins exchanges on; 0 before its first. */
  generation: number;
  /** Generations of which it still has something. */
  readonly ending: Set<number>;
}

/** The data workers that there are, and what they tell when they are asked. */
export class Members {
  readonly #all = new Map<number, Member>();
  /** What each has counted for SLOs, when it last answered. */
  readonly #slos = new Map<number, readonly SloCounts[]>();
  /** What those had counted for SLOs that are no more. */
  #lostSlos: readonly SloCounts[] = [];

  get all(): readonly Member[] {
    return [...this.#all.values()];
  }

  /** The lowest that is free. */
  get freePlace(): number {
    const taken = new Set(Array.from(this.#all.values(), ({ place }) => place));
    let place = 1;
    while (taken.has(place)) place += 1;
    return place;
  }

  get(id: number): Member | undefined {
    return this.#all.get(id);
  }

  add(member: Member): void {
    this.#all.set(member.link.id, member);
  }

  /** Gives it, when it was one. */
  remove(id: number): Member | undefined {
    const member = this.#all.get(id);
    this.#all.delete(id);
    this.#lostSlos = mergedSlos([...this.#lostSlos, ...(this.#slos.get(id) ?? [])]);
    this.#slos.delete(id);
    return member;
  }

  states(): { id: number; state: Member["state"] }[] {
    return [...this.#all.values()].map(({ link, state }) => ({ id: link.id, state }));
  }

  /** In how many workers each filter is quarantined that is in any. */
  quarantined(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { quarantined } of this.#all.values())
      for (const name of quarantined) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }

  /** How many exchanges each generation has, in all workers that answer. */
  async generations(): Promise<ReadonlyMap<number, number>> {
    const sums = new Map<number, number>();
    for (const [, loads] of await this.ask<"generations">({ kind: "generations" }))
      for (const { number, exchanges } of loads) sums.set(number, (sums.get(number) ?? 0) + exchanges);
    return sums;
  }

  /** Whether any worker has something of it. */
  has(generation: number): boolean {
    return [...this.#all.values()].some(
      (member) => member.generation === generation || member.ending.has(generation),
    );
  }

  async refusals(): Promise<readonly (RefusedHead & { readonly worker: number })[]> {
    const answers = await this.ask<"refusals">({ kind: "refusals" });
    const all = answers.flatMap(([worker, list]) => list.map((refused) => ({ ...refused, worker })));
    return all.toSorted((one, other) => other.at - one.at);
  }

  async views(): Promise<readonly WorkerView[]> {
    const loads = new Map(await this.ask<"generations">({ kind: "generations" }));
    return [...this.#all.values()].map((member) => ({
      id: member.link.id,
      state: member.state,
      generation: member.generation,
      connections: connectionsOf(member),
      exchanges: (loads.get(member.link.id) ?? []).reduce((sum, { exchanges }) => sum + exchanges, 0),
      instances: Atomics.load(member.vitals, INSTANCES),
    }));
  }

  /** One snapshot per worker: its last one when it does not answer. */
  async snapshots(): Promise<MeterSnapshot[]> {
    const asked = [...this.#all.values()].map(async (member) => {
      try {
        member.snapshot = await within(SNAPSHOT_MS, member.link.ask<"snapshot">({ kind: "snapshot" }));
      } catch {
        // It is busy, or on its way out: what it said last still stands.
      }
      return member.snapshot;
    });
    return (await Promise.all(asked)).filter((snapshot) => snapshot !== undefined);
  }

  /** What each has counted of trials, or had when it last answered. */
  trials(): readonly Promise<readonly TrialSnapshot[]>[] {
    return this.all.map(async (member) => {
      try {
        member.trials = await within(COUNTS_MS, member.link.ask<"trials">({ kind: "trials" }));
      } catch {
        // As with snapshots.
      }
      return member.trials;
    });
  }

  /** What all have counted for SLOs, lost ones among them as far as they had told it. */
  async slos(): Promise<readonly SloCounts[]> {
    // What was lost before they answer, and not while.
    const lost = this.#lostSlos;
    const asked = this.all.map(async ({ link }) => {
      const before = this.#slos.get(link.id) ?? [];
      try {
        const counts = await within(COUNTS_MS, link.ask<"slos">({ kind: "slos" }));
        if (this.#all.has(link.id)) this.#slos.set(link.id, counts);
        return counts;
      } catch {
        // As with snapshots.
        return before;
      }
    });
    return mergedSlos([...lost, ...(await Promise.all(asked)).flat()]);
  }

  /** The answers of those that give one within a second. */
  async ask<Kind extends "generations" | "refusals" | "timelines" | "level" | "record" | "record-end">(
    order: Extract<Order, { kind: Kind }>,
  ): Promise<[worker: number, answer: Answers[Kind]][]> {
    const asked = [...this.#all.values()].map(
      async ({ link }): Promise<[number, Answers[Kind]]> => [
        link.id,
        await within(SNAPSHOT_MS, link.ask<Kind>(order)),
      ],
    );
    const answers = await Promise.allSettled(asked);
    return answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  }
}

/** One whose loop stands still is the last choice. */
export function loadOf(member: Member): number {
  const connections = connectionsOf(member);
  return member.watch.silent ? connections + Number.MAX_SAFE_INTEGER / 2 : connections;
}

/** Connections that a worker has, and those on their way to it. */
export function connectionsOf({ vitals, handed }: Member): number {
  return Atomics.load(vitals, OPEN) + handed - Atomics.load(vitals, TAKEN);
}

/** Rejects when the promise takes longer; what it stands for goes on. */
export async function within<Value>(ms: number, promise: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A scrape does not wait longer for a busy worker. */
export const SNAPSHOT_MS = 1_000;

/** Nor do a verdict on a trial, and a look at SLOs. */
const COUNTS_MS = 200;
