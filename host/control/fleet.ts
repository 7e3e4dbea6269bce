import { randomBytes } from "node:crypto";
import { AddressKey } from "../address-key.ts";
import type { Address, Config, LogLevel } from "../config/config.ts";
import type { Frame } from "../filter/fault.ts";
import { mergedTrials } from "../ops/merge.ts";
import type { MeterSnapshot } from "../ops/meter.ts";
import { newestTrials, type TrialSnapshot } from "../ops/trial-meter.ts";
import type { CapsuleMessage } from "../record/capsule-taker.ts";
import type { RecordedLines } from "../record/worker-recordings.ts";
import { SharedStore } from "../store/shared-store.ts";
import type { ListenerMaterial } from "../tls/material.ts";
import { type Endpoint, type Entrance, Entrances } from "./entrances.ts";
import type { InheritedSocket, InheritedSockets } from "./inherited-sockets.ts";
import {
  type HandedConnection,
  INSTANCES,
  type Order,
  type PreparedFilter,
  VITALS_BYTES,
} from "./messages.ts";
import { connectionsOf, loadOf, type Member, Members, SNAPSHOT_MS, within } from "./members.ts";
import { PulseWatch } from "./pulse-watch.ts";
import { ShadowLink } from "./shadow-link.ts";
import { WorkerLink } from "./worker-link.ts";

/** What the fleet tells the host. */
export interface FleetOwner {
  /** The URL of a module whose observer looks on in the workers. */
  readonly observer?: string | undefined;
  lines(lines: string): void;
  /** A log line about a filter's failure, which has a stack. */
  fault(line: string, digest: string, frames: readonly Frame[]): void;
  /** A worker ended without being asked; the sentence is for the log. */
  lost(sentence: string): void;
  /** The last counts of a worker that has ended. */
  retired(snapshot: MeterSnapshot): void;
  /** A worker has recorded something. */
  recorded(message: RecordedLines | CapsuleMessage): void;
  /** No worker has anything of this generation any more. */
  drained(generation: number): void;
}

/** What the fleet is to be after a change. */
export interface FleetChange {
  readonly order: Prepare;
  readonly endpoints: readonly Endpoint[];
  readonly inherited: InheritedSockets;
  /** Every worker is ready, and none has begun. When it rejects, none will. */
  readonly ready: (filters: readonly PreparedFilter[]) => Promise<void>;
}

type Prepare = Extract<Order, { kind: "prepare" }>;

/**
 * The data workers, as one: what is asked of all of them happens on all or on none. Each connection goes to the one that has
 * the fewest. A worker that is lost is replaced by one that begins with the same generation; the port stays open meanwhile.
 */
