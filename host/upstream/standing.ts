import type { EjectionConfig, HealthConfig } from "../config/config.ts";

/**
 * `leaving`: its name has lost the address, or its upstream has ended; what it carries goes on. `drained`: an operator lets it have
 * no new exchanges.
 */
export type ServerState = "healthy" | "slow-start" | "ejected" | "unhealthy" | "leaving" | "drained";

/**
 * What is thought of one server, by the requests that it was sent and by the checks of its health. It starts nothing and
 * looks at no clock: whoever has it tells it the time.
 */
export class Standing {
  /** The share that it should get now, compared with the others'. */
  weight: number;
  /** The same when it has been in use for long enough. */
  fullWeight: number;
  readonly #ejection: EjectionConfig;
  readonly #health: HealthConfig | null;
  readonly #slowStartMs: number;
  #failuresInRow = 0;
  /** Of the present window. */
  #requests = 0;
  #failures = 0;
  #windowEndsMs = 0;
  /** How often it was ejected, less what has been forgiven since. */
  #ejections = 0;
  #ejectedUntilMs = 0;
  #returnedMs = 0;
  #isHealthy = true;
  #isChecked = false;
  /** Checks in a row that say otherwise than is thought. */
  #contradictions = 0;
  /** 0 when its share is whole. */
  #slowSinceMs = 0;

  constructor(weight: number, ejection: EjectionConfig, health: HealthConfig | null, slowStartMs: number) {
    this.weight = weight;
    this.fullWeight = weight;
    this.#ejection = ejection;
    this.#health = health;
    this.#slowStartMs = slowStartMs;
  }

  /** Gives it another share; one that starts slowly goes on from where it is. */
  share(weight: number): void {
    this.weight *= weight / this.fullWeight;
    this.fullWeight = weight;
  }

  get usable(): boolean {
    return this.#isHealthy && this.#ejectedUntilMs === 0;
  }

  get isEjected(): boolean {
    return this.#ejectedUntilMs !== 0;
  }

  get state(): ServerState {
    if (!this.#isHealthy) return "unhealthy";
    if (this.isEjected) return "ejected";
    return this.#slowSinceMs === 0 ? "healthy" : "slow-start";
  }

  succeeded(): void {
    this.#requests += 1;
    this.#failuresInRow = 0;
  }

  /** Gives whether it has failed too often. */
  failed(): boolean {
    this.#requests += 1;
    this.#failures += 1;
    this.#failuresInRow += 1;
    if (this.isEjected) return false;
    const { consecutive, rate, rateRequests } = this.#ejection;
    if (this.#failuresInRow >= consecutive) return true;
    return rate > 0 && this.#requests >= rateRequests && this.#failures * 100 >= this.#requests * rate;
  }

  /** Gives for how long. */
  eject(nowMs: number): number {
    const { baseMs, longestMs } = this.#ejection;
    const forgiven = Math.floor(Math.max(0, nowMs - this.#returnedMs) / baseMs);
    this.#ejections = Math.max(0, this.#ejections - forgiven) + 1;
    const ms = Math.min(longestMs, baseMs * this.#ejections);
    this.#ejectedUntilMs = nowMs + ms;
    return ms;
  }

  /** A check has come to an end. Gives whether it changes what is thought of the server. */
  checked(passed: boolean, nowMs: number): boolean {
    const isFirst = !this.#isChecked;
    this.#isChecked = true;
    if (passed === this.#isHealthy) {
      this.#contradictions = 0;
      return false;
    }
    this.#contradictions += 1;
    const needed = (passed ? this.#health?.healthy : this.#health?.unhealthy) ?? 1;
    // Until the first check a server is taken for healthy on no ground but hope.
    if (!isFirst && this.#contradictions < needed) return false;
    this.#contradictions = 0;
    this.#isHealthy = passed;
    if (this.usable) this.comes(nowMs);
    return true;
  }

  /** It is in use from now on, and was not before. */
  comes(nowMs: number): void {
    this.#failuresInRow = 0;
    this.#requests = 0;
    this.#failures = 0;
    if (this.#slowStartMs === 0) return;
    this.#slowSinceMs = nowMs;
    this.weight = this.fullWeight * SLOWEST;
  }

  /** Gives whether it has come back from an ejection. */
  sweep(nowMs: number): boolean {
    if (nowMs >= this.#windowEndsMs) {
      this.#windowEndsMs = nowMs + this.#ejection.windowMs;
      this.#requests = 0;
      this.#failures = 0;
    }
    if (this.#slowSinceMs !== 0) this.#grow(nowMs);
    if (this.#ejectedUntilMs === 0 || nowMs < this.#ejectedUntilMs) return false;
    this.#ejectedUntilMs = 0;
    this.#returnedMs = nowMs;
    if (this.usable) this.comes(nowMs);
    return true;
  }

  #grow(nowMs: number): void {
    const part = (nowMs - this.#slowSinceMs) / this.#slowStartMs;
    this.weight = this.fullWeight * Math.min(1, Math.max(SLOWEST, part));
    if (part >= 1) this.#slowSinceMs = 0;
  }
}

/** Without requests nothing gets warm. */
const SLOWEST = 0.1;
