import { BlockList, isIP, isIPv6 } from "node:net";
import { ClientAddress } from "./client-address.ts";
import type { ForwardedConfig } from "./config/config.ts";
import { isName } from "./fields.ts";
import { readForwarded } from "./forwarded-field.ts";
import type { FieldList } from "./message.ts";

/** Who sent a request, and how it was spoken with. */
export interface Origin {
  readonly address: ClientAddress;
  readonly scheme: "http" | "https";
}

/** What a listener tells upstreams of its clients, and whom it believes what they tell of theirs. */
export class Forwarding {
  readonly mode: ForwardedConfig["mode"];
  readonly #trusted: BlockList | undefined;

  constructor({ mode, trusted }: ForwardedConfig) {
    this.mode = mode;
    if (trusted.length === 0) return;
    this.#trusted = new BlockList();
    for (const range of trusted) {
      const [network = "", bits = ""] = range.split("/");
      this.#trusted.addSubnet(network, Number(bits), familyOf(network));
    }
  }

  trusts(address: ClientAddress): boolean {
    return this.#trusted !== undefined && address.isWithin(this.#trusted);
  }

  /** Decided once for a connection. */
  peer(address: ClientAddress, scheme: Origin["scheme"]): Peer {
    return new Peer(this, address, scheme);
  }
}

/** The other end of one client connection, with what is the same in all requests that come from there. */
export class Peer implements Origin {
  readonly address: ClientAddress;
  readonly scheme: Origin["scheme"];
  /** Whether it may tell whom it speaks for. */
  readonly trusted: boolean;
  readonly #forwarding: Forwarding;
  /** What tells upstreams of it, apart from the authority, which each request has its own of. */
  readonly #lines: string;
  readonly #element: string;

  constructor(forwarding: Forwarding, address: ClientAddress, scheme: Origin["scheme"]) {
    this.#forwarding = forwarding;
    this.address = address;
    this.scheme = scheme;
    this.trusted = forwarding.trusts(address);
    const told = address.forForwarding();
    this.#lines = `X-Forwarded-For: ${told || "unknown"}\r\nX-Forwarded-Proto: ${scheme}\r\n`;
    this.#element = `for=${nodeOf(told)};proto=${scheme}`;
  }

  get #tellsX(): boolean {
    const { mode } = this.#forwarding;
    return mode === "x-forwarded" || mode === "both";
  }

  get #tellsForwarded(): boolean {
    const { mode } = this.#forwarding;
    return mode === "forwarded" || mode === "both";
  }

  /** Takes out of a request what this peer may not tell. Most requests tell nothing. */
  admit(fields: FieldList): void {
    for (let at = 0; at < fields.length; at += 2)
      if (kindOf(fields[at] as string) !== NONE) return this.#drop(fields);
  }

  /** Whom a trusted peer speaks for: the last hop that is not itself trusted, as far as hops are told. */
  behind(fields: FieldList): Origin {
    if (!this.trusted) return this;
    const hops = this.#forwarding.mode === "forwarded" ? forwardedHops(fields) : xForwardedHops(fields);
    let { address, scheme }: Origin = this;
    for (let hop = hops.pop(); hop !== undefined; hop = hops.pop()) {
      if (!this.#forwarding.trusts(address)) break;
      scheme = hop.scheme ?? scheme;
      const next = addressOf(hop.node);
      if (next === undefined) break;
      address = next;
    }
    return { address, scheme };
  }

  /** What is added to a request of this peer that tells nothing itself. `authority`: what the client asked for. */
  lines(authority: string): string {
    switch (this.#forwarding.mode) {
      case "x-forwarded":
        return authority === "" ? this.#lines : `${this.#lines}X-Forwarded-Host: ${authority}\r\n`;
      case "off":
        return "";
      default:
        return this.merged([], authority);
    }
  }

  /** The same for one that does: lists are added to, and what names the first hop stays. */
  merged(fields: FieldList, authority: string): string {
    let chain = "";
    let elements = "";
    let rest = "";
    let proto = false;
    let host = false;
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at] as string;
      const value = fields[at + 1] as string;
      const kind = kindOf(name);
      if (kind === FORWARDED && this.#tellsForwarded) elements += `${value}, `;
      else if (this.#tellsX && isName(name, "x-forwarded-for")) chain += `${value}, `;
      else if (kind !== NONE) {
        proto ||= isName(name, "x-forwarded-proto");
        host ||= isName(name, "x-forwarded-host");
        rest += `${name}: ${value}\r\n`;
      }
    }
    let text = rest;
    if (this.#tellsX) {
      text += `X-Forwarded-For: ${chain}${this.address.forForwarding() || "unknown"}\r\n`;
      if (!proto) text += `X-Forwarded-Proto: ${this.scheme}\r\n`;
      if (!host && authority !== "") text += `X-Forwarded-Host: ${authority}\r\n`;
    }
    if (this.#tellsForwarded) {
      const asked = authority === "" ? "" : `;host="${authority}"`;
      text += `Forwarded: ${elements}${this.#element}${asked}\r\n`;
    }
    return text;
  }

  /** A trusted peer is believed what it is told to keep up; fields that it only lets through may be anybody's. */
  #drop(fields: FieldList): void {
    const off = this.#forwarding.mode === "off";
    const keepsX = this.trusted && (off || this.#tellsX);
    const keepsForwarded =
      this.trusted && (off || (this.#tellsForwarded && forwardedHops(fields).length > 0));
    let kept = 0;
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at] as string;
      const kind = kindOf(name);
      if (kind === X ? !keepsX || name.includes("_") : kind === FORWARDED && !keepsForwarded) continue;
      fields[kept] = name;
      fields[kept + 1] = fields[at + 1] as string;
      kept += 2;
    }
    fields.length = kept;
  }
}

