import { setImmediate as nextTurn } from "node:timers/promises";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { TELLS_ALL, TELLS_NOTHING } from "../client-address.ts";
import type { FilterConfig } from "../config/config.ts";
import {
  type Answers,
  AT_WORK,
  type HandedShadows,
  INSTANCES,
  type Order,
  type OrderMessage,
  type PreparedFilter,
  type WorkerData,
  type WorkerMessage,
} from "../control/messages.ts";
import { showPulse } from "../control/pulse-watch.ts";
import { obey } from "../control/obeying.ts";
import { InstanceBudget } from "../filter/budget.ts";
import type { HostServices } from "../filter/contract.ts";
import { type FilterFailure, framesOf } from "../filter/fault.ts";
import { Filter } from "../filter/filter.ts";
import { HttpClient } from "../filter/http-client.ts";
import { describe } from "../filter/plan.ts";
import { Secrets } from "../filter/secrets.ts";
import { settingsOf } from "../filter/settings.ts";
import { CustomMetrics } from "../ops/custom-metrics.ts";
import { FilterLog } from "../ops/filter-log.ts";
import { LineBatch } from "../ops/line-batch.ts";
import { LoopMeter } from "../ops/loop-meter.ts";
import { WorkerMeter } from "../ops/meter.ts";
import { type TrialMeter, trialKey } from "../ops/trial-meter.ts";
import { SharedStore, spaceOf } from "../store/shared-store.ts";
import { Sweeper } from "../sweeper.ts";
import type { ShadowBatch, ShadowDone } from "./shadow-queue.ts";
import { ShadowTrial } from "./shadow-trial.ts";
import { asFilter, type Candidate, shadowsOf } from "./trial.ts";

type Prepare = Extract<Order, { kind: "prepare" }>;

/** The candidates of one generation. */
interface Prepared {
  /** By `trialKey`, in the order of the configuration. */
  readonly trials: ReadonlyMap<string, ShadowTrial>;
  readonly release: () => void;
}

/**
 * The thread in which candidates see copies of exchanges. No exchange waits for it: one that loops or takes all memory there ends
 * this thread and nothing else. Nothing that a candidate does reaches the world: its store is its own, what it sends is not sent.
 */
class ShadowThread {
  readonly #port: MessagePort;
  readonly #data: WorkerData;
  readonly #meter = new WorkerMeter();
  readonly #lines: LineBatch;
  readonly #log: FilterLog;
  readonly #sweeper = new Sweeper();
  readonly #budget: InstanceBudget;
  /** Forgotten with this thread. */
  readonly #store = new SharedStore(SharedStore.memory(STORE_BYTES), 1);
  readonly #prepared = new Map<number, Prepared>();
  #live: Prepared = { trials: new Map(), release: () => {} };
  readonly #waiting: { readonly batch: ShadowBatch; readonly from: MessagePort }[] = [];
  #working = false;

