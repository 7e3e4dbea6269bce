import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { Frame } from "../filter/fault.ts";
import type { CapsuleMessage } from "../record/capsule-taker.ts";
import type { RecordedLines } from "../record/worker-recordings.ts";
import type { TracedExchange } from "../trace/traced-exchange.ts";
import type {
  Answers,
  Fault,
  Order,
  OrderMessage,
  WorkerData,
  WorkerMessage,
  HandedConnection,
  HandedShadows,
} from "./messages.ts";

/** An order that a worker could not carry out. */
export class OrderFailed extends Error {
  override readonly name = "OrderFailed";
  readonly fault: Fault;

  constructor(fault: Fault, sentence: string) {
    super(sentence);
    this.fault = fault;
  }
}

/**
 * V8 collects a heap of ten megabytes as soon as it has doubled, and counts the memories of instances: each has more than one. Changes that
 * follow each other so had every worker stop for 4 to 12 ms after each seventh. With this much room at first it
 * collects as the heap itself asks for it. Holds for the threads that are started from now on.
 */
setFlagsFromString("--initial-old-space-size=64");

/** What the main thread hears of a worker besides answers. */
export interface WorkerLinkOwner {
  lines(lines: string): void;
  fault(line: string, digest: string, frames: readonly Frame[]): void;
  quarantined(filters: readonly string[]): void;
  drained(link: WorkerLink, generation: number): void;
  /** Something was recorded. */
  recorded(message: RecordedLines | CapsuleMessage): void;
  /** Sampled exchanges have ended. */
  traced(exchanges: readonly TracedExchange[]): void;
  /** The thread has ended, asked or not. Comes once. */
  ended(link: WorkerLink, error: Error | undefined): void;
}

/** The main thread's end of one data worker. */
export class WorkerLink {
  readonly id: number;
  readonly #worker: Worker;
  readonly #owner: WorkerLinkOwner;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #last = 0;
  #error: Error | undefined;
  #ended = false;

  /** `entry`: what the thread runs; a data worker, or the thread of shadows, which takes some of the same orders. */
  constructor(data: WorkerData, owner: WorkerLinkOwner, entry: "worker" | "shadow-thread" = "worker") {
    this.id = data.id;
    this.#owner = owner;
    const path = entry === "worker" ? "../worker" : "../trial/shadow-thread";
    const file = import.meta.url.endsWith(".ts") ? `${path}.ts` : `${path}.js`;
    this.#worker = new Worker(new URL(file, import.meta.url), {
      workerData: data,
      name: entry === "worker" ? `sluice-${data.id}` : "sluice-shadows",
    });
    this.#worker.on("message", (message: WorkerMessage) => this.#heard(message));
    this.#worker.on("error", (error: Error) => {
      this.#error = error;
    });
    this.#worker.on("exit", () => this.#exited());
  }

  /** Rejects with an `OrderFailed` when the worker cannot, or is gone. */
  ask<Kind extends Order["kind"]>(order: Extract<Order, { kind: Kind }>): Promise<Answers[Kind]> {
    if (this.#ended) return Promise.reject(new OrderFailed("host", `worker ${this.id} has ended`));
    this.#last += 1;
    const message: OrderMessage = { id: this.#last, order };
    return new Promise((resolve, reject) => {
      this.#waiting.set(message.id, { resolve, reject });
      this.#worker.postMessage(message);
    });
  }

  /** Gives a connection away: it is this thread's no more, whatever happens to the worker. */
  hand(connection: HandedConnection): void {
    try {
      // A socket can be transferred (Node 26.6); the published types do not say so.
      this.#worker.postMessage(connection, [connection.socket as never]);
    } catch {
      // It has ended before it could be given away.
      connection.socket.destroy();
    }
  }

  /** Gives away one end of the way between a worker and the thread of shadows. */
  give(shadows: HandedShadows): void {
    this.#worker.postMessage(shadows, [shadows.shadows]);
  }

  /** Ends a thread that may never answer again; `ended` follows, with the reason. */
  kill(reason: string): void {
    this.#error ??= new Error(reason);
    void this.#worker.terminate();
  }

  /** CPU time that the thread has used, in milliseconds; told by the system, whatever the thread is doing. */
  async cpuMs(): Promise<number> {
    const { user, system } = await this.#worker.cpuUsage();
    return (user + system) / 1000;
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #heard(message: WorkerMessage): void {
    if (message.kind === "lines") return this.#owner.lines(message.lines);
    if (message.kind === "fault") return this.#owner.fault(message.line, message.digest, message.frames);
    if (message.kind === "quarantined") return this.#owner.quarantined(message.filters);
    if (message.kind === "drained") return this.#owner.drained(this, message.generation);
    if (message.kind === "recorded" || message.kind === "capsule") return this.#owner.recorded(message);
    if (message.kind === "traced") return this.#owner.traced(message.exchanges);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === "done") waiting?.resolve(message.value as never);
    else waiting?.reject(new OrderFailed(message.fault, message.sentence));
  }

  #exited(): void {
    this.#ended = true;
    const reason = this.#error === undefined ? "" : `: ${this.#error.message}`;
    for (const { reject } of this.#waiting.values())
      reject(new OrderFailed("host", `worker ${this.id} has ended${reason}`));
    this.#waiting.clear();
    this.#owner.ended(this, this.#error);
  }
}
