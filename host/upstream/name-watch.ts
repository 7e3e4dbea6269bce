import type { LookupAddress } from "node:dns";
import type { DnsConfig } from "../config/config.ts";
import { ADDRESSES_MAX } from "../config/upstream-limits.ts";
import type { Timed } from "../sweeper.ts";

/** All addresses of a name, those that the system prefers first. */
export type Lookup = (host: string) => Promise<readonly LookupAddress[]>;

/** One address of a server, then those that a connection falls back on. */
export type Candidate = readonly [LookupAddress, ...LookupAddress[]];

export interface NameOwner {
  /** At least one, sorted. */
  found(candidates: readonly Candidate[]): void;
  /** The last answer stands. */
  missed(detail: string): void;
}

/** Looks one name up again and again. */
export class NameWatch implements Timed {
  readonly #host: string;
  readonly #config: DnsConfig;
  readonly #lookup: Lookup;
  readonly #owner: NameOwner;
  #nextMs = 0;
  #isLooking = false;
  #closed = false;

  constructor(host: string, config: DnsConfig, lookup: Lookup, owner: NameOwner) {
    this.#host = host;
    this.#config = config;
    this.#lookup = lookup;
    this.#owner = owner;
  }

  sweep(nowMs: number): void {
    if (this.#isLooking || this.#closed || nowMs < this.#nextMs) return;
    this.#isLooking = true;
    void this.#look();
  }

  close(): void {
    this.#closed = true;
  }

  async #look(): Promise<void> {
    let found: readonly Candidate[] = [];
    let detail = "it has no address of the family that is wanted";
    try {
      found = candidatesOf(await this.#lookup(this.#host), this.#config.family);
    } catch (error) {
      detail = error instanceof Error ? error.message : String(error);
    }
    this.#isLooking = false;
    // A tenth sooner or later: workers must not ask all at once.
    this.#nextMs = Date.now() + this.#config.refreshMs * (0.9 + Math.random() * 0.2);
    if (this.#closed) return;
    if (found.length > 0) this.#owner.found(found);
    else this.#owner.missed(detail);
  }
}

/** Which addresses are servers, and which ones are only fallen back on. */
export function candidatesOf(addresses: readonly LookupAddress[], family: DnsConfig["family"]): Candidate[] {
  const once = [...new Map(addresses.map((entry) => [entry.address, entry])).values()];
  const wanted = { auto: once[0]?.family, ipv4: 4, ipv6: 6, both: undefined }[family];
  const servers = once.filter((entry) => wanted === undefined || entry.family === wanted);
  // A machine has often one address of each family, and listens on one of them alone.
  const others = family === "auto" ? once.filter((entry) => !servers.includes(entry)) : [];
  return servers
    .toSorted((one, other) => (one.address < other.address ? -1 : 1))
    .slice(0, ADDRESSES_MAX)
    .map((entry) => [entry, ...others.slice(0, FALLBACKS_MAX)]);
}

const FALLBACKS_MAX = 4;
