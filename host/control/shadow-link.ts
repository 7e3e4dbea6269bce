import { MessageChannel, type MessagePort } from "node:worker_threads";
import { mergedTrials } from "../ops/merge.ts";
import type { MeterSnapshot } from "../ops/meter.ts";
import { newestTrials, TrialMeter, type TrialSnapshot } from "../ops/trial-meter.ts";
import { shadowsOf } from "../trial/trial.ts";
import {
  AT_WORK,
  INSTANCES,
  type Order,
  type PreparedFilter,
  VITALS_BYTES,
  type WorkerData,
} from "./messages.ts";
import { PulseWatch } from "./pulse-watch.ts";
import { WorkerLink, type WorkerLinkOwner } from "./worker-link.ts";

type Prepare = Extract<Order, { kind: "prepare" }>;

/** What is told of the thread of shadows. */
export interface ShadowLinkOwner extends Pick<WorkerLinkOwner, "lines" | "fault"> {
  /** There is a thread, or another one: every worker needs a `port`. */
  shadowsBegan(): void;
  /** The thread was lost; the sentence is for the log. */
  lost(sentence: string): void;
  /** The last counts of one that has ended. */
  retired(snapshot: MeterSnapshot): void;
}

/**
 * The thread in which candidates see copies of exchanges: there is one while a generation has a shadow. One that is lost is
 * replaced, and its loss is a failure of the candidate that was at work.
 */
export class ShadowLink {
  readonly #data: Omit<WorkerData, "id" | "place" | "vitals">;
  readonly #owner: ShadowLinkOwner;
  #thread: Thread | undefined;
  #live: Prepare | undefined;
  #lostTrials: readonly TrialSnapshot[] = [];
  #losses = 0;
  #stopped = false;

  constructor(data: Omit<WorkerData, "id" | "place" | "vitals">, owner: ShadowLinkOwner) {
    this.#data = data;
    this.#owner = owner;
  }

  /** Rejects with an `OrderFailed` when a candidate cannot be loaded. */
  async prepare(order: Prepare): Promise<readonly PreparedFilter[]> {
    if (shadowsOf(order.config).length === 0) return [];
    return await this.#begun().link.ask<"prepare">(order);
  }

  async commit(order: Prepare): Promise<void> {
    this.#live = order;
    const { generation, config } = order;
    // A generation that needs it no more does not wait for its end.
    if (shadowsOf(config).length === 0) return void this.#end();
    await this.#thread?.link.ask<"commit">({ kind: "commit", generation });
  }