export class Fleet {
  #config: Config;
  readonly #owner: FleetOwner;
  readonly members: Members = new Members();
  /** Outlives every worker. */
  readonly #memory: SharedArrayBuffer;
  readonly #keyMemory = AddressKey.memory();
  readonly #addressKey = new AddressKey(this.#keyMemory);
  readonly #store: SharedStore;
  /** What a worker that starts now has to serve, and where. */
  #live: Prepare | undefined;
  readonly #entrances = new Entrances((listener, socket) => this.#take({ listener, socket }));
  /** Keeps lines of this importance instead of the configuration's. */
  #level: LogLevel | undefined;
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
  /** Workers that were lost and replaced. */
  restarts = 0;
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
      {
        config,
        viaName: this.#viaName,
        addressKey: this.#keyMemory,
        store: this.#memory,
        instances: this.#instances,
      },
      {
        lines: (lines) => owner.lines(lines),
        fault: (line, digest, frames) => owner.fault(line, digest, frames),
        lost: (sentence) => owner.lost(sentence),
        retired: (snapshot) => owner.retired(snapshot),
        shadowsBegan: () => {
          for (const { link } of this.members.all) this.#connect(link);
        },
      },
    );
    for (let count = 0; count < config.workers; count++) this.#add();
    this.#pulses = setInterval(() => {
      for (const { watch } of this.members.all) watch.look();
      this.#shadows.look();
      this.#addressKey.renew(Date.now());
    }, LOOK_MS).unref();
  }

  /**
   * Prepares a generation on every worker, then makes it live on every one; rejects with the first refusal, and nothing has changed.
   * New addresses are taken before, and those that are no more are left after.
   */
  async change({ order, endpoints, inherited, ready }: FleetChange): Promise<readonly PreparedFilter[]> {
    const members = this.members.all;
    const entrances = this.#entrances.plan(endpoints);
    const askAll = (ask: (link: WorkerLink) => Promise<unknown>): Promise<PromiseSettledResult<unknown>[]> =>
      Promise.allSettled(members.map(({ link }) => ask(link)));
    let doors: Awaited<ReturnType<Entrances["open"]>> | undefined;
    let filters: readonly PreparedFilter[];
    try {
      const prepared = members.map(async ({ link }) => {
        for (const entrance of entrances.added) await link.ask<"open">(openOrder(entrance));
        return link.ask<"prepare">(order);
      });
      [filters = []] = allOf(await Promise.allSettled([...prepared, this.#shadows.prepare(order)]));
      doors = await this.#entrances.open(entrances, inherited);
      await ready(filters);
    } catch (error) {
      doors?.abandon();
      await askAll((link) => link.ask<"abandon">({ kind: "abandon", generation: order.generation }));
      await this.#shadows.abandon(order.generation).catch(() => {});
      for (const { id } of entrances.added)
        await askAll((link) => link.ask<"close">({ kind: "close", listener: id }));
      throw error;
    }
    // From here on there is no way back: a worker lost now is replaced by one that begins with the new generation.
    this.#live = order;
    this.#config = order.config;
    this.#level = undefined;
    doors.commit();
    await Promise.allSettled([
      ...members.map((member) => this.#commit(member, order.generation)),
      this.#shadows.commit(order),
    ]);
    for (const { id, endpoint } of entrances.renewed)
      if (endpoint.tls !== null) await this.renew(id, endpoint.tls).catch(() => {});
    for (const { id } of entrances.removed)
      await askAll((link) => link.ask<"close">({ kind: "close", listener: id }));
    this.#flushHeld();
    return filters;
  }

  /** Prepares a generation on one worker and forgets it. Rejects with what stands against it. */
  async rehearse(order: Prepare): Promise<void> {
    const [member] = this.members.all;
    if (member === undefined) return;
    try {
      await member.link.ask<"prepare">(order);
    } finally {
      await member.link.ask<"abandon">({ kind: "abandon", generation: order.generation }).catch(() => {});
    }
  }

  /** Actual addresses, in the order of the endpoints. */
  get addresses(): readonly Address[] {
    return this.#entrances.addresses;
  }

  /** What another process needs to take connections at the same addresses. */
  get sockets(): readonly InheritedSocket[] {
    return this.#entrances.sockets;
  }

  /** In the order of the endpoints. */
  get entrances(): readonly Entrance[] {
    return this.#entrances.all;
  }

  /** Gives a listener other certificates, on all workers. */
  async renew(listener: number, tls: ListenerMaterial): Promise<void> {
    const entrance = this.#entrances.all.find(({ id }) => id === listener);
    if (entrance === undefined || this.#stopping) return;
    // A worker that begins now gets them, too.
    entrance.endpoint = { ...entrance.endpoint, tls };
    const links = this.members.all.map(({ link }) => link);
    await Promise.all(links.map((link) => link.ask<"renew">({ kind: "renew", listener, tls })));
  }

  /** Until the next change. */
  async keepLines(level: LogLevel): Promise<void> {
    this.#level = level;
    await this.members.ask({ kind: "level", level });
  }

  /** What all workers have counted of trials, lost ones among them as far as they had told it. */
  async trials(): Promise<readonly TrialSnapshot[]> {
    const answers = await Promise.all([
      ...this.members.trials(),
      this.#shadows.trials((answer) => within(TRIALS_MS, answer)),
    ]);
    return mergedTrials([...this.#lostTrials, ...answers.flat()]);
  }

  /** One snapshot of each thread: its last one when it does not answer. */
  async snapshots(): Promise<MeterSnapshot[]> {
    const shadows = this.#shadows.snapshot((answer) => within(SNAPSHOT_MS, answer));
    const [workers, own] = await Promise.all([this.members.snapshots(), shadows]);
    return own === undefined ? workers : [...workers, own];
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.#entrances.close();
    for (const member of this.members.all) member.state = "draining";
    const drained = this.members.all.map(({ link }) => link.ask<"drain">({ kind: "drain" }).catch(() => {}));
    await within(deadlineMs, Promise.all(drained)).catch(() => {});
    await this.stop();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#pulses);
    this.#entrances.close();
    for (const { socket } of this.#held.splice(0)) socket.destroy();
    const members = this.members.all;
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
    const place = this.members.freePlace;
    const link = new WorkerLink(
      {
        id: this.#lastId,
        place,
        vitals,
        config: this.#config,
        viaName: this.#viaName,
        addressKey: this.#keyMemory,
        store: this.#memory,
        instances: this.#instances,
        observer: this.#owner.observer,
      },
      {
        lines: (lines) => this.#owner.lines(lines),
        fault: (line, digest, frames) => this.#owner.fault(line, digest, frames),
        quarantined: (filters) => {
          member.quarantined = filters;
        },
        recorded: (message) => this.#owner.recorded(message),
        drained: (_, generation) => {
          member.ending.delete(generation);
          this.#tellDrained(generation);
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
      place,
      state: "starting",
      snapshot: undefined,
      trials: [],
      watch,
      vitals,
      quarantined: [],
      handed: 0,
      generation: 0,
      ending: new Set(),
    };
    this.members.add(member);
    return member;
  }

  /** Gives a worker its way to the thread of shadows, if there is one. */
  #connect(link: WorkerLink): void {
    const port = this.#shadows.port();
    if (port !== undefined) link.give({ shadows: port });
  }

  async #commit(member: Member, generation: number): Promise<void> {
    const before = member.generation;
    // It may tell of the end of the one before in the same breath as it answers.
    if (before > 0) member.ending.add(before);
    member.generation = generation;
    await member.link.ask<"commit">({ kind: "commit", generation });
    member.state = "serving";
  }

  #tellDrained(generation: number): void {
    if (!this.members.has(generation)) this.#owner.drained(generation);
  }

  /** Makes a worker ready for the connections of all listeners. */
  async #open(link: WorkerLink): Promise<void> {
    // By place, and not a copy: certificates may be renewed meanwhile.
    for (let at = 0; at < this.#entrances.all.length; at++)
      await link.ask<"open">(openOrder(this.#entrances.all[at] as Entrance));
  }

  #flushHeld(): void {
    for (const connection of this.#held.splice(0)) this.#take(connection);
  }

  /** To the serving worker with the fewest connections; while there is none, they wait in order, but not without end. */
  #take(connection: HandedConnection): void {
    let best: Member | undefined;
    for (const member of this.members.all) {
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
    const member = this.members.remove(link.id);
    // It may have ended in the middle of a change.
    this.#store.recover(link.id);
    if (member?.snapshot !== undefined) this.#owner.retired(member.snapshot);
    this.#lostTrials = newestTrials(mergedTrials([...this.#lostTrials, ...(member?.trials ?? [])]));
    // Its instances have ended with it.
    if (member !== undefined) Atomics.sub(this.#instances, 0, Atomics.load(member.vitals, INSTANCES));
    for (const generation of member?.ending ?? []) this.#tellDrained(generation);
    if (this.#stopping) return;
    this.#owner.lost(`worker ${link.id} ended: ${error?.message ?? "no error"}`);
    // Before there is a generation the start fails anyway, and says why.
    if (this.#live === undefined) return;
    this.restarts += 1;
    // The first replacement comes at once; one that dies young must not spin.
    setTimeout(() => void this.#replace(), Math.min((this.restarts - 1) * RESTART_STEP_MS, RESTART_MAX_MS));
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
      const member = this.members.get(link.id);
      if (member === undefined || this.#live !== live) {
        await link.terminate();
        return;
      }
      await this.#commit(member, live.generation);
      if (this.#level !== undefined) await link.ask<"level">({ kind: "level", level: this.#level });
      this.#flushHeld();
    } catch (error) {
      this.#owner.lost(
        `worker ${link.id} could not begin: ${error instanceof Error ? error.message : String(error)}`,
      );
      await link.terminate();
    }
  }
}

/** All values, or the first reason why there are not. */
function allOf<Value>(results: readonly PromiseSettledResult<Value>[]): Value[] {
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

function openOrder({ id, endpoint }: Entrance): Extract<Order, { kind: "open" }> {
  return { kind: "open", listener: id, tls: endpoint.tls, proxyProtocol: endpoint.proxyProtocol };
}

/** Workers count from 1. */
const MAIN_THREAD = 0x3fff_ffff;

/** How often the pulses are looked at. */
const LOOK_MS = 100;

/** As many as the system would keep in a listener's queue. */
const HELD_MAX = 4_096;

/** A verdict does not wait longer for a busy thread. */
const TRIALS_MS = 200;
const STOP_MS = 1_000;
const RESTART_STEP_MS = 100;
const RESTART_MAX_MS = 5_000;
