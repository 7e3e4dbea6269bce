import { bodiesOf } from "../chain.ts";
import type { Artifact } from "../filter/artifact.ts";
import type { Instance, Plan } from "../filter/contract.ts";
import { type Frame, framesOf } from "../filter/fault.ts";
import { Filter } from "../filter/filter.ts";
import type { HttpSender } from "../filter/http-client.ts";
import type { SymbolReader } from "../filter/symbols.ts";
import { FilterMeter } from "../ops/meter.ts";
import {
  type Account,
  editsOf,
  metadataOf,
  metricsOf,
  type SeenFailure,
  seenReply,
  seenRequest,
  seenResponse,
} from "./account.ts";
import { filterSettings, KitHost, type KitSettings, OwnBudget } from "./kit-host.ts";
import { readableText, type Script } from "./message-input.ts";
import type { SentRequest } from "./mock-services.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { StagedExchange, type StagedFacts } from "./staged-exchange.ts";
import type { StillClock } from "./still-clock.ts";
import { WatchedInstance } from "./watched-instance.ts";

/** A filter without a proxy around it. It serves one exchange after another with one instance, as long as that lives. */
export class KitFilter {
  readonly plan: Plan;
  readonly clock: StillClock;
  readonly random: SeededRandom;
  readonly #filter: Filter;
  readonly #settings: KitSettings;
  readonly #host: KitHost;
  readonly #served: { readonly artifact: Artifact; readonly file: string };
  readonly #symbols: SymbolReader;

  private constructor(
    filter: Filter,
    settings: KitSettings,
    host: KitHost,
    served: { readonly artifact: Artifact; readonly file: string },
    symbols: SymbolReader,
  ) {
    this.#filter = filter;
    this.#settings = settings;
    this.#host = host;
    this.#served = served;
    this.#symbols = symbols;
    this.plan = filter.plan;
    this.clock = host.time;
    this.random = host.random;
  }

  static async load(
    artifact: Artifact,
    file: string,
    settings: KitSettings,
    symbols: SymbolReader,
  ): Promise<KitFilter> {
    const host = new KitHost(settings);
    const filter = await Filter.load(artifact, filterSettings(settings), host, {
      meter: new FilterMeter(),
      budget: new OwnBudget(),
      quarantine: { quarantined: nothing, released: nothing },
      line: nothing,
      watched: (instance: Instance) => new WatchedInstance(instance, settings.fuel),
    });
    return new KitFilter(filter, settings, host, { artifact, file }, symbols);
  }

  get digest(): string {
    return this.#filter.digest;
  }

  /** An exchange that has not begun. `services` answers the filter's own requests. */
  stage(
    script: Script,
    services: HttpSender,
    facts: Partial<StagedFacts> = {},
    fuelOf?: (call: number) => number | undefined,
  ): StagedExchange {
    this.#host.lines.length = 0;
    this.#host.leaked = 0;
    const filters = [this.#filter];
    return new StagedExchange(script, filters, bodiesOf(filters), services, { ...FACTS, ...facts }, fuelOf);
  }

  /** Time, randomness and the store are again what they were before the first exchange. */
  restart(): void {
    this.clock.restart(this.#settings.clock);
    this.random.restart(this.#settings.random);
    this.#host.store.store.clear();
  }

  /** What a finished exchange has come to. Where a failure was takes a while to be read, and may be left out. */
  async account(
    exchange: StagedExchange,
    sent: readonly SentRequest[],
    places: "places" | "no places" = "places",
  ): Promise<Account> {
    const { store } = this.#host;
    return {
      upstream: seenRequest(exchange.upstream),
      response: seenResponse(exchange.client),
      reply: seenReply(exchange),
      code: exchange.failure?.code ?? null,
      failure: await this.#failure(exchange, places),
      edits: editsOf(exchange.calls),
      log: [...this.#host.lines],
      metrics: metricsOf(this.#host.custom.snapshot()),
      metadata: metadataOf(exchange.metadata),
      store: Object.fromEntries(
        store.store
          .contents(store.space)
          .map(([key, value]) => [
            readableText(key.toString("latin1")),
            readableText(value.toString("latin1")),
          ]),
      ),
      http: [...sent],
      calls: exchange.calls,
      handlesLeaked: this.#host.leaked,
    };
  }

  /** The places of functions of the component, as far as they are known. */
  functionsAt(frames: readonly Frame[]): Promise<readonly string[]> {
    return this.#symbols.functionsOf(this.#served, frames);
  }

  /** Puts a value into the filter's part of the store. */
  put(key: string, value: string): void {
    const { store, space } = this.#host.store;
    store.set(space, partOf(key), partOf(value), Number.POSITIVE_INFINITY, store.time());
  }

  close(): void {
    void this.#filter.pool.close();
  }

  async #failure(
    { filterFailures }: StagedExchange,
    places: "places" | "no places",
  ): Promise<SeenFailure | null> {
    const [first] = filterFailures;
    if (first === undefined) return null;
    const frames = places === "places" ? framesOf(first.error) : [];
    if (frames.length === 0) return { reason: first.reason, detail: first.detail, stack: [] };
    const line = await this.#symbols.complete("{}", this.#served, frames);
    const { stack } = JSON.parse(line) as { stack: string[] };
    return { reason: first.reason, detail: first.detail, stack };
  }
}

/** What an exchange is told when the case says nothing. */
const FACTS: StagedFacts = {
  requestId: "00000000-0000-4000-8000-000000000001",
  route: "test",
  protocol: "HTTP/1.1",
  tlsVersion: undefined,
  clientAddress: "192.0.2.1",
};

function partOf(text: string): { bytes: Buffer; at: number; length: number } {
  const bytes = Buffer.from(text);
  return { bytes, at: 0, length: bytes.length };
}

function nothing(): void {}
