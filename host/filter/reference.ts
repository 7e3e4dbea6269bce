import { pathToFileURL } from "node:url";
import type { HeldBody } from "../held-body.ts";
import { Reply, type RequestHead, ResponseHead, type Trailers } from "../message.ts";
import type { Artifact } from "./artifact.ts";
import {
  type Awaitable,
  type BodyDecision,
  type ChunkDecision,
  ConfigRefused,
  type Environment,
  type ExchangeFacts,
  FilterFault,
  type FilterLimits,
  HOLD,
  type HostServices,
  type Instance,
  type Outcome,
  type Plan,
  RESET,
  type Saved,
} from "./contract.ts";
import { type Exhausted, Fuel, isMetered, type Refuelled } from "./fuel.ts";
import { checkReply, HeadAccess } from "./head-access.ts";
import {
  bufferOf,
  type JcoBodyDecision,
  type JcoChunkDecision,
  type JcoDecision,
  type JcoExchange,
  type JcoFilter,
  type JcoPlan,
  type JcoReply,
  type JcoState,
  type LinkedScript,
  liftedPlan,
  settled,
} from "./reference-exports.ts";
import { LentTrailers, Request, Response, referenceImports, textOf } from "./reference-imports.ts";
import { Services } from "./services.ts";

/** The script has to be imported once before instances can be made of it at once. */
export async function importScript(artifact: Artifact): Promise<LinkedScript> {
  return (await import(pathToFileURL(artifact.linked.script).href)) as LinkedScript;
}

/**
 * An instance that jco links and calls: the reference that the direct path must agree with, and the way to run a
 * component whose shape the direct path does not know.
 */
export class ReferenceInstance implements Instance, Refuelled {
  readonly #limits: FilterLimits;
  readonly #services: Services;
  readonly #access: HeadAccess;
  readonly #filter: JcoFilter;
  readonly #state: JcoState | undefined;
  /** One for each of its modules that has code. */
  readonly #fuels: Fuel[] = [];
  #memory: WebAssembly.Memory | undefined;
  #exchange: JcoExchange | undefined;
  #exchanges = 0;

