import { coreWasi } from "./core-wasi.ts";
import type { MetadataValue } from "./contract.ts";
import { type GuestMemory, GuestTrap } from "./guest-memory.ts";
import type { HeadAccess } from "./head-access.ts";
import { coreClock } from "./imports/clock.ts";
import { coreHttp } from "./imports/http-client.ts";
import type { CoreImports } from "./imports/core.ts";
import { coreMetrics } from "./imports/metrics.ts";
import { coreRandom } from "./imports/random.ts";
import { coreRateLimit } from "./imports/rate-limit.ts";
import { coreSecrets } from "./imports/secrets.ts";
import { coreRemoteRateLimit, coreRemoteStore } from "./imports/remote-store.ts";
import { coreStore } from "./imports/store.ts";
import { levelOf, type Services } from "./services.ts";

/** The handle that the present call was lent, and how it is told from all others. */
export class Lent {
  #handle = 0;
  #current = 0;
  readonly access: HeadAccess;

  constructor(access: HeadAccess) {
    this.access = access;
  }

  /** A handle no call has had before, so that one kept from an earlier call is found out. */
  lend(): number {
    this.#handle = (this.#handle + 1) & 0x3fffffff || 1;
    this.#current = this.#handle;
    return this.#handle;
  }

  /** Whether the guest has given the handle back, as it must before it returns. */
  get returned(): boolean {
    return this.#current === 0;
  }

