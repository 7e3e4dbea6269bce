import { TELLS_ALL, TELLS_NOTHING, type TellsClient } from "../client-address.ts";
import type { Json } from "../config/config.ts";
import { type FilterLimit, FILTER_LIMITS } from "../config/limits.ts";
import { type ServiceLimit, SERVICE_LIMITS } from "../config/service-limits.ts";
import { InstanceBudget } from "../filter/budget.ts";
import type { HostServices, Level } from "../filter/contract.ts";
import type { FilterSettings } from "../filter/filter.ts";
import type { GrantName } from "../filter/grants.ts";
import { HttpClient } from "../filter/http-client.ts";
import { Secrets } from "../filter/secrets.ts";
import { type CustomLimits, CustomMetrics } from "../ops/custom-metrics.ts";
import { spaceOf } from "../store/shared-store.ts";
import type { SeenLine } from "./account.ts";
import { JournalStore } from "./journal-store.ts";
import { SeededRandom } from "./seeded-random.ts";
import { StillClock } from "./still-clock.ts";

/** What a filter may call and see: as `grant` of a configuration, with the secrets themselves. */
export interface KitGrant {
  readonly log?: boolean | undefined;
  readonly exchangeFacts?: boolean | undefined;
  readonly clientAddress?: boolean | undefined;
  readonly clock?: boolean | undefined;
  readonly random?: boolean | undefined;
  readonly metrics?: boolean | undefined;
  readonly store?: boolean | undefined;
  readonly rateLimit?: boolean | undefined;
  readonly secrets?: Readonly<Record<string, string | Uint8Array>> | undefined;
  /** Names of upstreams. */
  readonly http?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** How a filter is used. */
export interface KitSettings {
  readonly name: string;
  readonly config: Json;
  readonly onFailure: "closed" | "open";
  readonly grant: KitGrant;
  readonly fuel: number;
  readonly memoryBytesMax: number;
  /** Milliseconds since 1970, or what `Date.parse` reads. */
  readonly clock: string | number;
  readonly random: number;
}

/** The settings as a worker gets them: the limits are the defaults of a configuration, but for those that a case names. */
export function filterSettings(settings: KitSettings): FilterSettings {
  const { name, config, onFailure, grant, fuel } = settings;
  return {
    name,
    config: JSON.stringify(config),
    onFailure,
    environment: Object.entries(grant.env ?? {}),
    granted: granted(grant),
    limits: { ...LIMITS, fuel },
    // A filter that fails in a test fails in each of its exchanges.
    quarantine: { failures: 1, of: 1, baseMs: 1, maxMs: 1 },
  };
}

function granted(grant: KitGrant): GrantName[] {
  const given: Readonly<Record<GrantName, boolean>> = {
    log: grant.log ?? true,
    "exchange-facts": grant.exchangeFacts ?? true,
    clock: grant.clock ?? false,
    random: grant.random ?? false,
    metrics: grant.metrics ?? false,
    store: grant.store ?? false,
    "rate-limit": grant.rateLimit ?? false,
    secrets: grant.secrets !== undefined,
    http: grant.http !== undefined,
  };
  return (Object.keys(given) as GrantName[]).filter((name) => given[name]);
}

/** What the filter's imports do here. */
export class KitHost implements HostServices {
  readonly filterName: string;
  readonly tellsClient: TellsClient;
  readonly http: HttpClient;
  readonly secrets: Secrets;
  readonly custom: CustomMetrics = new CustomMetrics();
  readonly metrics: HostServices["metrics"];
  readonly time: StillClock;
  readonly random: SeededRandom;
  readonly store: HostServices["store"] & { readonly store: JournalStore };
  readonly lines: SeenLine[] = [];
  /** Handles that the present exchange has not given back. */
  leaked = 0;

  constructor(
    { name, grant, clock, random }: KitSettings,
    sources: { readonly time: StillClock; readonly random: SeededRandom } = {
      time: new StillClock(clock),
      random: new SeededRandom(random),
    },
  ) {
    this.filterName = name;
    // A case says what the filter gets, in whatever form its host would give it.
    this.tellsClient = grant.clientAddress === true ? TELLS_ALL : TELLS_NOTHING;
    this.http = new HttpClient(grant.http ?? [], LIMITS);
    this.secrets = new Secrets(
      Object.fromEntries(Object.entries(grant.secrets ?? {}).map(([key, value]) => [key, bytesOf(value)])),
    );
    this.metrics = this.custom.scope(name, LIMITS, (text) => this.secrets.redacted(text));
    this.time = sources.time;
    this.random = sources.random;
    const store = new JournalStore(this.time);
    this.store = {
      store,
      space: spaceOf(`filter ${name}`),
      rates: spaceOf(`rates of ${name}`),
      remote: undefined,
    };
  }

  logEnabled(): boolean {
    return true;
  }

  logDropped(): void {}

  handlesLeaked(count: number): void {
    this.leaked += count;
  }

  log(
    level: Level,
    _requestId: string | undefined,
    message: string,
    attributes: readonly (readonly [string, string])[],
  ): void {
    this.lines.push({ level, message, attributes: Object.fromEntries(attributes) });
  }
}

/** Instances that are made one at a time need no bounds. */
export class OwnBudget extends InstanceBudget {
  constructor() {
    super(new Int32Array(1), new Int32Array(1), 0, Number.MAX_SAFE_INTEGER);
  }

  override get hasTime(): boolean {
    return true;
  }

  override spend(): void {}
}

/** The defaults of a configuration, but for pools. */
export const LIMITS: Omit<FilterSettings["limits"], "fuel"> & CustomLimits = {
  ...(Object.fromEntries(
    Object.entries({ ...FILTER_LIMITS, ...SERVICE_LIMITS }).map(([key, bound]) => [key, bound.default]),
  ) as { readonly [K in FilterLimit | ServiceLimit]: number }),
  // One instance after another, so that it is known which one serves: none is made ahead.
  instancesMax: 1,
  waitMs: 10_000,
  instanceIdleMs: 3_600_000,
  httpMs: 30_000,
};

function bytesOf(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? Buffer.from(value) : value;
}
