import { type BlockList, isIPv4, isIPv6 } from "node:net";
import type { AddressForm, ClientAddressConfig, GrantConfig } from "./config/config.ts";

/** Makes names of addresses that nobody can turn back without the key (`address-key.ts`). */
export interface AddressHasher {
  /** Grows when the key is another one. */
  readonly day: number;
  hash(text: string): string;
}

/** What somebody is told of a client's address; undefined: nothing. */
export type TellsClient = (address: ClientAddress) => string | undefined;

/**
 * Who sent a request. It cannot be written down by accident: as JSON, as text, in an error, in a log or in a message to another thread it
 * is nothing. The methods below are the only ways to what it is, and each says what for.
 */
export class ClientAddress {
  /** IPv4 as such, also where a socket of IPv6 took it; empty when it is not known. */
  readonly #text: string;
  #hashed = "";
  #hashedDay = -1;

  constructor(text: string) {
    this.#text = plain(text);
  }

  /** For upstreams, and for who else is told whom a request is from. */
  forForwarding(): string {
    return this.#text;
  }

  /** For a choice that is the same for the same client, and of which nothing is kept. */
  forChoice(): string {
    return this.#text;
  }

  /** For filters and the log, as the configuration allows it to them. */
  told(form: AddressForm, hasher: AddressHasher): string | undefined {
    if (form === "drop" || this.#text === "") return undefined;
    if (form === "whole") return this.#text;
    if (form === "truncate") return truncated(this.#text);
    if (this.#hashedDay !== hasher.day) {
      this.#hashed = hasher.hash(this.#text);
      this.#hashedDay = hasher.day;
    }
    return this.#hashed;
  }

  isWithin(ranges: BlockList): boolean {
    if (isIPv4(this.#text)) return ranges.check(this.#text, "ipv4");
    return isIPv6(this.#text) && ranges.check(this.#text, "ipv6");
  }

  /** The same text without this address in it: for what others have written. */
  redactedIn(text: string): string {
    if (this.#text === "" || !text.includes(this.#text)) return text;
    return text.replaceAll(this.#text, "redacted");
  }

  /** No member at all, rather than one that says that there was one. */
  toJSON(): undefined {
    return undefined;
  }

  toString(): string {
    return HIDDEN;
  }

  [Symbol.toPrimitive](): string {
    return HIDDEN;
  }
}

/** In which form a filter with this grant gets it. */
export function formFor(grant: GrantConfig["clientAddress"], { filters }: ClientAddressConfig): AddressForm {
  if (grant === true) return filters;
  return grant === false ? "drop" : grant;
}

/** Tells a client's address in one form. */
export function tellsAs(form: AddressForm, hasher: AddressHasher): TellsClient {
  return (address) => address.told(form, hasher);
}

/** To who has it already in the form in which it is granted. */
export const TELLS_ALL: TellsClient = (address) => address.forForwarding();

/** Of who is granted none of it. */
export const TELLS_NOTHING: TellsClient = () => undefined;

const HIDDEN = "[client address]";

function plain(text: string): string {
  if (!MAYBE_MAPPED.test(text) || !isIPv6(text)) return text;
  const groups = groupsOf(text);
  if (groups[5] !== 0xffff || groups.slice(0, 5).some((group) => group !== 0)) return text;
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join(".");
}

/** The network that somebody is in: /24 of IPv4, /48 of IPv6. Undefined for what is no address. */
function truncated(text: string): string | undefined {
  if (isIPv4(text)) return `${text.slice(0, text.lastIndexOf("."))}.0/24`;
  if (!isIPv6(text)) return undefined;
  const [first = 0, second = 0, third = 0] = groupsOf(text);
  const groups = [first, second, third];
  while (groups.at(-1) === 0) groups.pop();
  return `${groups.map((group) => group.toString(16)).join(":")}::/48`;
}

/** The eight groups of an address of IPv6. */
function groupsOf(text: string): number[] {
  const [address = ""] = text.split("%");
  const [before = "", after] = address.split("::");
  const left = groupsIn(before);
  const right = groupsIn(after ?? "");
  return [...left, ...new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0), ...right];
}

function groupsIn(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

/** Most addresses have nothing to be looked at. */
const MAYBE_MAPPED = /ffff:/i;
