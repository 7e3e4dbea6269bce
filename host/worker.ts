import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Admission } from "./admission.ts";
import { Assembly, type AssemblyOwner, EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX } from "./assembly.ts";
import {
  type Answers,
  faultOf,
  type HandedConnection,
  type HandedShadows,
  INSTANCES,
  OPEN,
  type Order,
  type OrderMessage,
  type PreparedFilter,
  PULSE,
  TAKEN,
  type WorkerData,
  type WorkerMessage,
} from "./control/messages.ts";
import { Exchange, type ExchangeHost } from "./exchange.ts";
import type { Failure } from "./failure.ts";
import { type FilterFailure, framesOf } from "./filter/fault.ts";
import type { Filter } from "./filter/filter.ts";
import { InstanceBudget } from "./filter/budget.ts";
import type { Client } from "./http1/client.ts";
import { Forwarding } from "./forwarding.ts";
import { HeadParser } from "./http1/head-parser.ts";
import { Tunnel } from "./http1/tunnel.ts";
import type { Generation, Route } from "./generation.ts";
import { Listener, type ListenerOwner } from "./listener.ts";
import { SharedStore } from "./store/shared-store.ts";
import { Sweeper } from "./sweeper.ts";
import { ExchangeLog } from "./ops/exchange-log.ts";
import type { ListenerMaterial } from "./tls/material.ts";
import { ShadowQueue } from "./trial/shadow-queue.ts";
import { FilterLog } from "./ops/filter-log.ts";
import { LineBatch } from "./ops/line-batch.ts";
import { UpstreamLog } from "./ops/upstream-log.ts";
import { type HandshakeFailure, NO_ROUTE, type RouteMeter, WorkerMeter } from "./ops/meter.ts";

/** A data worker: listeners, and the generation that serves what they accept. The main thread gives it orders. */
class DataWorker implements ListenerOwner, ExchangeHost, AssemblyOwner {
  readonly #port: MessagePort;
  readonly #data: WorkerData;
  readonly #meter = new WorkerMeter();
  readonly #lines: LineBatch;
  readonly #exchangeLog: ExchangeLog;
  readonly #filterLog: FilterLog;
  readonly #assembly: Assembly;
  readonly budget: InstanceBudget;
  readonly shadows: ShadowQueue = new ShadowQueue();
  /** What the main thread was told last. */
  #quarantined: readonly string[] = [];
  readonly #admission: Admission;
  readonly #unrouted: RouteMeter;
  readonly #sweeper = new Sweeper();
  readonly #listeners: Listener[] = [];
  readonly #prepared = new Map<number, Generation>();
  #live: Generation | undefined;
  /** Ids of different workers and processes differ in their first part, those of one worker in their second. */
  readonly #idPrefix = randomBytes(9).toString("base64url");
  #ids = 0;