  async abandon(generation: number): Promise<void> {
    if (this.#live === undefined || shadowsOf(this.#live.config).length === 0) return void this.#end();
    await this.#thread?.link.ask<"abandon">({ kind: "abandon", generation });
  }

  /** A way to the thread, for one worker; undefined while there is none. */
  port(): MessagePort | undefined {
    if (this.#thread === undefined) return undefined;
    const { port1, port2 } = new MessageChannel();
    this.#thread.link.give({ shadows: port1 });
    return port2;
  }

  /** What it has counted, or had when it last answered; what lost ones had is among it. */
  async trials(within: <Value>(answer: Promise<Value>) => Promise<Value>): Promise<readonly TrialSnapshot[]> {
    const thread = this.#thread;
    if (thread === undefined) return this.#lostTrials;
    try {
      thread.trials = await within(thread.link.ask<"trials">({ kind: "trials" }));
    } catch {
      // It is busy with a candidate.
    }
    return [...this.#lostTrials, ...thread.trials];
  }

  async snapshot(
    within: <Value>(answer: Promise<Value>) => Promise<Value>,
  ): Promise<MeterSnapshot | undefined> {
    const thread = this.#thread;
    if (thread === undefined) return undefined;
    try {
      thread.snapshot = await within(thread.link.ask<"snapshot">({ kind: "snapshot" }));
    } catch {
      // The same.
    }
    const { snapshot } = thread;
    return snapshot && { ...snapshot, trials: mergedTrials([...this.#lostTrials, ...snapshot.trials]) };
  }

  /** To be called now and then. */
  look(): void {
    this.#thread?.watch.look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#end();
  }

  #begun(): Thread {
    if (this.#thread !== undefined) return this.#thread;
    const vitals = new Int32Array(new SharedArrayBuffer(VITALS_BYTES));
    const link = new WorkerLink(
      { ...this.#data, id: SHADOW_THREAD, place: 0, vitals },
      {
        lines: (lines) => this.#owner.lines(lines),
        fault: (line, digest, frames) => this.#owner.fault(line, digest, frames),
        quarantined: () => {},
        recorded: () => {},
        drained: () => {},
        ended: (_, error) => this.#ended(thread, error),
      },
      "shadow-thread",
    );
    const watch = new PulseWatch(link, vitals, (reason) => link.kill(reason));
    const thread: Thread = { link, vitals, watch, trials: [], snapshot: undefined };
    this.#thread = thread;
    this.#owner.shadowsBegan();
    return thread;
  }

  /** Its last lines come with the answer. */
  async #end(): Promise<void> {
    const thread = this.#thread;
    if (thread === undefined) return;
    this.#thread = undefined;
    this.#lostTrials = [];
    const late = new Promise<void>((resolve) => void setTimeout(resolve, STOP_MS).unref());
    await Promise.race([thread.link.ask<"stop">({ kind: "stop" }).catch(() => {}), late]);
    await thread.link.terminate();
  }

  #ended(thread: Thread, error: Error | undefined): void {
    Atomics.sub(this.#data.instances, 0, Atomics.load(thread.vitals, INSTANCES));
    if (thread.snapshot !== undefined) this.#owner.retired({ ...thread.snapshot, trials: [] });
    if (this.#thread !== thread) return;
    this.#lostTrials = this.#countLoss(thread);
    this.#thread = undefined;
    this.#losses += 1;
    this.#owner.lost(`the thread of shadows ended: ${error?.message ?? "no error"}`);
    setTimeout(() => void this.#replace(), Math.min(this.#losses * AGAIN_STEP_MS, AGAIN_MAX_MS)).unref();
  }

  /** Whoever was at work has ended the thread, whatever it was that it did. */
  #countLoss({ vitals, trials }: Thread): readonly TrialSnapshot[] {
    const counted = [...this.#lostTrials, ...trials];
    const atWork = Atomics.load(vitals, AT_WORK);
    const shadow = this.#live === undefined ? undefined : shadowsOf(this.#live.config)[atWork - 1];
    if (shadow !== undefined) {
      const meter = new TrialMeter(shadow.entry.name, shadow.candidate.startedAt, true);
      meter.candidate.exchanges = 1;
      meter.candidate.failures = 1;
      counted.push(meter.snapshot());
    }
    return newestTrials(mergedTrials(counted));
  }

  async #replace(): Promise<void> {
    const live = this.#live;
    if (this.#stopped || live === undefined || this.#thread !== undefined) return;
    if (shadowsOf(live.config).length === 0) return;
    try {
      const { link } = this.#begun();
      await link.ask<"prepare">(live);
      const { generation } = live;
      // One that came meanwhile has been prepared and committed by itself.
      if (this.#live === live) await link.ask<"commit">({ kind: "commit", generation });
      else await link.ask<"abandon">({ kind: "abandon", generation });
    } catch (error) {
      this.#owner.lost(`shadows could not begin: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

interface Thread {
  readonly link: WorkerLink;
  readonly vitals: Int32Array<SharedArrayBuffer>;
  readonly watch: PulseWatch;
  trials: readonly TrialSnapshot[];
  snapshot: MeterSnapshot | undefined;
}

/** Workers count from 1. */
const SHADOW_THREAD = 0;
const STOP_MS = 1_000;
const AGAIN_STEP_MS = 100;
const AGAIN_MAX_MS = 5_000;
