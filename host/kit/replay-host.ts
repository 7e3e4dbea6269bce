import type { RecordHeader } from "../record/record-file.ts";
import type { ExchangeRecord } from "../trial/record.ts";
import { type KitGrant, KitHost, type KitSettings } from "./kit-host.ts";
import { SeededRandom } from "./seeded-random.ts";
import { StillClock } from "./still-clock.ts";

/** What a filter's imports do when an exchange is played again: clocks and randomness give what was recorded, as far as it was. */
export class ReplayHost extends KitHost {
  readonly #clock: ReplayedClock;
  readonly #random: ReplayedRandom;

  constructor(settings: KitSettings) {
    const clock = new ReplayedClock(settings.clock);
    const random = new ReplayedRandom(settings.random);
    super(settings, { time: clock, random });
    this.#clock = clock;
    this.#random = random;
  }

  begin({ at, inputs }: ExchangeRecord): void {
    this.lines.length = 0;
    this.#clock.begin(at, inputs?.wallMs ?? [], inputs?.monotonicNs ?? []);
    this.#random.begin(inputs?.bytes ?? [], inputs?.numbers ?? []);
  }
}

/** The settings that a filter had, as far as a file of records tells them: what it does not tell has a value that says so. */
export function replaySettings(header: RecordHeader, config: KitSettings["config"]): KitSettings {
  const { filter: name, onFailure, limits, at } = header;
  const { fuel, memoryBytesMax } = limits;
  return { name, config, onFailure, grant: grantOf(header), fuel, memoryBytesMax, clock: at, random: 1 };
}

export function grantOf({ grant }: RecordHeader): KitGrant {
  const has = (name: (typeof grant.names)[number]): boolean => grant.names.includes(name);
  return {
    log: has("log"),
    exchangeFacts: has("exchange-facts"),
    clientAddress: grant.clientAddress,
    clock: has("clock"),
    random: has("random"),
    metrics: has("metrics"),
    store: has("store"),
    rateLimit: has("rate-limit"),
    ...(has("secrets") && {
      secrets: Object.fromEntries(grant.secrets.map((name) => [name, UNKNOWN_SECRET])),
    }),
    ...(has("http") && { http: grant.http }),
  };
}

class ReplayedClock extends StillClock {
  #wall: readonly number[] = [];
  #monotonic: readonly bigint[] = [];
  #wallAt = 0;
  #monotonicAt = 0;

  begin(at: number, wall: readonly number[], monotonic: readonly bigint[]): void {
    this.set(at);
    this.#wall = wall;
    this.#monotonic = monotonic;
    this.#wallAt = 0;
    this.#monotonicAt = 0;
  }

  /** When nothing is left it stands where it was. */
  override wallMs(): number {
    const wall = this.#wall;
    if (this.#wallAt < wall.length) this.#wallAt += 1;
    return wall[this.#wallAt - 1] ?? super.wallMs();
  }

  override monotonicNs(): bigint {
    const monotonic = this.#monotonic;
    if (this.#monotonicAt < monotonic.length) this.#monotonicAt += 1;
    return monotonic[this.#monotonicAt - 1] ?? super.monotonicNs();
  }
}

class ReplayedRandom extends SeededRandom {
  #bytes: readonly Uint8Array[] = [];
  #numbers: readonly bigint[] = [];
  #bytesAt = 0;
  #numbersAt = 0;

  /** What was not recorded is the same in each exchange, whichever were played before. */
  begin(bytes: readonly Uint8Array[], numbers: readonly bigint[]): void {
    this.restart(1);
    this.#bytes = bytes;
    this.#numbers = numbers;
    this.#bytesAt = 0;
    this.#numbersAt = 0;
  }

  override bytes(count: number): Uint8Array {
    const bytes = this.#bytes[this.#bytesAt];
    if (bytes?.length !== count) return super.bytes(count);
    this.#bytesAt += 1;
    return bytes;
  }

  override u64(): bigint {
    const number = this.#numbers[this.#numbersAt];
    if (number === undefined) return super.u64();
    this.#numbersAt += 1;
    return number;
  }
}

/** What a secret is was never recorded; where a filter says it, this is what stands in the record. */
const UNKNOWN_SECRET = "[secret]";