  use(handle: number): HeadAccess {
    if (handle !== this.#current || handle === 0)
      throw new GuestTrap("a handle of another call, or made up", "handle");
    return this.access;
  }

  drop(handle: number): void {
    this.use(handle);
    this.#current = 0;
  }
}

/**
 * The contract's imports, lowered by hand to the canonical ABI. `memory` gives the instance's memory, which exists only
 * after instantiation. A function that throws ends the guest's call and with it the instance.
 */
export function coreImports(
  memoryOf: () => GuestMemory,
  request: Lent,
  response: Lent,
  trailers: Lent,
  services: Services,
): CoreImports {
  const memory = (): GuestMemory => {
    const it = memoryOf();
    if (!it.mayLeave) throw new GuestTrap("the host was called while it was storing a value", "reentry");
    return it;
  };
  // The guest keeps an exchange's state where it likes: its own representation serves as the handle.
  const itself = (rep: number): number => rep;
  return {
    "[export]sluice:filter/filter@0.1.0": {
      "[resource-new]exchange": itself,
      "[resource-rep]exchange": itself,
      "[resource-drop]exchange": () => {},
    },
    "sluice:filter/types@0.1.0": {
      ...fields("request", memory, request),
      ...fields("response", memory, response),
      ...fields("trailers", memory, trailers),
      "[method]request.method": (self: number, out: number) =>
        memory().storeLatin1(request.use(self).method, out),
      "[method]request.scheme": (self: number, out: number) =>
        memory().storeLatin1(request.use(self).scheme, out),
      "[method]request.authority": (self: number, out: number) =>
        memory().storeLatin1(request.use(self).authority, out),
      "[method]request.path": (self: number, out: number) =>
        memory().storeLatin1(request.use(self).path, out),
      "[method]request.set-method": (self: number, at: number, length: number) => {
        request.use(self).method = memory().latin1(at, length);
      },
      "[method]request.set-authority": (self: number, at: number, length: number) => {
        request.use(self).authority = memory().latin1(at, length);
      },
      "[method]request.set-path": (self: number, at: number, length: number) => {
        request.use(self).path = memory().latin1(at, length);
      },
      "[method]response.status": (self: number) => response.use(self).status,
      "[method]response.set-status": (self: number, status: number) => {
        response.use(self).status = status & 0xffff;
      },
    },
    ...serviceImports(memory, services),
    ...coreClock(services),
    ...coreRandom(memory, services),
    ...coreSecrets(memory, services),
    ...storeImports(memory, services),
    ...coreMetrics(memory, services),
    ...coreHttp(memory, services),
    ...coreWasi(memory, services),
  };
}

function storeImports(memory: () => GuestMemory, services: Services): CoreImports {
  const { remote } = services.store;
  if (remote !== undefined)
    return { ...coreRemoteStore(memory, remote), ...coreRemoteRateLimit(memory, remote) };
  return { ...coreStore(memory, services), ...coreRateLimit(memory, services) };
}

/** What is not about a message: log and facts. */
function serviceImports(memory: () => GuestMemory, services: Services): CoreImports {
  return {
    "sluice:filter/log@0.1.0": {
      enabled: (level: number) => (services.logEnabled(level) ? 1 : 0),
      log: (level: number, at: number, length: number, attributes: number, count: number) => {
        const guest = memory();
        services.log(levelOf(level), guest.utf8(at, length), loadPairs(guest, attributes, count));
      },
    },
    "sluice:filter/exchange-facts@0.1.0": {
      "request-id": (out: number) => memory().storeLatin1(services.facts.requestId, out),
      route: (out: number) => memory().storeUtf8(services.facts.route, out),
      "filter-name": (out: number) => memory().storeUtf8(services.filterName, out),
      protocol: (out: number) => memory().storeLatin1(services.facts.protocol, out),
      "tls-version": (out: number) => storeOption(memory(), services.facts.tlsVersion, out),
      "client-address": (out: number) => storeOption(memory(), services.clientAddress, out),
      metadata: (at: number, length: number, out: number) => {
        const guest = memory();
        storeMetadata(guest, services.metadata(guest.utf8(at, length)), out);
      },
      "set-metadata": (at: number, length: number, tag: number, word: bigint, extra: number) => {
        const guest = memory();
        services.setMetadata(guest.utf8(at, length), loadMetadata(guest, tag, word, extra));
      },
    },
  };
}

/** The methods that `request`, `response` and `trailers` share; trailers lack `header-values`, which nobody can import. */
function fields(
  resource: "request" | "response" | "trailers",
  memory: () => GuestMemory,
  lent: Lent,
): CoreImports[string] {
  return {
    [`[resource-drop]${resource}`]: (handle: number) => lent.drop(handle),
    [`[method]${resource}.header`]: (self: number, at: number, length: number, out: number) => {
      const guest = memory();
      const value = lent.use(self).header(guest.name(at, length).lower);
      guest.view.setUint8(out, value === undefined ? 0 : 1);
      if (value !== undefined) guest.storeLatin1(value, out + 4);
    },
    [`[method]${resource}.header-values`]: (self: number, at: number, length: number, out: number) => {
      const guest = memory();
      storeValues(guest, lent.use(self).headerValues(guest.name(at, length).lower), out);
    },
    [`[method]${resource}.headers`]: (self: number, out: number) =>
      memory().storeFields(lent.use(self).fields, out),
    [`[method]${resource}.set-header`]: (
      self: number,
      name: number,
      nameLength: number,
      value: number,
      valueLength: number,
    ) => {
      const guest = memory();
      lent.use(self).setHeader(guest.name(name, nameLength).raw, guest.latin1(value, valueLength));
    },
    [`[method]${resource}.append-header`]: (
      self: number,
      name: number,
      nameLength: number,
      value: number,
      valueLength: number,
    ) => {
      const guest = memory();
      lent.use(self).appendHeader(guest.name(name, nameLength).raw, guest.latin1(value, valueLength));
    },
    [`[method]${resource}.remove-header`]: (self: number, name: number, nameLength: number) => {
      lent.use(self).removeHeader(memory().name(name, nameLength).raw);
    },
  };
}

/** list<list<u8>>: 8 bytes an element. */
function storeValues(guest: GuestMemory, values: readonly string[], out: number): void {
  const at = guest.allocate(values.length * 8, 4);
  for (let index = 0; index < values.length; index++)
    guest.storeLatin1(values[index] as string, at + index * 8);
  guest.storePair(at, values.length, out);
}

/** option<string>. */
function storeOption(guest: GuestMemory, text: string | undefined, out: number): void {
  guest.view.setUint8(out, text === undefined ? 0 : 1);
  if (text !== undefined) guest.storeUtf8(text, out + 4);
}

/** list<tuple<string, string>>, bounded by the guest's own memory. */
function loadPairs(guest: GuestMemory, at: number, count: number): [string, string][] {
  const pairs: [string, string][] = [];
  const taken = Math.min(count >>> 0, ATTRIBUTES_MAX);
  for (let index = 0; index < taken; index++) {
    const view = guest.view;
    const pair = (at >>> 0) + index * 16;
    pairs.push([
      guest.utf8(view.getUint32(pair, true), view.getUint32(pair + 4, true)),
      guest.utf8(view.getUint32(pair + 8, true), view.getUint32(pair + 12, true)),
    ]);
  }
  return pairs;
}

/** option<variant { text, integer(s64), boolean, bytes }>: the payload is 8-aligned. */
function storeMetadata(guest: GuestMemory, value: MetadataValue | undefined, out: number): void {
  guest.view.setUint8(out, value === undefined ? 0 : 1);
  if (value === undefined) return;
  guest.view.setUint8(out + 8, METADATA_TAGS.indexOf(value.tag));
  if (value.tag === "text") guest.storeUtf8(value.val, out + 16);
  else if (value.tag === "bytes") guest.storeBytes(value.val, out + 16);
  else if (value.tag === "integer") guest.view.setBigInt64(out + 16, value.val, true);
  else guest.view.setUint8(out + 16, value.val ? 1 : 0);
}

/** The same variant flattened: its first payload word joins i32 and i64, and so is an i64. */
function loadMetadata(guest: GuestMemory, tag: number, word: bigint, extra: number): MetadataValue {
  const at = Number(word & 0xffffffffn);
  switch (METADATA_TAGS[tag]) {
    case "text":
      return { tag: "text", val: guest.utf8(at, extra) };
    case "integer":
      return { tag: "integer", val: BigInt.asIntN(64, word) };
    case "boolean":
      return { tag: "boolean", val: at !== 0 };
    case "bytes":
      return { tag: "bytes", val: guest.copy(at, extra) };
    default:
      throw new GuestTrap(`${tag} is no case of a metadata value`);
  }
}

const METADATA_TAGS = ["text", "integer", "boolean", "bytes"] as const;

/** Attributes of one log line; more are dropped. */
const ATTRIBUTES_MAX = 32;
