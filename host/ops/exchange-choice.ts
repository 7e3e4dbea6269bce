import type { ExchangesConfig } from "../config/config.ts";
import { murmur3 } from "../upstream/hash.ts";

/** What decides whether an exchange is logged. */
export interface ChosenBy {
  readonly requestId: string;
  readonly routeName: string | undefined;
  readonly status: number;
  readonly durationMs: number;
  readonly failure: object | undefined;
}

/**
 * Which exchanges are logged. Whether one is in the sample is told by its id alone, so that it is known when it begins, and nothing has to
 * remember it to its end.
 */
export class ExchangeChoice {
  readonly #none: boolean;
  /** Of 2^32. */
  readonly #share: number;
  readonly #only: ExchangesConfig["only"];

  constructor(config: ExchangesConfig | null) {
    this.#none = config === null;
    this.#share = ((config?.samplePercent ?? 0) / 100) * ALL;
    this.#only = config?.only ?? null;
  }

  /** Whether it may be logged though nothing goes wrong with it. */
  sampled(requestId: string): boolean {
    return this.#share === ALL || (this.#share > 0 && murmur3(requestId, SEED) < this.#share);
  }

  takes(exchange: ChosenBy): boolean {
    if (this.#none) return false;
    if (exchange.failure !== undefined || exchange.status >= 500) return true;
    return this.#holds(exchange) && this.sampled(exchange.requestId);
  }

  #holds({ routeName, status, durationMs }: ChosenBy): boolean {
    const only = this.#only;
    if (only === null) return true;
    if (only.slowerThanMs !== null && durationMs <= only.slowerThanMs) return false;
    if (only.routes !== null && (routeName === undefined || !only.routes.includes(routeName))) return false;
    if (only.status === null) return true;
    return only.status.includes(String(status)) || only.status.includes(`${Math.floor(status / 100)}xx`);
  }
}

const ALL = 2 ** 32;

/** Another one than those that choose servers and candidates. */
const SEED = 0x10f5;