  constructor(
    script: LinkedScript,
    artifact: Artifact,
    host: HostServices,
    limits: FilterLimits,
    environment: Environment,
  ) {
    this.#limits = limits;
    this.#services = new Services(host, limits, environment);
    this.#access = new HeadAccess(limits);
    const moduleOf = (name: string): WebAssembly.Module =>
      artifact.linked.modules[name] as WebAssembly.Module;
    const { filter, state } = script.instantiate(
      moduleOf,
      referenceImports(this.#services),
      (module, imports) => {
        const instance = new WebAssembly.Instance(module, imports);
        if (module === artifact.main) this.#memory = instance.exports["memory"] as WebAssembly.Memory;
        if (isMetered(instance.exports)) this.#fuels.push(new Fuel(instance.exports, limits.fuel));
        if (this.#fuels.length > MODULES_MAX)
          throw new FilterFault(`the component is made of more than ${MODULES_MAX} modules`, "size");
        return instance;
      },
    );
    this.#filter = filter;
    this.#state = state;
  }

  configure(config: string): Plan {
    let plan: JcoPlan;
    this.#refill();
    try {
      plan = this.#filter.configure(config);
    } catch (error) {
      // jco throws an error of the component's own as it is: here a string.
      if (typeof error !== "string") throw error;
      this.#services.flush();
      throw new ConfigRefused(this.#services.secrets.redacted(error));
    }
    this.#services.flush();
    return liftedPlan(plan);
  }

  save(): Saved {
    const state = this.#apart().save();
    this.#services.flush();
    return state.length > this.#limits.stateBytesMax ? state.length : state;
  }

  restore(digest: string, state: Uint8Array): string | undefined {
    try {
      this.#apart().restore(digest, state);
    } catch (error) {
      if (typeof error !== "string") throw error;
      this.#services.flush();
      return this.#services.secrets.redacted(error);
    }
    this.#services.flush();
    return undefined;
  }

  open(facts: ExchangeFacts): void {
    this.#exchanges += 1;
    this.#services.open(facts);
    this.#refill();
    this.#exchange = new this.#filter.Exchange();
  }

  onRequest(head: RequestHead): Awaitable<Reply | undefined> {
    this.#access.openRequest(head);
    return settled(this.#open().onRequest(new Request(this.#access)), (it) => this.#decision(it));
  }

  onRequestChunk(chunk: Buffer, last: boolean): Awaitable<ChunkDecision> {
    return settled(this.#open().onRequestChunk(chunk, last ? "last" : "more"), (it) =>
      this.#chunkDecision(it),
    );
  }

  onRequestBody(head: RequestHead, body: HeldBody): Awaitable<BodyDecision> {
    this.#access.openRequest(head);
    return settled(this.#open().onRequestBody(new Request(this.#access), body.whole()), (it) =>
      this.#bodyDecision(it),
    );
  }

  onRequestTrailers(trailers: Trailers): Awaitable<Reply | undefined> {
    this.#access.openTrailers(trailers);
    return settled(this.#open().onRequestTrailers(new LentTrailers(this.#access)), (it) =>
      this.#decision(it),
    );
  }

  onResponse(head: ResponseHead): Awaitable<Reply | undefined> {
    this.#access.openResponse(head);
    return settled(this.#open().onResponse(new Response(this.#access)), (it) => this.#decision(it));
  }

  onResponseChunk(chunk: Buffer, last: boolean): Awaitable<ChunkDecision> {
    return settled(this.#open().onResponseChunk(chunk, last ? "last" : "more"), (it) =>
      this.#chunkDecision(it),
    );
  }

  onResponseBody(head: ResponseHead, body: HeldBody): Awaitable<BodyDecision> {
    this.#access.openResponse(head);
    return settled(this.#open().onResponseBody(new Response(this.#access), body.whole()), (it) =>
      this.#bodyDecision(it),
    );
  }

  onResponseTrailers(trailers: Trailers): Awaitable<Reply | undefined> {
    this.#access.openTrailers(trailers);
    return settled(this.#open().onResponseTrailers(new LentTrailers(this.#access)), (it) =>
      this.#decision(it),
    );
  }

  onEnd(outcome: Outcome): Awaitable<void> {
    const over = this.#open().onEnd({
      ending: outcome.ending,
      status: outcome.status === 0 ? undefined : outcome.status,
      durationUs: BigInt(Math.round(outcome.durationUs)),
      requestBytes: BigInt(outcome.requestBytes),
      responseBytes: BigInt(outcome.responseBytes),
    });
    return settled(over, () => this.#services.flush());
  }

  hurry(): void {
    this.#services.hurry();
  }

  close(): void {
    this.#open()[Symbol.dispose]();
    this.#exchange = undefined;
    this.#services.close();
  }

  lastWords(): string {
    return this.#services.takeSaid();
  }

  get exhausted(): Exhausted | undefined {
    return this.#fuels.find((fuel) => fuel.exhausted !== undefined)?.exhausted;
  }

  set fuelMax(units: number) {
    for (const fuel of this.#fuels) fuel.most = units;
  }

  get fuelUsed(): number {
    return this.#fuels.reduce((sum, fuel) => sum + fuel.used, 0);
  }

  get memoryBytes(): number {
    return this.#memory?.buffer.byteLength ?? 0;
  }

  get exchanges(): number {
    return this.#exchanges;
  }

  #refill(): void {
    for (const fuel of this.#fuels) fuel.refill();
  }

  /** The state, for a call that begins and is part of no exchange. */
  #apart(): JcoState {
    if (this.#state === undefined) throw new FilterFault("the component exports no state");
    this.#services.apart();
    this.#refill();
    return this.#state;
  }

  /** The exchange, for a call that begins. */
  #open(): JcoExchange {
    if (this.#exchange === undefined) throw new FilterFault("no exchange is open");
    this.#refill();
    return this.#exchange;
  }

  #decision(decision: JcoDecision): Reply | undefined {
    this.#services.flush();
    if (decision.tag === "proceed") {
      this.#access.commit();
      return undefined;
    }
    this.#access.abandon();
    return this.#reply(decision.val);
  }

  #chunkDecision(decision: JcoChunkDecision): ChunkDecision {
    this.#services.flush();
    if (decision.tag === "pass") return undefined;
    if (decision.tag === "replace") return bufferOf(decision.val);
    if (decision.tag === "hold") return HOLD;
    return decision.tag === "reply" ? this.#reply(decision.val) : RESET;
  }

  #bodyDecision(decision: JcoBodyDecision): BodyDecision {
    this.#services.flush();
    if (decision.tag === "reply") {
      this.#access.abandon();
      return this.#reply(decision.val);
    }
    const body = decision.tag === "replace" ? bufferOf(decision.val) : undefined;
    this.#access.commit();
    return body;
  }

  #reply({ status, headers, body }: JcoReply): Reply {
    const fields = headers.flatMap(([name, value]) => [name, textOf(value)]);
    return checkReply(new Reply(new ResponseHead(status, fields), body), this.#limits);
  }
}

/** Each module of a component has memory and fuel of its own, so that their number is what bounds the sum. */
const MODULES_MAX = 16;
