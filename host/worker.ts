import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { AddressKey } from "./address-key.ts";
import { Admission, admissionOf } from "./admission.ts";
import { Assembly, type AssemblyOwner } from "./assembly.ts";
import type { Config, LogLevel } from "./config/config.ts";
import {
  type Answers,
  type HandedConnection,
  type HandedShadows,
  INSTANCES,
  OPEN,
  type Order,
  type OrderMessage,
  type PreparedFilter,
  TAKEN,
  type WorkerData,
  type WorkerMessage,
} from "./control/messages.ts";
import { showPulse } from "./control/pulse-watch.ts";
import { obey } from "./control/obeying.ts";
import { Exchange, type ExchangeHost } from "./exchange.ts";
import type { Failure } from "./failure.ts";
import { type FilterFailure, framesOf } from "./filter/fault.ts";
import type { Filter } from "./filter/filter.ts";
import { InstanceBudget } from "./filter/budget.ts";
import type { Client } from "./http1/client.ts";
import { Tunnel } from "./http1/tunnel.ts";
import type { Generation, Route } from "./generation.ts";
import { Generations } from "./generations.ts";
import type { ListenerOwner } from "./listener.ts";
import { loadObserver, type Observer } from "./observer.ts";
import { Reception } from "./reception.ts";
import { SharedStore } from "./store/shared-store.ts";
import { Sweeper } from "./sweeper.ts";
import type { Timeline } from "./timeline.ts";
import { WorkerTraces } from "./trace/worker-traces.ts";
import { Chronicle } from "./ops/chronicle.ts";
import { ExchangeLog, type ExchangeLogRules, linesOf } from "./ops/exchange-log.ts";
import type { CapsuleMessage } from "./record/capsule-taker.ts";
import { WorkerRecordings } from "./record/worker-recordings.ts";
import { ShadowQueue } from "./trial/shadow-queue.ts";
import { FilterLog } from "./ops/filter-log.ts";
import { LineBatch } from "./ops/line-batch.ts";
import { Refusals } from "./ops/refusals.ts";
import { UpstreamLog } from "./ops/upstream-log.ts";
import { LoopMeter } from "./ops/loop-meter.ts";
import { type HandshakeFailure, NO_ROUTE, WorkerMeter } from "./ops/meter.ts";
import type { RouteMeter } from "./ops/route-meter.ts";

type Prepare = Extract<Order, { kind: "prepare" }>;

/** A data worker: listeners, and the generation that serves what they accept. The main thread gives it orders. */
class DataWorker implements ListenerOwner, ExchangeHost, AssemblyOwner {
  readonly #port: MessagePort;
  readonly #data: WorkerData;
  readonly #meter = new WorkerMeter();
  readonly #lines: LineBatch;
  readonly #exchangeLog: ExchangeLog;
  readonly #filterLog: FilterLog;
  readonly #upstreamLog: UpstreamLog;
  readonly #assembly: Assembly;
  readonly budget: InstanceBudget;
  readonly addresses: AddressKey;
  readonly observer: Observer | undefined;
  readonly shadows: ShadowQueue = new ShadowQueue();
  readonly #recordings = new WorkerRecordings((lines) => this.#post(lines));
  readonly #traces: WorkerTraces;
  /** What the main thread was told last. */
  #quarantined: readonly string[] = [];
  readonly #admission: Admission;
  readonly #unrouted: RouteMeter;
  readonly #sweeper = new Sweeper();
  readonly #reception: Reception;
  readonly #refusals = new Refusals();
  readonly #chronicle: Chronicle;
  readonly #generations = new Generations((generation) => this.#post({ kind: "drained", generation }));
  /** Of each generation that is prepared. */
  readonly #ready = new Map<number, Prepare>();
  #config: Config;
  /** Ids of different workers and processes differ in their first part, those of one worker in their second. */
  // An id is typed behind commands, and must not look like one of their options.
  readonly #idPrefix = randomBytes(9).toString("base64url").replace(/^-/, "_");
  #ids = 0;

