import { createHash } from "node:crypto";
import { createClient, RESP_TYPES } from "@redis/client";
import { ADD, COMPARE_AND_SET, TAKE } from "./scripts.ts";
import { type CellRate, type Exchanged, type StoreFault, STORED } from "./store.ts";

/** Where the store of several machines is, and how long a call of it may take. */
export interface RemoteStoreSettings {
  /** `redis://` or `rediss://`, perhaps with a user and a password: it is never shown. */
  readonly url: string;
  readonly timeoutMs: number;
}

/** What the log is told of the server. */
export interface RemoteStoreOwner {
  /** `reason`: a code of the system or the kind of the error, and nothing that the server has said. */
  storeLost(reason: string): void;
  storeBack(): void;
}

/**
 * The store on a Valkey or Redis server: what filters of many machines share. One connection of a worker carries all its
 * calls, in turn. While there is none, or an answer takes too long, calls are `unavailable` at once; nothing is queued.
 *
 * Lifetimes are in milliseconds, or infinite; all else is as in `Store`. Counters are decimal digits on the server, and values begin
 * with `v`, so that none is taken for the other.
 */
export class RemoteStore {
  readonly #client: Client;
  readonly #timeoutMs: number;
  #lost = false;
  /** Commands whose answer has not come, also of calls that have given up. */
  #inFlight = 0;

  constructor(settings: RemoteStoreSettings, owner: RemoteStoreOwner) {
    this.#client = connect(settings);
    this.#timeoutMs = settings.timeoutMs;
    this.#client.on("error", (error: Error) => {
      if (this.#lost) return;
      this.#lost = true;
      owner.storeLost((error as NodeJS.ErrnoException).code ?? error.name);
    });
    this.#client.on("ready", () => {
      if (this.#lost) owner.storeBack();
      this.#lost = false;
    });
    // It tries again by itself; what it rejects with, "error" has told.
    this.#client.connect().catch(() => {});
  }

  async get(space: string, key: Buffer): Promise<Uint8Array | undefined | StoreFault> {
    const found = await this.#ask(["GET", named(space, key)]);
    return isFault(found) ? found : plain(found);
  }

  async set(space: string, key: Buffer, value: Buffer, lifetimeMs: number): Promise<undefined | StoreFault> {
    if (lifetimeMs <= 0) return await this.delete(space, key);
    const life = lifetimeMs === Number.POSITIVE_INFINITY ? [] : ["PX", ms(lifetimeMs)];
    return faultOf(await this.#ask(["SET", named(space, key), valued(value), ...life]));
  }

  async delete(space: string, key: Buffer): Promise<undefined | StoreFault> {
    return faultOf(await this.#ask(["DEL", named(space, key)]));
  }

  async compareAndSet(
    space: string,
    key: Buffer,
    expected: Buffer | undefined,
    value: Buffer,
    lifetimeMs: number,
  ): Promise<Exchanged | StoreFault> {
    const result = await this.#run(COMPARE, named(space, key), [
      expected === undefined ? "0" : "1",
      expected ?? "",
      valued(value),
      ms(lifetimeMs),
    ]);
    if (isFault(result)) return result;
    return result === 1 ? STORED : { found: plain(result) };
  }

  async add(space: string, key: Buffer, amount: bigint, lifetimeMs: number): Promise<bigint | StoreFault> {
    const sum = await this.#run(ADDITION, named(space, key), [String(amount), ms(lifetimeMs)]);
    return isFault(sum) ? sum : BigInt(String(sum));
  }

  /** As `Store.take`, in nanoseconds. */
  async take(space: string, key: Buffer, { interval, room, cost }: CellRate): Promise<number | StoreFault> {
    const left = await this.#run(TAKING, named(space, key), [String(interval), String(room), String(cost)]);
    if (isFault(left)) return left;
    const count = Number(String(left));
    return count >= 0 ? count : count * 1_000;
  }

  /** Ends the connection. Calls under way are `unavailable`. */
  close(): void {
    this.#client.destroy();
  }

  /** A script by its digest; by its text when the server does not know it yet. */
  async #run({ sha, text }: Script, key: Buffer, args: readonly Word[]): Promise<Reply> {
    const reply = await this.#ask(["EVALSHA", sha, "1", key, ...args], true);
    return reply === UNKNOWN_SCRIPT ? await this.#ask(["EVAL", text, "1", key, ...args]) : reply;
  }

  async #ask(words: Word[], script = false): Promise<Reply> {
    if (!this.#client.isReady || this.#inFlight >= IN_FLIGHT_MAX) return "unavailable";
    try {
      return await this.#inTime(words);
    } catch (error) {
      const said = error instanceof Error ? error.message : "";
      if (script && said.startsWith("NOSCRIPT")) return UNKNOWN_SCRIPT;
      if (said.includes("would overflow")) return "overflow";
      if (said.includes("not an integer") || said.startsWith("WRONGTYPE")) return "wrong-type";
      if (said.startsWith("OOM")) return "full";
      return "unavailable";
    }
  }

  /** What comes too late comes to nobody. */
  #inTime(words: Word[]): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const timer = setTimeout(() => resolve("unavailable"), this.#timeoutMs);
    this.#inFlight += 1;
    const over = (): void => {
      clearTimeout(timer);
      this.#inFlight -= 1;
    };
    this.#client
      .sendCommand(words)
      .finally(over)
      .then((reply) => resolve(reply as unknown as Reply), reject);
    return promise;
  }
}

type Client = ReturnType<typeof connect>;
type Word = string | Buffer;

/** What comes of a command: a fault is a string, and what the server has stored comes as bytes. */
type Reply = Buffer | number | null | StoreFault | typeof UNKNOWN_SCRIPT;

const UNKNOWN_SCRIPT = "NOSCRIPT";

function connect({ url, timeoutMs }: RemoteStoreSettings) {
  return createClient({
    url,
    disableOfflineQueue: true,
    // A server that says nothing for so long is gone, whatever TCP makes of it.
    pingInterval: PING_MS,
    socket: {
      socketTimeout: 3 * PING_MS,
      connectTimeout: timeoutMs,
      reconnectStrategy: (retries) => Math.min(RECONNECT_MS_MAX, 50 * 2 ** Math.min(retries, 10)),
    },
    commandOptions: {
      typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.SIMPLE_STRING]: Buffer },
    },
  });
}

interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

const ADDITION = script(ADD);
const COMPARE = script(COMPARE_AND_SET);
const TAKING = script(TAKE);

function named(space: string, key: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`sluice:${space}:`), key]);
}

function valued(value: Buffer): Buffer {
  return Buffer.concat([MARK, value]);
}

function plain(found: Reply): Uint8Array | undefined {
  if (!Buffer.isBuffer(found)) return undefined;
  return found[0] === MARK[0] ? found.subarray(1) : found;
}

/** `0` without a lifetime. */
function ms(lifetimeMs: number): string {
  return lifetimeMs === Number.POSITIVE_INFINITY
    ? "0"
    : String(Math.max(1, Math.min(lifetimeMs, LIFETIME_MS_MAX)));
}

function isFault(reply: unknown): reply is StoreFault {
  return typeof reply === "string";
}

function faultOf(reply: Reply): undefined | StoreFault {
  return isFault(reply) ? reply : undefined;
}

const MARK = Buffer.from("v");
const RECONNECT_MS_MAX = 2_000;
const PING_MS = 5_000;
/** More than that wait only where the server does not answer. */
const IN_FLIGHT_MAX = 4_096;
/** A hundred years: the server adds the time of day to it. */
const LIFETIME_MS_MAX = 3_155_760_000_000;