  private constructor(port: MessagePort, data: WorkerData) {
    const { config, id } = data;
    this.#port = port;
    this.#data = data;
    this.budget = new InstanceBudget(data.instances, data.vitals, INSTANCES, config.limits.instancesTotalMax);
    this.#lines = new LineBatch((lines) => this.#post({ kind: "lines", lines }));
    const logged = config.log.exchanges && LOGGED_LEVELS.has(config.log.level);
    this.#exchangeLog = new ExchangeLog(this.#lines, id, logged);
    this.#filterLog = new FilterLog(this.#lines, id, config.log.level, {
      linesMax: config.limits.logRateMax,
      failuresMax: config.limits.failureLinesMax,
      dropped: () => {
        this.#meter.logLinesDropped += 1;
      },
    });
    this.#sweeper.add(this.#filterLog);
    this.#assembly = new Assembly(
      this.#meter,
      this.#filterLog,
      new UpstreamLog(this.#lines, id, config.log.level),
      this.#sweeper,
      this,
      new SharedStore(data.store, id),
    );
    this.#unrouted = this.#meter.route(NO_ROUTE);
    const { limits, timeouts } = config;
    this.#admission = new Admission({
      exchangesMax: limits.exchangesMax,
      delayMsMax: timeouts.eventLoopDelayMs,
    });
    this.#sweeper.add(this.#admission);
    this.#sweeper.add({ sweep: () => void Atomics.add(data.vitals, PULSE, 1) });
  }

  static serve(port: MessagePort, data: WorkerData): void {
    const worker = new DataWorker(port, data);
    port.on("message", (message: OrderMessage | HandedConnection | HandedShadows) => {
      if ("socket" in message) worker.#adopt(message);
      else if ("shadows" in message) worker.shadows.connect(message.shadows);
      else void worker.#obey(message);
    });
  }

  arrived(client: Client): void {
    const refusal = this.#admission.refusal(this.#meter.exchangesInFlight);
    if (refusal !== undefined) {
      this.refused(refusal.failure);
      return client.reply(refusal.reply, refusal.reply.head);
    }
    this.#meter.exchangesInFlight += 1;
    new Exchange(this, this.#live as Generation, client).begin();
  }

  refused(failure: Failure): void {
    this.#meter.failed(failure.code);
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

  get viaName(): string {
    return this.#data.viaName;
  }

  tunnel(exchange: Exchange, client: Socket, server: Socket): void {
    const tunnel = new Tunnel(client, server, this.#data.config.timeouts.tunnelIdleMs, {
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
    (route?.meter ?? this.#unrouted).record(exchange.status, exchange.durationMs / 1000);
    if (exchange.failure !== undefined) this.#meter.failed(exchange.failure.code);
    this.#exchangeLog.write(exchange);
  }

  filterFailed({ name, digest }: Filter, requestId: string, { reason, detail, error }: FilterFailure): void {
    const line = this.#filterLog.failure(name, requestId, reason, detail);
    if (line === undefined) return;
    const frames = framesOf(error);
    if (frames.length === 0) this.#filterLog.write(line);
    else this.#post({ kind: "fault", line, digest, frames });
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
    const filters = this.#live?.quarantined() ?? [];
    if (filters.join() === this.#quarantined.join()) return;
    for (const name of this.#quarantined) this.#meter.filter(name).quarantined = 0;
    for (const name of filters) this.#meter.filter(name).quarantined = 1;
    this.#quarantined = filters;
    this.#post({ kind: "quarantined", filters });
  }

  async #obey({ id, order }: OrderMessage): Promise<void> {
    try {
      this.#post({ kind: "done", id, value: await this.#carryOut(order) });
    } catch (error) {
      this.#post({
        kind: "failed",
        id,
        fault: faultOf(error),
        sentence: error instanceof Error ? error.message : String(error),
      });
    }
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
        return this.#open(order.tls);
      case "renew":
        return this.#renew(order.listener, order.tls);
      case "snapshot":
        return this.#meter.snapshot();
      case "trials":
        return this.#meter.trials();
      case "drain":
        return this.#drain();
      case "stop":
        return this.#stop();
    }
  }

  async #prepare(order: Extract<Order, { kind: "prepare" }>): Promise<readonly PreparedFilter[]> {
    const { generation, filters } = await this.#assembly.build(
      order.generation,
      order.config,
      order.artifacts,
      order.materials,
      order.secrets,
    );
    this.#prepared.set(order.generation, generation);
    return filters;
  }

  #commit(number: number): undefined {
    const next = this.#prepared.get(number);
    if (next === undefined) throw new Error(`generation ${number} is not prepared`);
    this.#prepared.delete(number);
    const last = this.#live;
    this.#live = next;
    this.#tellQuarantined();
    last?.retire();
  }

  #abandon(number: number): undefined {
    this.#prepared.get(number)?.retire();
    this.#prepared.delete(number);
  }

  #adopt({ listener, socket }: HandedConnection): void {
    Atomics.add(this.#data.vitals, TAKEN, 1);
    const taker = this.#listeners[listener];
    if (taker === undefined) socket.destroy();
    else taker.take(socket);
  }

  #open(tls: ListenerMaterial | null): undefined {
    const { limits, timeouts, listen } = this.#data.config;
    const parser = new HeadParser({ fieldsMax: limits.clientHeadersMax });
    const listener = new Listener(
      {
        headBytesMax: limits.clientHeadBytesMax,
        targetBytesMax: limits.clientTargetBytesMax,
        bodyBytesMax: limits.clientBodyBytesMax,
        extensionBytesMax: EXTENSION_BYTES_MAX,
        trailerBytesMax: TRAILER_BYTES_MAX,
        headMs: timeouts.clientHeadMs,
        requestMs: timeouts.clientRequestMs,
        bodyMs: timeouts.clientBodyMs,
        idleMs: timeouts.clientIdleMs,
        writeMs: timeouts.clientWriteMs,
        halfClosedMs: timeouts.clientHalfClosedMs,
        lingerMs: LINGER_MS,
      },
      parser,
      this.#sweeper,
      tls,
      // Listeners are opened in the order of the file.
      listen[this.#listeners.length]?.proxyProtocol ?? false,
      new Forwarding(this.#data.config.forwarded),
      this,
    );
    this.#listeners.push(listener);
  }

  #renew(listener: number, tls: ListenerMaterial): undefined {
    this.#listeners[listener]?.renew(tls);
  }

  async #drain(): Promise<undefined> {
    await Promise.all(this.#listeners.map((listener) => listener.drain()));
    this.#flush();
  }

  async #stop(): Promise<undefined> {
    await Promise.all(this.#listeners.map((listener) => listener.destroy()));
    // A tunnel has ended when its server's socket has closed, too; only then there is a line of its exchange.
    while (this.#meter.tunnelsOpen > 0) await nextTurn();
    this.#assembly.close();
    this.#flush();
  }

  #flush(): void {
    this.#filterLog.flush();
    this.#lines.flush();
  }

  #post(message: WorkerMessage): void {
    this.#port.postMessage(message);
  }
}

/** Exchanges are logged at level info. */
const LOGGED_LEVELS: ReadonlySet<string> = new Set(["trace", "debug", "info"]);

/** How long a client may take to close after the last response of a connection. */
const LINGER_MS = 2_000;

// A panic's own machinery is about ten frames, and a filter's code comes below it.
Error.stackTraceLimit = 50;

if (parentPort !== null) DataWorker.serve(parentPort, workerData as WorkerData);
