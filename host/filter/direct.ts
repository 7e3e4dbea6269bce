import type { HeldBody } from "../held-body.ts";
import { Reply, type RequestHead, type ResponseHead, type Trailers } from "../message.ts";
import {
  type BodyDecision,
  type ChunkDecision,
  ConfigRefused,
  ENDINGS,
  type Environment,
  type ExchangeFacts,
  FilterFault,
  type FilterLimits,
  type HostServices,
  type Instance,
  type Outcome,
  type Plan,
} from "./contract.ts";
import { type Core, coreOf, REQUIRED } from "./core-exports.ts";
import { coreImports, Lent } from "./core-imports.ts";
import { withoutPatch } from "./core-wasi.ts";
import { CALL, type Exhausted, Fuel } from "./fuel.ts";
import { GuestMemory, type Realloc } from "./guest-memory.ts";
import { HeadAccess } from "./head-access.ts";
import type { CoreImports } from "./imports/core.ts";
import { loadBodyDecision, loadBodyMode, loadChunkDecision, loadDecision } from "./lifting.ts";
import { planOf } from "./plan.ts";
import { Services } from "./services.ts";

/**
 * An instance whose core exports the host calls itself, through the canonical ABI of this one contract.
 *
 * Only the component's main module is instantiated: `imports` holds all that it may ask for, so that none of the shims
 * of the component are needed.
 */
export class DirectInstance implements Instance {
  readonly #limits: FilterLimits;
  readonly #services: Services;
  readonly #access: HeadAccess;
  readonly #request: Lent;
  readonly #response: Lent;
  readonly #trailers: Lent;
  readonly #memory: GuestMemory;
  readonly #core: Core;
  readonly #fuel: Fuel;
  /** The representation of the exchange resource, while one is open. */
  #exchange = 0;
  #exchanges = 0;

