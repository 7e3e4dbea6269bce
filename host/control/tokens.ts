import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { ADMIN_ROLES, type AdminRole, type AdminToken, TOKEN_PREFIX } from "../config/config.ts";

/** Who asks, and what they may ask for. */
export interface Caller {
  /** A token's name, or `local` where there are no tokens. */
  readonly name: string;
  readonly role: AdminRole;
}

/** What a request's credentials came to: somebody, nobody, or nothing that will be looked at now. */
export type Verdict = Caller | "missing" | "unknown" | "too-many";

/** Where there are no tokens, whoever reaches the admin API may do everything. */
export const LOCAL: Caller = { name: "local", role: "admin" };

/** Wrong tokens of one address that are looked at in a second. */
export const GUESSES_PER_SECOND_MAX = 10;

/** Addresses whose guesses are counted each by itself; those beyond share one count. */
const GUESSERS_MAX = 1_000;

const SECOND_MS = 1_000;

/** RFC 6750 §2.1. */
const CREDENTIALS = /^Bearer +([\w.~+/-]+=*) *$/i;

/** Knows callers by their tokens, of which it has the digests alone. */
export class Tokens {
  readonly #tokens: readonly { readonly caller: Caller; readonly digest: Buffer }[];
  /** By address, within the present second. It is kept no longer, and is in no log. */
  readonly #guesses = new Map<string, number>();
  #secondBeganMs = 0;

  constructor(tokens: readonly AdminToken[]) {
    this.#tokens = tokens.map(({ name, role, sha256 }) => ({
      caller: { name, role },
      digest: Buffer.from(sha256, "hex"),
    }));
  }

  /** Whether anybody is asked for a token at all. */
  get needed(): boolean {
    return this.#tokens.length > 0;
  }

  /**
   * `authorization` are all fields of that name. A flood of guesses from one address is not looked at any more, and neither is
   * who asks from there with a good token until the second has passed.
   */
  judge(authorization: readonly string[], address: string, nowMs: number = performance.now()): Verdict {
    if (!this.needed) return LOCAL;
    if (authorization.length === 0) return "missing";
    if (this.#guessesOf(address, nowMs) >= GUESSES_PER_SECOND_MAX) return "too-many";
    const token = authorization.length === 1 ? CREDENTIALS.exec(authorization[0] ?? "")?.[1] : undefined;
    const caller = token === undefined ? undefined : this.#find(token);
    if (caller !== undefined) return caller;
    this.#countGuess(address);
    return "unknown";
  }

  /** Compares with all of them, each in constant time: how long it takes says nothing about how near a guess was. */
  #find(token: string): Caller | undefined {
    const digest = hash("sha256", token, "buffer");
    let found: Caller | undefined;
    for (const known of this.#tokens) if (timingSafeEqual(known.digest, digest)) found = known.caller;
    return found;
  }

  #guessesOf(address: string, nowMs: number): number {
    if (nowMs - this.#secondBeganMs >= SECOND_MS) {
      this.#secondBeganMs = nowMs;
      this.#guesses.clear();
    }
    return this.#guesses.get(this.#counterOf(address)) ?? 0;
  }

  #countGuess(address: string): void {
    const counter = this.#counterOf(address);
    this.#guesses.set(counter, (this.#guesses.get(counter) ?? 0) + 1);
  }

  #counterOf(address: string): string {
    return this.#guesses.has(address) || this.#guesses.size < GUESSERS_MAX ? address : "";
  }
}

/** Whether a role is at least as much as what is asked for. */
export function isEnough(role: AdminRole, needed: AdminRole): boolean {
  return ADMIN_ROLES.indexOf(role) >= ADMIN_ROLES.indexOf(needed);
}

/** A new token, which nobody guesses, and its digest for the configuration. */
export function makeToken(): { readonly token: string; readonly sha256: string } {
  const token = `${TOKEN_PREFIX}${randomBytes(TOKEN_BYTES).toString("base64url")}`;
  return { token, sha256: hash("sha256", token, "hex") };
}

const TOKEN_BYTES = 32;
