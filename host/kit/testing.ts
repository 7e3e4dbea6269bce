/**
 * `sluice/testing`: filters in tests, by the engine that serves traffic and without sockets. `loadFilter` loads one, `exchange` sends a
 * request through it, and `matchers` are for `expect.extend`.
 */
import type { Dispatcher } from "undici";
import type { Json } from "../config/config.ts";
import { FUELED } from "../config/fuel-limits.ts";
import type { HttpSender } from "../filter/http-client.ts";
import type { Account, SeenRequest } from "./account.ts";
import { Kit } from "./engine.ts";
import type { KitFilter } from "./kit-filter.ts";
import type { KitGrant } from "./kit-host.ts";
import { type RequestInput, type ResponseInput, scriptOf } from "./message-input.ts";
import { AgentServices } from "./mock-agent.ts";
import { type MockService, MockServices, type SentRequest } from "./mock-services.ts";
import type { StagedFacts } from "./staged-exchange.ts";
import { STANDARD_TIME, type StillClock } from "./still-clock.ts";

export type {
  Account,
  Pairs,
  SeenFailure,
  SeenLine,
  SeenReply,
  SeenRequest,
  SeenResponse,
} from "./account.ts";
export type { KitGrant } from "./kit-host.ts";
export { matchers, type FilterMatchers } from "./matchers.ts";
export type { BodyInput, FieldsInput, RequestInput, ResponseInput } from "./message-input.ts";
export type { MockService, SentRequest } from "./mock-services.ts";
export type { StagedFacts } from "./staged-exchange.ts";
export type { StillClock } from "./still-clock.ts";
export type { CallName, CallRecord } from "./watched-instance.ts";

/** How a filter is used in tests. Everything has the default of a configuration. */
export interface LoadOptions {
  /** What its `configure` gets; `null` when left out. */
  readonly config?: Json;
  readonly grant?: KitGrant;
  readonly onFailure?: "closed" | "open";
  readonly limits?: { readonly fuel?: number; readonly memoryBytes?: number };
  /** What time it is; it stands still until it is told otherwise. */
  readonly clock?: Date | string | number;
  /** The seed of all randomness. */
  readonly random?: number;
  /** The filter's name in the configuration. */
  readonly name?: string;
  /** The folder that keeps compiled components. */
  readonly artifacts?: string;
}

/** One exchange: what comes from outside. */
export interface ExchangeInput {
  readonly request?: RequestInput;
  /** What the upstream answers; a function is given the request as the upstream would get it. */
  readonly response?: ResponseInput | ((request: SeenRequest) => ResponseInput);
  /** Who answers the filter's own requests: mock services, or a dispatcher of undici, like its MockAgent. */
  readonly http?: readonly MockService[] | Dispatcher;
  readonly facts?: Partial<StagedFacts>;
}

/**
 * Loads a component and configures it. Rejects with an `ArtifactRefused` or a `ConfigRefused`, whose message is the sentence that an operator
 * would get.
 */
export async function loadFilter(file: string, options: LoadOptions = {}): Promise<LoadedFilter> {
  const { limits = {}, clock = STANDARD_TIME } = options;
  const kit = new Kit(options.artifacts ?? ".sluice");
  try {
    const filter = await kit.filter(file, {
      name: options.name ?? "test",
      config: options.config ?? null,
      onFailure: options.onFailure ?? "closed",
      grant: options.grant ?? {},
      fuel: limits.fuel ?? FUELED.fuel.default,
      memoryBytesMax: limits.memoryBytes ?? FUELED.memoryBytesMax.default,
      clock: clock instanceof Date ? clock.getTime() : clock,
      random: options.random ?? 1,
    });
    return new LoadedFilter(kit, filter);
  } catch (error) {
    await kit.close();
    throw error;
  }
}

/** A filter that serves exchanges, one after another. */
export class LoadedFilter {
  readonly #kit: Kit;
  readonly #filter: KitFilter;
  #last: Promise<unknown> = Promise.resolve();

  /** By `loadFilter`. */
  constructor(kit: Kit, filter: KitFilter) {
    this.#kit = kit;
    this.#filter = filter;
  }

  /** Both clocks that the filter sees. */
  get clock(): StillClock {
    return this.#filter.clock;
  }

  /** SHA-256 of the component. */
  get digest(): string {
    return this.#filter.digest;
  }

  /** Sends a request through the filter and the response back. Calls wait for each other. */
  exchange(input: ExchangeInput = {}): Promise<Account> {
    const next = this.#last.then(() => this.#exchange(input));
    this.#last = next.catch(() => undefined);
    return next;
  }

  /** Puts a value into the filter's part of the store. */
  put(key: string, value: string): void {
    this.#filter.put(key, value);
  }

  /** Clock, randomness and store are again as they were at first. What the instance keeps itself stays. */
  restart(): void {
    this.#filter.restart();
  }

  async close(): Promise<void> {
    this.#filter.close();
    await this.#kit.close();
  }

  async #exchange({ request, response = {}, http = [], facts }: ExchangeInput): Promise<Account> {
    const services: HttpSender & { readonly sent: readonly SentRequest[] } = Array.isArray(http)
      ? new MockServices(http as readonly MockService[])
      : new AgentServices(http as Dispatcher);
    const written = scriptOf(request, typeof response === "function" ? {} : response);
    const exchange = this.#filter.stage(written, services, facts);
    if (typeof response === "function")
      exchange.answered = (asked) => scriptOf(request, response(asked)).response;
    await exchange.finish();
    return await this.#filter.account(exchange, services.sent);
  }
}
