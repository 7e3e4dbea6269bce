import { randomBytes } from "node:crypto";
import type { Address, Config } from "../config/config.ts";
import type { Frame } from "../filter/fault.ts";
import { mergedTrials } from "../ops/merge.ts";
import type { MeterSnapshot } from "../ops/meter.ts";
import { newestTrials, type TrialSnapshot } from "../ops/trial-meter.ts";
import { SharedStore } from "../store/shared-store.ts";
import type { ListenerMaterial } from "../tls/material.ts";
import { type Door, doorName, openDoors } from "./door.ts";
import type { InheritedSocket, InheritedSockets } from "./inherited-sockets.ts";
import {
  type HandedConnection,
  INSTANCES,
  OPEN,
  type Order,
  type PreparedFilter,
  TAKEN,
  VITALS_BYTES,
} from "./messages.ts";
import { ShadowLink } from "./shadow-link.ts";
import { PulseWatch } from "./pulse-watch.ts";
import { WorkerLink } from "./worker-link.ts";

/** What the fleet tells the host. */
export interface FleetOwner {
  lines(lines: string): void;
  /** A log line about a filter's failure, which has a stack. */
  fault(line: string, digest: string, frames: readonly Frame[]): void;
  /** A worker ended without being asked; the sentence is for the log. */
  lost(sentence: string): void;
  /** The last counts of a worker that has ended. */
  retired(snapshot: MeterSnapshot): void;
}

type Prepare = Extract<Order, { kind: "prepare" }>;

interface Member {
  readonly link: WorkerLink;
  state: "starting" | "serving" | "draining";
  snapshot: MeterSnapshot | undefined;
  trials: readonly TrialSnapshot[];
  readonly watch: PulseWatch;
  readonly vitals: Int32Array<SharedArrayBuffer>;
  /** Filters that it does not call. */
  quarantined: readonly string[];
  /** Connections given to it. */
  handed: number;
}

/** Where connections are taken, and with what they are served; `tls` is null in the clear. */
export interface Endpoint {
  readonly address: Address;
  readonly tls: ListenerMaterial | null;
}

/**
 * The data workers, as one: what is asked of all of them happens on all or on none. Each connection goes to the one that has
 * the fewest. A worker that is lost is replaced by one that begins with the same generation; the port stays open meanwhile.
 */
export class Fleet {
  readonly #config: Config;
  readonly #owner: FleetOwner;
  readonly #members = new Map<number, Member>();
  /** Outlives every worker. */
  readonly #memory: SharedArrayBuffer;
  readonly #store: SharedStore;
  /** What a worker that starts now has to serve, and where. */
  #live: Prepare | undefined;
  #endpoints: Endpoint[] = [];
  #doors: readonly Door[] = [];
  /** Connections that came while no worker served. */
  readonly #held: HandedConnection[] = [];
  readonly #pulses: NodeJS.Timeout;
  /** The thread in which candidates see copies of exchanges. */
  readonly #shadows: ShadowLink;
  /** How many instances of filters all workers have. */
  readonly #instances = new Int32Array(new SharedArrayBuffer(4));
  /** What workers had counted of trials that are no more. */
  #lostTrials: readonly TrialSnapshot[] = [];
  #stopping = false;
  /** Ids are never used again: metrics and log lines of a lost worker stay its own. */
  #lastId = 0;
  #restarts = 0;
  /** Connections that were reset, because every worker had as many as it may. */
  refusedConnections = 0;
  /** Unlike that of any other process: a request that comes with it has been here before (RFC 9110 §7.6.3). */
  readonly #viaName = `sluice-${randomBytes(4).toString("hex")}`;

  constructor(config: Config, owner: FleetOwner) {
    this.#config = config;
    this.#owner = owner;
    this.#memory = SharedStore.memory(config.store.sizeBytes);
    this.#store = new SharedStore(this.#memory, MAIN_THREAD);
    this.#shadows = new ShadowLink(
      { config, viaName: this.#viaName, store: this.#memory, instances: this.#instances },
      {
        lines: (lines) => owner.lines(lines),
        fault: (line, digest, frames) => owner.fault(line, digest, frames),
        lost: (sentence) => owner.lost(sentence),
        retired: (snapshot) => owner.retired(snapshot),
        shadowsBegan: () => {
          for (const { link } of this.#members.values()) this.#connect(link);
        },
      },
    );
    for (let count = 0; count < config.workers; count++) this.#add();
    this.#pulses = setInterval(() => {
      for (const { watch } of this.#members.values()) watch.look();
      this.#shadows.look();
    }, LOOK_MS).unref();
  }

