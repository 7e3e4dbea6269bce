import type { HeldBody } from "../held-body.ts";
import { Reply, type RequestHead, type ResponseHead, type Trailers } from "../message.ts";
import {
  type Awaitable,
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
  type Saved,
} from "./contract.ts";
import {
  type AfterCall,
  type Core,
  coreOf,
  type CoreState,
  coreStateOf,
  REQUIRED,
  REQUIRED_OF_STATE,
} from "./core-exports.ts";
import { coreImports, Lent } from "./core-imports.ts";
import { withoutPatch } from "./core-wasi.ts";
import { CALL, type Exhausted, Fuel, type Refuelled } from "./fuel.ts";
import { GuestMemory, type Realloc } from "./guest-memory.ts";
import { HeadAccess } from "./head-access.ts";
import type { CoreImports } from "./imports/core.ts";
import { WAITING } from "./imports/http-client.ts";
import { STORED_ELSEWHERE } from "./imports/remote-store.ts";
import {
  loadBodyDecision,
  loadBodyMode,
  loadChunkDecision,
  loadDecision,
  loadRefusal,
  loadSaved,
} from "./lifting.ts";
import { planOf } from "./plan.ts";
import { Services } from "./services.ts";

/**
 * An instance whose core exports the host calls itself, through the canonical ABI of this one contract.
 *
 * Only the component's main module is instantiated: `imports` holds all that it may ask for, so that none of the shims
 * of the component are needed.
 */
export class DirectInstance implements Instance, Refuelled {
  readonly #limits: FilterLimits;
  readonly #services: Services;
  readonly #access: HeadAccess;
  readonly #request: Lent;
  readonly #response: Lent;
  readonly #trailers: Lent;
  readonly #memory: GuestMemory;
  readonly #core: Core;
  readonly #state: CoreState;
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
    this.#core = coreOf(exports, waits(module, host.store.remote !== undefined));
    this.#state = coreStateOf(exports);
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