  private constructor(port: MessagePort, data: WorkerData) {
    const { config, id } = data;
    this.#port = port;
    this.#data = data;
    this.#budget = new InstanceBudget(
      data.instances,
      data.vitals,
      INSTANCES,
      config.limits.instancesTotalMax,
    );
    this.#lines = new LineBatch((lines) => this.#post({ kind: "lines", lines }));
    this.#log = new FilterLog(this.#lines, id, config.log.level, {
      linesMax: config.limits.logRateMax,
      failuresMax: config.limits.failureLinesMax,
      dropped: () => {
        this.#meter.logLinesDropped += 1;
      },
    });
    this.#sweeper.add(this.#log);
    this.#meter.loop = new LoopMeter(data.place);
    this.#sweeper.add(this.#meter.loop);
    showPulse(data.vitals, this.#sweeper);
  }

  static serve(port: MessagePort, data: WorkerData): void {
    const thread = new ShadowThread(port, data);
    port.on("message", (message: OrderMessage | HandedShadows) => {
      if ("shadows" in message) thread.#listen(message.shadows);
      else void obey(port, message, (order) => thread.#carryOut(order));
    });
  }

  /** There is one more worker that posts copies. */
  #listen(from: MessagePort): void {
    from.on("message", (batch: ShadowBatch) => {
      this.#waiting.push({ batch, from });
      void this.#work();
    });
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    let turnedAt = performance.now();
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { batch, from } = next;
      for (const { trial, record } of batch.copies) {
        const trials = this.#having(trial);
        Atomics.store(this.#data.vitals, AT_WORK, [...trials.keys()].indexOf(trial) + 1);
        // Of a trial that is over nobody asks any more.
        await trials.get(trial)?.see(record);
        Atomics.store(this.#data.vitals, AT_WORK, 0);
        if (performance.now() - turnedAt < TURN_MS) continue;
        await nextTurn();
        turnedAt = performance.now();
      }
      const done: ShadowDone = { bytes: batch.bytes, copies: batch.copies.length };
      from.postMessage(done);
    }
    this.#working = false;
  }

  /** A worker may be the first to make a generation live. */
  #having(trial: string): Prepared["trials"] {
    const { trials } = this.#live;
    if (trials.has(trial)) return trials;
    return [...this.#prepared.values()].find((each) => each.trials.has(trial))?.trials ?? trials;
  }

  #carryOut(order: Order): Promise<Answers[keyof Answers]> | Answers[keyof Answers] {
    switch (order.kind) {
      case "prepare":
        return this.#prepare(order);
      case "commit":
        return this.#commit(order.generation);
      case "abandon":
        return this.#abandon(order.generation);
      case "snapshot":
        return this.#meter.snapshot();
      case "trials":
        return this.#meter.trials();
      case "stop":
        return this.#stop();
      default:
        throw new Error(`${order.kind} is no order for the thread of shadows`);
    }
  }

  async #prepare(order: Prepare): Promise<readonly PreparedFilter[]> {
    const trials = new Map<string, ShadowTrial>();
    const undo: (() => void)[] = [];
    const release = (): void => {
      for (const each of undo) each();
    };
    const prepared: PreparedFilter[] = [];
    try {
      for (const { entry, candidate } of shadowsOf(order.config)) {
        const key = trialKey({ filter: entry.name, startedAt: candidate.startedAt });
        const meter = this.#meter.trial(entry.name, candidate.startedAt, true);
        undo.push(() => this.#meter.endTrial(meter));
        const shadow = await this.#load(order, entry, candidate, meter, this.#live.trials.get(key));
        trials.set(key, shadow);
        const { name, plan } = shadow.filter;
        const path = order.artifacts[name]?.direct === true ? "direct" : "reference";
        prepared.push({ name, path, phases: describe(plan) });
      }
    } catch (error) {
      release();
      throw error;
    }
    this.#prepared.set(order.generation, { trials, release });
    return prepared;
  }

  async #load(
    { artifacts, secrets, config }: Prepare,
    tried: FilterConfig,
    candidate: Candidate,
    meter: TrialMeter,
    present: ShadowTrial | undefined,
  ): Promise<ShadowTrial> {
    const entry = asFilter(tried, candidate);
    const artifact = artifacts[entry.name];
    if (artifact === undefined) throw new Error(`no artifact for filter ${entry.name}`);
    const settings = settingsOf(entry, config.limits, config.timeouts);
    const own = new Secrets(secrets[tried.name] ?? {});
    const made = JSON.stringify([artifact.digest, artifact.memoryBytesMax, settings, entry.grant, own.mark]);
    if (present?.made === made) return present;
    const host: HostServices = {
      filterName: entry.name,
      secrets: own,
      store: {
        store: this.#store,
        space: spaceOf(`shadow of ${entry.grant.store ?? "nobody"}`),
        rates: spaceOf(`rates in the shadow of ${entry.grant.rateLimit ?? "nobody"}`),
        remote: undefined,
      },
      // Nobody looks at these.
      metrics: new CustomMetrics().scope(entry.name, config.limits, (text) => own.redacted(text)),
      // It was put into its form where the exchange was.
      tellsClient: entry.grant.clientAddress === false ? TELLS_NOTHING : TELLS_ALL,
      http: new HttpClient(entry.grant.http ?? [], settings.limits),
      logEnabled: this.#log.enabled.bind(this.#log),
      log: (level, id, message, attributes) => this.#log.said(level, entry.name, id, message, attributes),
      handlesLeaked: (count) => {
        this.#meter.filter(entry.name).handlesLeaked += count;
      },
      logDropped: () => {
        this.#meter.logLinesDropped += 1;
      },
    };
    // One that fails again and again is counted again and again, until the trial is ended for it.
    const quarantine = { ...settings.quarantine, failures: 1, of: 1 };
    const filter = await Filter.load(artifact, { ...settings, quarantine }, host, {
      meter: this.#meter.filter(entry.name),
      budget: this.#budget,
      quarantine: { quarantined: () => {}, released: () => {} },
      // Nothing is handed to a shadow: what the present version has learned is not for a version that does not count.
      line: () => {},
    });
    this.#sweeper.add(filter.pool);
    return new ShadowTrial(filter, made, meter, (of, id, failure) => this.#failed(of, id, failure));
  }

  #commit(number: number): undefined {
    const next = this.#prepared.get(number);
    if (next === undefined) throw new Error(`generation ${number} is not prepared`);
    this.#prepared.delete(number);
    const last = this.#live;
    this.#live = next;
    this.#forget(last);
  }

  #abandon(number: number): undefined {
    const prepared = this.#prepared.get(number);
    this.#prepared.delete(number);
    if (prepared !== undefined) this.#forget(prepared);
  }

  #forget({ trials, release }: Prepared): void {
    const kept = new Set(this.#live.trials.values());
    for (const trial of trials.values()) {
      if (kept.has(trial)) continue;
      this.#sweeper.remove(trial.filter.pool);
      trial.close();
    }
    release();
  }

  #failed({ name, digest }: Filter, requestId: string, { reason, detail, error }: FilterFailure): void {
    const line = this.#log.failure(name, requestId, reason, detail);
    if (line === undefined) return;
    const frames = framesOf(error);
    if (frames.length === 0) this.#log.write(line);
    else this.#post({ kind: "fault", line, digest, frames });
  }

  #stop(): undefined {
    this.#log.flush();
    this.#lines.flush();
  }

  #post(message: WorkerMessage): void {
    this.#port.postMessage(message);
  }
}

/** How long it works before it looks at what else there is. */
const TURN_MS = 5;

/** Of all candidates together: what they would keep in a store for longer is not compared. */
const STORE_BYTES = 16_777_216;

// As in a worker.
Error.stackTraceLimit = 50;

if (parentPort !== null) ShadowThread.serve(parentPort, workerData as WorkerData);