  states(): { id: number; state: Member["state"] }[] {
    return [...this.#members.values()].map(({ link, state }) => ({ id: link.id, state }));
  }

  /** In how many workers each filter is quarantined that is in any. */
  quarantined(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { quarantined } of this.#members.values())
      for (const name of quarantined) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }

  /** Prepares a generation on every worker, then makes it live on every one; rejects with the first refusal, and nothing has changed. */
  async change(order: Prepare): Promise<readonly PreparedFilter[]> {
    const members = [...this.#members.values()];
    const results = await Promise.allSettled([
      ...members.map(({ link }) => link.ask<"prepare">(order)),
      this.#shadows.prepare(order),
    ]);
    const refused = results.find((result) => result.status === "rejected");
    if (refused !== undefined) {
      await Promise.allSettled([
        ...members.map(({ link }) => link.ask<"abandon">({ kind: "abandon", generation: order.generation })),
        this.#shadows.abandon(order.generation),
      ]);
      throw refused.reason;
    }
    // From here on there is no way back: a worker lost now is replaced by one that begins with the new generation.
    this.#live = order;
    await Promise.allSettled([
      ...members.map((member) => this.#commit(member, order.generation)),
      this.#shadows.commit(order),
    ]);
    const [first] = results;
    return first?.status === "fulfilled" ? first.value : [];
  }

  /** Resolves with the actual addresses. */
  async listen(endpoints: readonly Endpoint[], inherited: InheritedSockets): Promise<readonly Address[]> {
    this.#endpoints = [...endpoints];
    for (const { link } of this.#members.values()) await this.#open(link);
    const addresses = endpoints.map(({ address }) => address);
    this.#doors = await openDoors(addresses, inherited, (listener, socket) =>
      this.#take({ listener, socket }),
    );
    return this.#doors.map(({ address }) => address);
  }

  /** What another process needs to take connections at the same addresses. */
  get sockets(): readonly InheritedSocket[] {
    return this.#doors.map(({ descriptor, supervised }, at) => ({
      fd: descriptor,
      name: doorName((this.#endpoints[at] as Endpoint).address),
      supervised,
    }));
  }

  /** Gives a listener other certificates, on all workers. */
  async renew(listener: number, tls: ListenerMaterial): Promise<void> {
    const endpoint = this.#endpoints[listener];
    if (endpoint === undefined || this.#stopping) return;
    // A worker that begins now gets them, too.
    this.#endpoints[listener] = { ...endpoint, tls };
    const links = [...this.#members.values()].map(({ link }) => link);
    await Promise.all(links.map((link) => link.ask<"renew">({ kind: "renew", listener, tls })));
  }

  /** One snapshot per worker: its last one when it does not answer. */
  async snapshots(): Promise<MeterSnapshot[]> {
    const asked = [...this.#members.values()].map(async (member) => {
      try {
        member.snapshot = await within(SNAPSHOT_MS, member.link.ask<"snapshot">({ kind: "snapshot" }));
      } catch {
        // It is busy, or on its way out: what it said last still stands.
      }
      return member.snapshot;
    });
    asked.push(this.#shadows.snapshot((answer) => within(SNAPSHOT_MS, answer)));
    return (await Promise.all(asked)).filter((snapshot) => snapshot !== undefined);
  }

  /** What all workers have counted of trials, lost ones among them as far as they had told it. */
  async trials(): Promise<readonly TrialSnapshot[]> {
    const asked = [...this.#members.values()].map(async (member) => {
      try {
        member.trials = await within(TRIALS_MS, member.link.ask<"trials">({ kind: "trials" }));
      } catch {
        // As with snapshots.
      }
      return member.trials;
    });
    asked.push(this.#shadows.trials((answer) => within(TRIALS_MS, answer)));
    const living = (await Promise.all(asked)).flat();
    return mergedTrials([...this.#lostTrials, ...living]);
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    for (const door of this.#doors) door.close();
    for (const member of this.#members.values()) member.state = "draining";
    const drained = [...this.#members.values()].map(({ link }) =>
      link.ask<"drain">({ kind: "drain" }).catch(() => {}),
    );
    await within(deadlineMs, Promise.all(drained)).catch(() => {});
    await this.stop();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#pulses);
    for (const door of this.#doors) door.close();
    for (const { socket } of this.#held.splice(0)) socket.destroy();
    const members = [...this.#members.values()];
    await Promise.all([
      this.#shadows.stop(),
      ...members.map(async ({ link }) => {
        // Its last log lines come with the answer; one that does not answer is ended all the same.
        await within(STOP_MS, link.ask<"stop">({ kind: "stop" })).catch(() => {});
        await link.terminate();
      }),
    ]);
  }

  #add(): Member {
    this.#lastId += 1;
    const vitals = new Int32Array(new SharedArrayBuffer(VITALS_BYTES));
    const link = new WorkerLink(
      {
        id: this.#lastId,
        vitals,
        config: this.#config,
        viaName: this.#viaName,
        store: this.#memory,
        instances: this.#instances,
      },
      {
        lines: (lines) => this.#owner.lines(lines),
        fault: (line, digest, frames) => this.#owner.fault(line, digest, frames),
        quarantined: (filters) => {
          member.quarantined = filters;
        },
        ended: (ended, error) => this.#ended(ended, error),
      },
    );
    const watch = new PulseWatch(link, vitals, (reason) => {
      // It gets no more connections while its thread is being ended.
      member.state = "draining";
      link.kill(reason);
    });
    const member: Member = {
      link,
      state: "starting",
      snapshot: undefined,
      trials: [],
      watch,
      vitals,
      quarantined: [],
      handed: 0,
    };
    this.#members.set(link.id, member);
    return member;
  }

  /** Gives a worker its way to the thread of shadows, if there is one. */
  #connect(link: WorkerLink): void {
    const port = this.#shadows.port();
    if (port !== undefined) link.give({ shadows: port });
  }

  async #commit(member: Member, generation: number): Promise<void> {
    await member.link.ask<"commit">({ kind: "commit", generation });
    member.state = "serving";
  }

  /** Makes a worker ready for the connections of all listeners. */
  async #open(link: WorkerLink): Promise<void> {
    // By place, and not a copy: certificates may be renewed meanwhile.
    for (let at = 0; at < this.#endpoints.length; at++) {
      await link.ask<"open">({ kind: "open", tls: (this.#endpoints[at] as Endpoint).tls });
    }
  }

  /** To the serving worker with the fewest connections; while there is none, they wait in order, but not without end. */
  #take(connection: HandedConnection): void {
    let best: Member | undefined;
    for (const member of this.#members.values()) {
      if (member.state === "serving" && (best === undefined || loadOf(member) < loadOf(best))) best = member;
    }
    if (best === undefined) {
      if (this.#stopping) return void connection.socket.destroy();
      if (this.#held.length < HELD_MAX) return void this.#held.push(connection);
    } else if (connectionsOf(best) < this.#config.limits.connectionsMax) {
      best.handed += 1;
      return best.link.hand(connection);
    }
    this.refusedConnections += 1;
    connection.socket.resetAndDestroy();
  }

  #ended(link: WorkerLink, error: Error | undefined): void {
    const member = this.#members.get(link.id);
    this.#members.delete(link.id);
    // It may have ended in the middle of a change.
    this.#store.recover(link.id);
    if (member?.snapshot !== undefined) this.#owner.retired(member.snapshot);
    this.#lostTrials = newestTrials(mergedTrials([...this.#lostTrials, ...(member?.trials ?? [])]));
    // Its instances have ended with it.
    if (member !== undefined) Atomics.sub(this.#instances, 0, Atomics.load(member.vitals, INSTANCES));
    if (this.#stopping) return;
    this.#owner.lost(`worker ${link.id} ended: ${error?.message ?? "no error"}`);
    // Before there is a generation the start fails anyway, and says why.
    if (this.#live === undefined) return;
    this.#restarts += 1;
    // The first replacement comes at once; one that dies young must not spin.
    setTimeout(() => void this.#replace(), Math.min((this.#restarts - 1) * RESTART_STEP_MS, RESTART_MAX_MS));
  }

  async #replace(): Promise<void> {
    const live = this.#live;
    if (this.#stopping || live === undefined) return;
    const { link } = this.#add();
    this.#connect(link);
    try {
      await this.#open(link);
      await link.ask<"prepare">(live);
      // A change that came meanwhile has reached this worker too, or will: it is a member like the others.
      const member = this.#members.get(link.id);
      if (member === undefined || this.#live !== live) {
        await link.terminate();
        return;
      }
      await this.#commit(member, live.generation);
      for (const connection of this.#held.splice(0)) this.#take(connection);
    } catch (error) {
      this.#owner.lost(
        `worker ${link.id} could not begin: ${error instanceof Error ? error.message : String(error)}`,
      );
      await link.terminate();
    }
  }
}

/** One whose loop stands still is the last choice. */
function loadOf(member: Member): number {
  const connections = connectionsOf(member);
  return member.watch.silent ? connections + Number.MAX_SAFE_INTEGER / 2 : connections;
}

/** Connections that a worker has, and those on their way to it. */
function connectionsOf({ vitals, handed }: Member): number {
  return Atomics.load(vitals, OPEN) + handed - Atomics.load(vitals, TAKEN);
}

/** Rejects when the promise takes longer; what it stands for goes on. */
async function within<Value>(ms: number, promise: Promise<Value>): Promise<Value> {
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

/** Workers count from 1. */
const MAIN_THREAD = 0x3fff_ffff;

/** How often the pulses are looked at. */
const LOOK_MS = 100;

/** As many as the system would keep in a listener's queue. */
const HELD_MAX = 4_096;

/** A scrape does not wait longer for a busy worker. */
const SNAPSHOT_MS = 1_000;
/** Nor does a verdict. */
const TRIALS_MS = 200;
const STOP_MS = 1_000;
const RESTART_STEP_MS = 100;
const RESTART_MAX_MS = 5_000;