/** Whether a field tells of clients and hops: `Forwarded`, `X-Forwarded-…`, `X-Real-IP`. */
export function tellsOfClients(name: string): boolean {
  return kindOf(name) !== NONE;
}

/** One step of the way, as the hop after it tells it. */
interface Hop {
  readonly node: string;
  readonly scheme: Origin["scheme"] | undefined;
}

/** The first one first. */
function xForwardedHops(fields: FieldList): Hop[] {
  const nodes = listOf(fields, "x-forwarded-for");
  const schemes = listOf(fields, "x-forwarded-proto");
  // Where hops do not keep a list, it is one value, and the nearest hop vouches for it.
  const each = schemes.length === nodes.length;
  const last = schemeOf(schemes.at(-1));
  if (nodes.length === 0) return last === undefined ? [] : [{ node: "", scheme: last }];
  return nodes.map((node, at) => ({ node, scheme: each ? schemeOf(schemes[at]) : last }));
}

/** Empty when there is none, or when it breaks the rules of RFC 7239 anywhere. */
function forwardedHops(fields: FieldList): Hop[] {
  const elements = readForwarded(listOf(fields, "forwarded").join(", ")) ?? [];
  return elements.map((element) => ({
    node: element.get("for") ?? "",
    scheme: schemeOf(element.get("proto")),
  }));
}

function listOf(fields: FieldList, lower: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < fields.length; at += 2)
    if (isName(fields[at] as string, lower)) values.push(fields[at + 1] as string);
  return values.length === 0
    ? []
    : values
        .join(",")
        .split(",")
        .map((value) => value.trim());
}

function schemeOf(value: string | undefined): Origin["scheme"] | undefined {
  const lower = value?.toLowerCase();
  return lower === "http" || lower === "https" ? lower : undefined;
}

/** The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; undefined for names that hide it. */
function addressOf(node: string): ClientAddress | undefined {
  const [, bracketed, v4] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\w+)?$/.exec(node) ?? [];
  const address = bracketed ?? v4 ?? node;
  return isIP(address) === 0 || address.includes("%") ? undefined : new ClientAddress(address);
}

/** RFC 7239 §6: IPv6 has brackets, and with them quotes. */
function nodeOf(address: string): string {
  if (address === "") return "unknown";
  return isIPv6(address) ? `"[${address}]"` : address;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv6(address) ? "ipv6" : "ipv4";
}

function kindOf(name: string): Kind {
  if (name.length < 9) return NONE;
  const first = name.charCodeAt(0) | LOWER;
  if (first === F) return isName(name, "forwarded") ? FORWARDED : NONE;
  return first === LETTER_X && X_NAME.test(name) ? X : NONE;
}

type Kind = typeof NONE | typeof X | typeof FORWARDED;
const NONE = 0;
const X = 1;
const FORWARDED = 2;

const LOWER = 0x20;
const F = 0x66;
const LETTER_X = 0x78;
/** With `_`, which servers of CGI's kind take for `-`. */
const X_NAME = /^x[-_](?:forwarded[-_]|real[-_]ip$)/i;