  save(): Saved {
    this.#services.apart();
    const out = this.#state.save() >>> 0;
    this.#services.flush();
    const saved = loadSaved(this.#memory, out, this.#limits);
    this.#state.afterSave(out);
    return saved;
  }

  restore(digest: string, state: Uint8Array): string | undefined {
    this.#services.apart();
    this.#fuel.refill();
    const from = this.#memory.lowerBytes(Buffer.from(digest, "latin1"));
    const at = this.#memory.lowerBytes(state);
    const out = this.#state.restore(from, digest.length, at, state.length) >>> 0;
    this.#services.flush();
    const refusal = loadRefusal(this.#memory, out);
    this.#state.afterRestore(out);
    return refusal === undefined ? undefined : this.#services.secrets.redacted(refusal);
  }

  open(facts: ExchangeFacts): void {
    this.#exchanges += 1;
    this.#services.open(facts);
    this.#exchange = this.#core.open();
  }

  onRequest(head: RequestHead): Awaitable<Reply | undefined> {
    this.#access.openRequest(head);
    const core = this.#core;
    const out = core.onRequest(this.#exchange, this.#request.lend());
    return typeof out === "number"
      ? this.#decision(out, this.#request, core.afterRequest)
      : out.then((late) => this.#decision(late, this.#request, core.afterRequest));
  }

  onRequestChunk(chunk: Buffer, last: boolean): Awaitable<ChunkDecision> {
    const core = this.#core;
    this.#fuel.refill();
    const at = this.#memory.lowerBytes(chunk);
    const out = core.onRequestChunk(this.#exchange, at, chunk.length, last ? 1 : 0);
    return typeof out === "number"
      ? this.#chunkDecision(out, core.afterRequestChunk)
      : out.then((late) => this.#chunkDecision(late, core.afterRequestChunk));
  }

  onRequestBody(head: RequestHead, body: HeldBody): Awaitable<BodyDecision> {
    this.#access.openRequest(head);
    const core = this.#core;
    this.#fuel.refill();
    const at = this.#memory.lowerBody(body);
    const out = core.onRequestBody(this.#exchange, this.#request.lend(), at, body.length);
    return typeof out === "number"
      ? this.#bodyDecision(out, this.#request, core.afterRequestBody)
      : out.then((late) => this.#bodyDecision(late, this.#request, core.afterRequestBody));
  }

  onRequestTrailers(trailers: Trailers): Awaitable<Reply | undefined> {
    this.#access.openTrailers(trailers);
    const core = this.#core;
    const out = core.onRequestTrailers(this.#exchange, this.#trailers.lend());
    return typeof out === "number"
      ? this.#decision(out, this.#trailers, core.afterRequestTrailers)
      : out.then((late) => this.#decision(late, this.#trailers, core.afterRequestTrailers));
  }

  onResponse(head: ResponseHead): Awaitable<Reply | undefined> {
    this.#access.openResponse(head);
    const core = this.#core;
    const out = core.onResponse(this.#exchange, this.#response.lend());
    return typeof out === "number"
      ? this.#decision(out, this.#response, core.afterResponse)
      : out.then((late) => this.#decision(late, this.#response, core.afterResponse));
  }

  onResponseChunk(chunk: Buffer, last: boolean): Awaitable<ChunkDecision> {
    const core = this.#core;
    this.#fuel.refill();
    const at = this.#memory.lowerBytes(chunk);
    const out = core.onResponseChunk(this.#exchange, at, chunk.length, last ? 1 : 0);
    return typeof out === "number"
      ? this.#chunkDecision(out, core.afterResponseChunk)
      : out.then((late) => this.#chunkDecision(late, core.afterResponseChunk));
  }

  onResponseBody(head: ResponseHead, body: HeldBody): Awaitable<BodyDecision> {
    this.#access.openResponse(head);
    const core = this.#core;
    this.#fuel.refill();
    const at = this.#memory.lowerBody(body);
    const out = core.onResponseBody(this.#exchange, this.#response.lend(), at, body.length);
    return typeof out === "number"
      ? this.#bodyDecision(out, this.#response, core.afterResponseBody)
      : out.then((late) => this.#bodyDecision(late, this.#response, core.afterResponseBody));
  }

  onResponseTrailers(trailers: Trailers): Awaitable<Reply | undefined> {
    this.#access.openTrailers(trailers);
    const core = this.#core;
    const out = core.onResponseTrailers(this.#exchange, this.#trailers.lend());
    return typeof out === "number"
      ? this.#decision(out, this.#trailers, core.afterResponseTrailers)
      : out.then((late) => this.#decision(late, this.#trailers, core.afterResponseTrailers));
  }

  onEnd(outcome: Outcome): Awaitable<void> {
    const over = this.#core.onEnd(
      this.#exchange,
      ENDINGS.indexOf(outcome.ending),
      outcome.status === 0 ? 0 : 1,
      outcome.status,
      BigInt(Math.round(outcome.durationUs)),
      BigInt(outcome.requestBytes),
      BigInt(outcome.responseBytes),
    );
    if (over !== undefined) return over.then(() => this.#services.flush());
    this.#services.flush();
  }

  hurry(): void {
    this.#services.hurry();
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

  set fuelMax(units: number) {
    this.#fuel.most = units;
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
  #decision(out: number, lent: Lent, after: AfterCall): Reply | undefined {
    this.#returned(lent);
    const reply = loadDecision(this.#memory, out >>> 0, this.#limits);
    if (reply === undefined) this.#access.commit();
    else this.#access.abandon();
    after(out);
    return reply;
  }

  #chunkDecision(out: number, after: AfterCall): ChunkDecision {
    this.#services.flush();
    const decision = loadChunkDecision(this.#memory, out >>> 0, this.#limits);
    after(out);
    return decision;
  }

  /** As `#decision`, of a `types.body-decision`. */
  #bodyDecision(out: number, lent: Lent, after: AfterCall): BodyDecision {
    this.#returned(lent);
    const decision = loadBodyDecision(this.#memory, out >>> 0, this.#limits);
    if (decision instanceof Reply) this.#access.abandon();
    else this.#access.commit();
    after(out);
    return decision;
  }

  #returned(lent: Lent): void {
    this.#services.flush();
    if (!lent.returned)
      throw new FilterFault("the call returned without dropping the handle that it was lent", "handle");
  }
}

/**
 * Whether the direct path can give this module all that it imports, and finds all that it must export: of a component with a
 * state that, too.
 */
export function isDirect(module: WebAssembly.Module, state: boolean): boolean {
  const exported = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
  const required = [...REQUIRED, ...(state ? REQUIRED_OF_STATE : []), "memory", "cabi_realloc"];
  if (!required.every((name) => exported.has(name))) return false;
  const nobody = (): never => {
    throw new Error("called before there is an instance");
  };
  const known = coreImports(nobody, NO_LENT, NO_LENT, NO_LENT, NO_SERVICES);
  return WebAssembly.Module.imports(module).every(
    ({ module: from, name, kind }) => kind === "function" && known[withoutPatch(from)]?.[name] !== undefined,
  );
}

/** Whether a module has an import that may wait: its phases are then called in a way that lets them. */
function waits(module: WebAssembly.Module, storedElsewhere: boolean): boolean {
  return WebAssembly.Module.imports(module).some(
    ({ module: from }) => WAITING.has(from) || (storedElsewhere && STORED_ELSEWHERE.includes(from)),
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
const NO_SERVICES = { environment: [], store: { remote: undefined } } as never;