  constructor(
    module: WebAssembly.Module,
    host: HostServices,
    limits: FilterLimits,
    environment: Environment,
  ) {
    this.#limits = limits;
    this.#services = new Services(host, limits, environment);
    this.#access = new HeadAccess(limits);
    this.#request = new Lent(this.#access);
    this.#response = new Lent(this.#access);
    this.#trailers = new Lent(this.#access);
    const known = coreImports(
      () => this.#memory,
      this.#request,
      this.#response,
      this.#trailers,
      this.#services,
    );
    const { exports } = new WebAssembly.Instance(module, chosen(module, known));
    this.#memory = new GuestMemory(
      exports["memory"] as WebAssembly.Memory,
      exports["cabi_realloc"] as unknown as Realloc,
    );
    this.#core = coreOf(exports);
    this.#fuel = new Fuel(exports, limits.fuel);
    (exports[`${CALL}_initialize`] as (() => void) | undefined)?.();
  }

  configure(config: string): Plan {
    const memory = this.#memory;
    const length = Buffer.byteLength(config);
    this.#fuel.refill();
    const at = memory.allocate(length, 1);
    memory.bytes.utf8Write(config, at, length);
    const out = this.#core.configure(at, length) >>> 0;
    this.#services.flush();
    const view = memory.view;
    if (view.getUint8(out) !== 0) {
      const sentence = memory.utf8(view.getUint32(out + 4, true), view.getUint32(out + 8, true));
      this.#core.afterConfigure(out);
      throw new ConfigRefused(this.#services.secrets.redacted(sentence));
    }
    const plan = planOf(view.getUint8(out + 4), loadBodyMode(view, out + 8), loadBodyMode(view, out + 16));
    this.#core.afterConfigure(out);
    return plan;
  }

  open(facts: ExchangeFacts): void {
    this.#exchanges += 1;
    this.#services.open(facts);
    this.#exchange = this.#core.open();
  }

  onRequest(head: RequestHead): Reply | undefined {
    this.#access.openRequest(head);
    const core = this.#core;
    const out = core.onRequest(this.#exchange, this.#request.lend());
    const reply = this.#decision(out, this.#request);
    core.afterRequest(out);
    return reply;
  }

  onRequestChunk(chunk: Buffer, last: boolean): ChunkDecision {
    const core = this.#core;
    this.#fuel.refill();
    const at = this.#memory.lowerBytes(chunk);
    const out = core.onRequestChunk(this.#exchange, at, chunk.length, last ? 1 : 0);
    this.#services.flush();
    const decision = loadChunkDecision(this.#memory, out >>> 0, this.#limits);
    core.afterRequestChunk(out);
    return decision;
  }

  onRequestBody(head: RequestHead, body: HeldBody): BodyDecision {
    this.#access.openRequest(head);
    const core = this.#core;
    this.#fuel.refill();
    const at = this.#memory.lowerBody(body);
    const out = core.onRequestBody(this.#exchange, this.#request.lend(), at, body.length);
    const decision = this.#bodyDecision(out, this.#request);
    core.afterRequestBody(out);
    return decision;
  }

  onRequestTrailers(trailers: Trailers): Reply | undefined {
    this.#access.openTrailers(trailers);
    const core = this.#core;
    const out = core.onRequestTrailers(this.#exchange, this.#trailers.lend());
    const reply = this.#decision(out, this.#trailers);
    core.afterRequestTrailers(out);
    return reply;
  }

  onResponse(head: ResponseHead): Reply | undefined {
    this.#access.openResponse(head);
    const core = this.#core;
    const out = core.onResponse(this.#exchange, this.#response.lend());
    const reply = this.#decision(out, this.#response);
    core.afterResponse(out);
    return reply;
  }

  onResponseChunk(chunk: Buffer, last: boolean): ChunkDecision {
    const core = this.#core;
    this.#fuel.refill();
    const at = this.#memory.lowerBytes(chunk);
    const out = core.onResponseChunk(this.#exchange, at, chunk.length, last ? 1 : 0);
    this.#services.flush();
    const decision = loadChunkDecision(this.#memory, out >>> 0, this.#limits);
    core.afterResponseChunk(out);
    return decision;
  }

  onResponseBody(head: ResponseHead, body: HeldBody): BodyDecision {
    this.#access.openResponse(head);
    const core = this.#core;
    this.#fuel.refill();
    const at = this.#memory.lowerBody(body);
    const out = core.onResponseBody(this.#exchange, this.#response.lend(), at, body.length);
    const decision = this.#bodyDecision(out, this.#response);
    core.afterResponseBody(out);
    return decision;
  }

  onResponseTrailers(trailers: Trailers): Reply | undefined {
    this.#access.openTrailers(trailers);
    const core = this.#core;
    const out = core.onResponseTrailers(this.#exchange, this.#trailers.lend());
    const reply = this.#decision(out, this.#trailers);
    core.afterResponseTrailers(out);
    return reply;
  }

  onEnd(outcome: Outcome): void {
    this.#core.onEnd(
      this.#exchange,
      ENDINGS.indexOf(outcome.ending),
      outcome.status === 0 ? 0 : 1,
      outcome.status,
      BigInt(Math.round(outcome.durationUs)),
      BigInt(outcome.requestBytes),
      BigInt(outcome.responseBytes),
    );
    this.#services.flush();
  }

  close(): void {
    this.#core.close(this.#exchange);
    this.#services.close();
  }

  lastWords(): string {
    return this.#services.takeSaid();
  }

  get exhausted(): Exhausted | undefined {
    return this.#fuel.exhausted;
  }

  get fuelUsed(): number {
    return this.#fuel.used;
  }

  get memoryBytes(): number {
    return this.#memory.size;
  }

  get exchanges(): number {
    return this.#exchanges;
  }

  /** Lifts a `types.decision` and puts the call's edits into the message, or drops them for a reply. */
  #decision(out: number, lent: Lent): Reply | undefined {
    this.#returned(lent);
    const reply = loadDecision(this.#memory, out >>> 0, this.#limits);
    if (reply === undefined) this.#access.commit();
    else this.#access.abandon();
    return reply;
  }

  /** The same for a `types.body-decision`. */
  #bodyDecision(out: number, lent: Lent): BodyDecision {
    this.#returned(lent);
    const decision = loadBodyDecision(this.#memory, out >>> 0, this.#limits);
    if (decision instanceof Reply) this.#access.abandon();
    else this.#access.commit();
    return decision;
  }

  #returned(lent: Lent): void {
    this.#services.flush();
    if (!lent.returned)
      throw new FilterFault("the call returned without dropping the handle that it was lent", "handle");
  }
}

/** Whether the direct path can give this module all that it imports, and finds all that it must export. */
export function isDirect(module: WebAssembly.Module): boolean {
  const exported = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
  if (![...REQUIRED, "memory", "cabi_realloc"].every((name) => exported.has(name))) return false;
  const nobody = (): never => {
    throw new Error("called before there is an instance");
  };
  const known = coreImports(nobody, NO_LENT, NO_LENT, NO_LENT, NO_SERVICES);
  return WebAssembly.Module.imports(module).every(
    ({ module: from, name, kind }) => kind === "function" && known[withoutPatch(from)]?.[name] !== undefined,
  );
}

/** Of all that the host knows, what this module asks for, under the version that it asks for. */
function chosen(module: WebAssembly.Module, known: CoreImports): WebAssembly.Imports {
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    const found = known[withoutPatch(from)]?.[name];
    if (found === undefined) throw new Error(`the direct path knows no import ${from} ${name}`);
    const group = imports[from] ?? {};
    imports[from] = group;
    group[name] = found as WebAssembly.ImportValue;
  }
  return imports;
}

const NO_LENT = undefined as never;
const NO_SERVICES = { environment: [] } as never;
