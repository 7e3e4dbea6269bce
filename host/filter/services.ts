import {
  type Environment,
  type ExchangeFacts,
  type FilterLimits,
  type HostServices,
  LEVELS,
  type Level,
  type MetadataValue,
} from "./contract.ts";
import type { CustomMetric, Declaration, MetricFault } from "../ops/custom-metrics.ts";
import { CallTime } from "./call-time.ts";
import { GuestTrap } from "./guest-memory.ts";
import { CANCELLED, type HttpAnswer, type OwnRequest, PendingCall } from "./http-client.ts";
import { type RandomSource, SYSTEM_RANDOM } from "./imports/random.ts";
import type { Secrets } from "./secrets.ts";
import { StoreAccess } from "./store-access.ts";

/**
 * What an instance's imports do, apart from how they are called: the direct path lowers them itself and jco's lowers
 * them for the reference, and both end here.
 */
export class Services {
  readonly #host: HostServices;
  readonly #limits: FilterLimits;
  /** Complete and incomplete lines that the guest wrote to its standard streams in the present call. */
  #said = "";
  readonly environment: Environment;
  /** What the present call takes for the time. */
  readonly time: CallTime;
  readonly random: RandomSource;
  /** The store. */
  readonly store: StoreAccess;
  /** No exchange has begun yet. */
  configuring = true;
  #facts: ExchangeFacts | undefined;
  /** Handles of the host's that the guest owns now, and owned when the exchange began. */
  #owned = 0;
  #ownedBefore = 0;
  #linesLeft: number;
  readonly #pending = new PendingCall();
  #hurried = false;

  constructor(host: HostServices, limits: FilterLimits, environment: Environment) {
    this.#host = host;
    this.#limits = limits;
    this.#linesLeft = limits.logLinesMax;
    this.environment = environment;
    this.time = new CallTime(host.time);
    this.random = host.random ?? SYSTEM_RANDOM;
    this.store = new StoreAccess(host.store, limits, this.time);
  }

  open(facts: ExchangeFacts): void {
    this.configuring = false;
    this.time.goOn();
    this.#facts = facts;
    this.#ownedBefore = this.#owned;
    this.#hurried = false;
    this.#linesLeft = this.#limits.logLinesMax;
  }

  /** A call outside of any exchange begins, which is not `configure`. */
  apart(): void {
    this.configuring = false;
    this.time.goOn();
    this.#hurried = false;
    this.#linesLeft = this.#limits.logLinesMax;
  }

  close(): void {
    this.#facts = undefined;
    const kept = Math.max(this.#ownedBefore, HANDLES_KEPT);
    if (this.#owned > kept) this.#host.handlesLeaked(this.#owned - kept);
  }

  /** The guest gets a handle that it has to give back. */
  lend(handle: number): number {
    this.#owned += 1;
    return handle;
  }

  returned(): void {
    if (this.#owned === 0) throw new GuestTrap("a handle made up", "handle");
    this.#owned -= 1;
  }

  get secrets(): Secrets {
    return this.#host.secrets;
  }

  declareMetric(declaration: Declaration): CustomMetric | MetricFault {
    if (declaration.labels.length > this.#limits.metricLabelsMax) return "too-many";
    return this.#host.metrics.declare(declaration);
  }

  get filterName(): string {
    return this.#host.filterName;
  }

  /** Traps outside of an exchange, as the contract says. */
  get facts(): ExchangeFacts {
    if (this.#facts === undefined) throw new GuestTrap("exchange-facts outside of an exchange");
    return this.#facts;
  }

  /** Sends a request of the filter's own. Traps outside of an exchange. */
  send(request: OwnRequest): HttpAnswer | Promise<HttpAnswer> {
    if (this.#hurried) return CANCELLED;
    return this.#host.http.send(this.facts.http, request, this.#pending);
  }

  /** Ends the request under way, and lets no other begin within this exchange. */
  hurry(): void {
    this.#hurried = true;
    this.#pending.end(CANCELLED);
  }

  /** As much as the configuration grants this filter. */
  get clientAddress(): string | undefined {
    return this.#host.tellsClient(this.facts.clientAddress);
  }

  metadata(key: string): MetadataValue | undefined {
    return this.facts.metadata?.get(key);
  }

  setMetadata(key: string, value: MetadataValue): void {
    const { facts } = this;
    facts.metadataBytes +=
      key.length +
      (typeof value.val === "string"
        ? value.val.length
        : value.val instanceof Uint8Array
          ? value.val.byteLength
          : 8);
    if (facts.metadataBytes > this.#limits.metadataBytesMax)
      throw new GuestTrap(`more than ${this.#limits.metadataBytesMax} bytes of metadata`, "size");
    facts.metadata ??= new Map();
    facts.metadata.set(key, value);
  }

  /** Standard output and error. Held until the call has ended: after a trap it is the panic's message. */
  say(text: string): void {
    const room = this.#limits.logLineBytesMax - this.#said.length;
    this.#said += text.length > room ? text.slice(0, room) : text;
  }

  /** A call has ended well: logs what was said in it. */
  flush(): void {
    this.time.goOn();
    if (this.#said === "") return;
    for (const line of this.takeSaid().split("\n")) if (line !== "") this.log("info", line, []);
  }

  /** What was said in a call that has trapped. */
  takeSaid(): string {
    // The guest may have used up the stack in the middle of a change of the store; now there is room again.
    this.#host.store.store.repair();
    const said = this.#said;
    this.#said = "";
    const cut = said.length >= this.#limits.logLineBytesMax;
    return cut ? this.#withoutClient(this.secrets.redactedCut(said)) : this.redacted(said);
  }

  /** Text of the filter's making without its secrets, and without whose exchange it is: for logs, errors and metrics. */
  redacted(text: string): string {
    return this.#withoutClient(this.secrets.redacted(text));
  }

  #withoutClient(text: string): string {
    return this.#facts === undefined ? text : this.#facts.clientAddress.redactedIn(text);
  }

  logEnabled(level: number): boolean {
    return this.#host.logEnabled(levelOf(level));
  }

  /** Never fails: what is over the limits is cut or dropped. */
  log(level: Level, message: string, attributes: readonly (readonly [string, string])[]): void {
    if (!this.#host.logEnabled(level)) return;
    this.#linesLeft -= 1;
    if (this.#linesLeft < 0) return this.#host.logDropped();
    let room = this.#limits.logLineBytesMax;
    const cut = (said: string): string => {
      const text = this.redacted(said);
      const kept = text.length > room ? text.slice(0, Math.max(room, 0)) : text;
      room -= kept.length;
      return kept;
    };
    this.#host.log(
      level,
      this.#facts?.requestId,
      cut(message),
      attributes.map(([name, value]) => [cut(name), cut(value)] as const),
    );
  }
}

/** A C library opens its three standard streams when they are first used, with a pollable each, and keeps them. */
const HANDLES_KEPT = 6;

/** `level` is the case's number in the WIT enum. */
export function levelOf(level: number): Level {
  const name = LEVELS[level];
  if (name === undefined) throw new GuestTrap(`${level} is no log level`);
  return name;
}
