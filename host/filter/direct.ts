import { type FieldList, Reply, type RequestHead, ResponseHead } from "../message.ts";
import {
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
import { coreImports, Lent } from "./core-imports.ts";
import { withoutPatch } from "./core-wasi.ts";
import { GuestMemory, type Realloc } from "./guest-memory.ts";
import { checkReply, HeadAccess } from "./head-access.ts";
import type { CoreImports } from "./imports/core.ts";
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
  readonly #memory: GuestMemory;
  readonly #core: Core;
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
    const known = coreImports(() => this.#memory, this.#request, this.#response, this.#services);
    const { exports } = new WebAssembly.Instance(module, chosen(module, known));
    this.#memory = new GuestMemory(
      exports["memory"] as WebAssembly.Memory,
      exports["cabi_realloc"] as unknown as Realloc,
    );
    this.#core = coreOf(exports);
    (exports["_initialize"] as (() => void) | undefined)?.();
  }

  configure(config: string): Plan {
    const memory = this.#memory;
    const length = Buffer.byteLength(config);
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
    const plan = planOf(view.getUint8(out + 4), loadBody(view, out + 8), loadBody(view, out + 16));
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

  onResponse(head: ResponseHead): Reply | undefined {
    this.#access.openResponse(head);
    const core = this.#core;
    const out = core.onResponse(this.#exchange, this.#response.lend());
    const reply = this.#decision(out, this.#response);
    core.afterResponse(out);
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

  get memoryBytes(): number {
    return this.#memory.size;
  }

  get exchanges(): number {
    return this.#exchanges;
  }

  /** Lifts a `types.decision` and puts the call's edits into the message, or drops them for a reply. */
  #decision(out: number, lent: Lent): Reply | undefined {
    this.#services.flush();
    if (!lent.returned)
      throw new FilterFault("the call returned without dropping the handle that it was lent", "handle");
    const view = this.#memory.view;
    const at = out >>> 0;
    const decision = view.getUint8(at);
    if (decision === PROCEED) {
      this.#access.commit();
      return undefined;
    }
    if (decision !== REPLY) throw new FilterFault(`${decision} is no case of a decision`);
    this.#access.abandon();
    return checkReply(loadReply(this.#memory, at + 4, this.#limits), this.#limits);
  }
}

/** Whether the direct path can give this module all that it imports, and finds all that it must export. */
export function isDirect(module: WebAssembly.Module): boolean {
  const exported = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
  if (![...REQUIRED, "memory", "cabi_realloc"].every((name) => exported.has(name))) return false;
  const nobody = (): never => {
    throw new Error("called before there is an instance");
  };
  const known = coreImports(nobody, NO_LENT, NO_LENT, NO_SERVICES);
  return WebAssembly.Module.imports(module).every(
    ({ module: from, name, kind }) => kind === "function" && known[withoutPatch(from)]?.[name] !== undefined,
  );
}

interface Core {
  configure(at: number, length: number): number;
  afterConfigure(out: number): void;
  open(): number;
  close(exchange: number): void;
  onRequest(exchange: number, head: number): number;
  afterRequest(out: number): void;
  onResponse(exchange: number, head: number): number;
  afterResponse(out: number): void;
  onEnd(
    exchange: number,
    ending: number,
    hasStatus: number,
    status: number,
    us: bigint,
    requestBytes: bigint,
    responseBytes: bigint,
  ): void;
}

const FILTER = "sluice:filter/filter@0.1.0#";
const REQUIRED = [
  `${FILTER}configure`,
  `${FILTER}[constructor]exchange`,
  `${FILTER}[dtor]exchange`,
  `${FILTER}[method]exchange.on-request`,
  `${FILTER}[method]exchange.on-response`,
  `${FILTER}[method]exchange.on-end`,
];

const PROCEED = 0;
const REPLY = 1;

function coreOf(exports: WebAssembly.Exports): Core {
  const of = (name: string): never => exports[`${FILTER}${name}`] as never;
  // A post-return is exported only where a result owns memory.
  const after = (name: string): never => (exports[`cabi_post_${FILTER}${name}`] ?? (() => {})) as never;
  return {
    configure: of("configure"),
    afterConfigure: after("configure"),
    open: of("[constructor]exchange"),
    close: of("[dtor]exchange"),
    onRequest: of("[method]exchange.on-request"),
    afterRequest: after("[method]exchange.on-request"),
    onResponse: of("[method]exchange.on-response"),
    afterResponse: after("[method]exchange.on-response"),
    onEnd: of("[method]exchange.on-end"),
  };
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

/** A `filter.body-mode`: its case, and the payload of `buffered`. */
function loadBody(view: DataView, at: number): { tag: number; bytesMax: number } {
  return { tag: view.getUint8(at), bytesMax: view.getUint32(at + 4, true) };
}

function loadReply(memory: GuestMemory, at: number, limits: FilterLimits): Reply {
  const view = memory.view;
  const status = view.getUint16(at, true);
  const list = view.getUint32(at + 4, true);
  const count = view.getUint32(at + 8, true);
  const bodyLength = view.getUint32(at + 16, true);
  // Before anything is copied: a made-up length must not make the host build a list of it.
  if (count * 4 + bodyLength > limits.replyBytesMax)
    throw new FilterFault(`reply: more than ${limits.replyBytesMax} bytes`, "size");
  const fields: FieldList = [];
  for (let index = 0; index < count; index++) {
    const field = list + index * 16;
    fields.push(
      memory.latin1(view.getUint32(field, true), view.getUint32(field + 4, true)),
      memory.latin1(view.getUint32(field + 8, true), view.getUint32(field + 12, true)),
    );
  }
  return new Reply(new ResponseHead(status, fields), memory.copy(view.getUint32(at + 12, true), bodyLength));
}

const NO_LENT = undefined as never;
const NO_SERVICES = { environment: [] } as never;