  private constructor(port: MessagePort, data: WorkerData, observer: Observer | undefined) {
    const { config, id } = data;
    this.#port = port;
    this.#data = data;
    this.observer = observer;
    this.#config = config;
    this.addresses = new AddressKey(data.addressKey);
    this.budget = new InstanceBudget(data.instances, data.vitals, INSTANCES, config.limits.instancesTotalMax);
    this.#traces = new WorkerTraces(id, (message) => this.#post(message));
    this.#lines = new LineBatch((lines) => this.#post({ kind: "lines", lines }));
    this.#exchangeLog = new ExchangeLog(this.#lines, id, this.addresses, linesOf(config), config.log.level);
    this.#filterLog = new FilterLog(this.#lines, id, config.log.level, {
      linesMax: config.limits.logRateMax,
      failuresMax: config.limits.failureLinesMax,
      dropped: () => {
        this.#meter.logLinesDropped += 1;
      },
    });
    this.#sweeper.add(this.#filterLog);
    this.#upstreamLog = new UpstreamLog(this.#lines, id, config.log.level);
    this.#chronicle = new Chronicle(id, config.timelines);
    this.#assembly = new Assembly(
      this.#meter,
      this.#filterLog,
      this.#upstreamLog,
      this.#sweeper,
      this,
      new SharedStore(data.store, id),
    );
    this.#unrouted = this.#meter.route(NO_ROUTE);
    this.#admission = new Admission(admissionOf(config));
    this.#reception = new Reception(config, this.#sweeper, this);
    this.#sweeper.add(this.#admission);
    this.#meter.loop = new LoopMeter(data.place);
    this.#sweeper.add(this.#meter.loop);
    showPulse(data.vitals, this.#sweeper);
  }

  static serve(port: MessagePort, data: WorkerData, observer: Observer | undefined): void {
    const worker = new DataWorker(port, data, observer);
    port.on("message", (message: OrderMessage | HandedConnection | HandedShadows) => {
      if ("socket" in message) worker.#adopt(message);
      else if ("shadows" in message) worker.shadows.connect(message.shadows);
      else void obey(port, message, (order) => worker.#carryOut(order));
    });
  }

  arrived(client: Client): void {
    const refusal = this.#admission.refusal(this.#meter.exchangesInFlight);
    if (refusal !== undefined) {
      this.refused(refusal.failure);
      return client.reply(refusal.reply, refusal.reply.head);
    }
    this.#meter.exchangesInFlight += 1;
    new Exchange(this, this.#generations.live as Generation, client).begin();
  }

  refused(failure: Failure): void {
    this.#meter.refused(failure.code);
    this.#refusals.add(failure);
  }

  connections(change: number): void {
    this.#meter.connectionsOpen += change;
    Atomics.add(this.#data.vitals, OPEN, change);
  }

  handshakeFailed(reason: HandshakeFailure): void {
    this.#meter.handshakeFailed(reason);
  }

  nextRequestId(): string {
    this.#ids += 1;
    return this.#idPrefix + this.#ids.toString(36);
  }

  timeline(client: Client, requestId: string, beganMs: number): Timeline | undefined {
    const logged = this.#exchangeLog.wantsSteps(requestId) ? "passing" : undefined;
    return this.#traces.timeline(client, beganMs, this.#chronicle.wish(client.facts.debug) ?? logged);
  }

  get viaName(): string {
    return this.#data.viaName;
  }

  tunnel(exchange: Exchange, client: Socket, server: Socket): void {
    const tunnel = new Tunnel(client, server, this.#config.timeouts.tunnelIdleMs, {
      tunnelled: (fromClient, fromServer) => exchange.tunnelled(fromClient, fromServer),
      tunnelEnded: () => {
        this.#meter.tunnelsOpen -= 1;
        this.#sweeper.remove(tunnel);
        exchange.tunnelEnded();
      },
    });
    this.#meter.tunnelsOpen += 1;
    this.#sweeper.add(tunnel);
  }

  ended(exchange: Exchange, route: Route | undefined): void {
    this.#meter.exchangesInFlight -= 1;
    (route?.meter ?? this.#unrouted).ended(exchange);
    route?.slo?.count(exchange);
    if (exchange.failure !== undefined) this.#meter.failed(exchange.failure.code);
    this.#traces.ended(exchange, route?.pattern);
    this.#chronicle.ended(exchange);
    if (this.observer === undefined) this.#exchangeLog.write(exchange);
    else this.#lines.add(this.observer.line(exchange));
  }

  filterFailed({ name, digest }: Filter, requestId: string, { reason, detail, error }: FilterFailure): void {
    const line = this.#filterLog.failure(name, requestId, reason, detail);
    if (line === undefined) return;
    const frames = framesOf(error);
    if (frames.length === 0) this.#filterLog.write(line);
    else this.#post({ kind: "fault", line, digest, frames });
  }

  capsule(message: CapsuleMessage): void {
    this.#post(message);
  }

  quarantined(filter: string, forMs: number, failures: number, of: number): void {
    this.#filterLog.line("error", filter, undefined, "filter quarantined", [
      ["failures", `${failures} of ${of}`],
      ["for_ms", String(forMs)],
    ]);
    this.#tellQuarantined();
  }

  released(filter: string): void {
    this.#filterLog.line("info", filter, undefined, "filter released from quarantine", []);
    this.#tellQuarantined();
  }

  /** Of the live generation alone: a filter that was swapped begins anew, whatever its last exchanges still do. */
  #tellQuarantined(): void {
    const filters = this.#generations.live?.quarantined() ?? [];
    if (filters.join() === this.#quarantined.join()) return;
    for (const name of this.#quarantined) this.#meter.filter(name).quarantined = 0;
    for (const name of filters) this.#meter.filter(name).quarantined = 1;
    this.#quarantined = filters;
    this.#post({ kind: "quarantined", filters });
  }

  #carryOut(order: Order): Promise<Answers[keyof Answers]> | Answers[keyof Answers] {
    switch (order.kind) {
      case "prepare":
        return this.#prepare(order);
      case "commit":
        return this.#commit(order.generation);
      case "abandon":
        return this.#abandon(order.generation);
      case "open":
        return this.#reception.open(order.listener, order.tls, order.proxyProtocol);
      case "close":
        return this.#reception.close(order.listener);
      case "renew":
        return this.#reception.renew(order.listener, order.tls);
      case "generations":
        return this.#generations.loads();
      case "refusals":
        return this.#refusals.list();
      case "timelines":
        return this.#chronicle.list(order.requestId);
      case "level":
        return this.#keepLines(order.level);
      case "snapshot":
        return this.#meter.snapshot();
      case "trials":
        return this.#meter.trials();
      case "slos":
        return this.#meter.slos.snapshot();
      case "record":
        return this.#record(order);
      case "record-end":
        return this.#recordings.end(order.recording);
      case "drain":
        return this.#drain();
      case "stop":
        return this.#stop();
    }
  }

  async #prepare(order: Prepare): Promise<readonly PreparedFilter[]> {
    const { generation, filters } = await this.#assembly.build(
      order.generation,
      order.config,
      order.artifacts,
      order.materials,
      order.secrets,
      this.#generations.live,
    );
    this.#generations.prepare(generation);
    this.#ready.set(order.generation, order);
    return filters;
  }

  #commit(number: number): undefined {
    this.#generations.commit(number);
    const { config, debugKey, secrets } = this.#ready.get(number) as Prepare;
    this.#use(config, linesOf(config, secrets));
    this.#chronicle.use(config.timelines, debugKey);
    this.#ready.delete(number);
    this.#tellQuarantined();
  }

  #record({ recording, filter, request }: Extract<Order, { kind: "record" }>): undefined {
    const { live } = this.#generations;
    if (live === undefined) throw new Error("there is no generation to be recorded");
    this.#recordings.begin(recording, this.#assembly.recordable(live), filter, request);
  }

  #abandon(number: number): undefined {
    this.#generations.abandon(number);
    this.#ready.delete(number);
  }

  /** What of a configuration is no generation's, but the worker's own. */
  #use(config: Config, lines: ExchangeLogRules): void {
    const levelChanged = this.#config.log.level !== config.log.level;
    this.#traces.use(config.traces);
    this.#config = config;
    this.#admission.limits = admissionOf(config);
    this.budget.most = config.limits.instancesTotalMax;
    this.#reception.use(config);
    this.#exchangeLog.use(lines);
    if (levelChanged) this.#keepLines(config.log.level);
  }

  #keepLines(level: LogLevel): undefined {
    this.#filterLog.least = level;
    this.#upstreamLog.least = level;
    this.#exchangeLog.keep(level);
  }

  #adopt({ listener, socket }: HandedConnection): void {
    Atomics.add(this.#data.vitals, TAKEN, 1);
    this.#meter.connectionsAccepted += 1;
    this.#reception.take(listener, socket);
  }

  async #drain(): Promise<undefined> {
    await this.#reception.drain();
    this.#flush();
  }

  async #stop(): Promise<undefined> {
    await this.#reception.destroy();
    // A tunnel has ended when its server's socket has closed, too; only then there is a line of its exchange.
    while (this.#meter.tunnelsOpen > 0) await nextTurn();
    this.#assembly.close();
    this.#flush();
  }

  #flush(): void {
    this.#filterLog.flush();
    this.#lines.flush();
    this.#traces.flush();
  }

  #post(message: WorkerMessage): void {
    this.#port.postMessage(message);
  }
}

// A panic's own machinery is about ten frames, and a filter's code comes below it.
Error.stackTraceLimit = 50;

if (parentPort !== null) {
  const data = workerData as WorkerData;
  // Orders wait until there is somebody who listens for them.
  DataWorker.serve(parentPort, data, await loadObserver(data.observer));
}
