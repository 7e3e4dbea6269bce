import * as z from "zod";
import type { Credentials } from "./credentials.ts";
import { type Challenge, readChallenges } from "./challenge.ts";
import { RegistryFault } from "./registry-fault.ts";

/** Sends one request to a token server, which is none of the registry's own: no redirect, no other authorization than this. */
export type AskTokenServer = (
  url: URL,
  question: { readonly authorization?: string; readonly form?: URLSearchParams },
) => Promise<{ readonly status: number; readonly text: string }>;

/** What a registry wants to see in Authorization: found out from its challenges, and kept as long as it is good. */
export class Authorization {
  readonly #registry: string;
  /** Whether the registry itself is spoken with in the clear. */
  readonly #insecure: boolean;
  readonly #findCredentials: () => Promise<Credentials | undefined>;
  readonly #ask: AskTokenServer;
  /** By scope. */
  readonly #kept = new Map<string, Kept>();
  #anonymous = true;

  constructor(
    registry: string,
    insecure: boolean,
    findCredentials: () => Promise<Credentials | undefined>,
    ask: AskTokenServer,
  ) {
    this.#registry = registry;
    this.#insecure = insecure;
    this.#findCredentials = findCredentials;
    this.#ask = ask;
  }

  /** Undefined: nothing is known yet, or no longer. */
  headerFor(scope: string): string | undefined {
    const kept = this.#kept.get(scope);
    return kept !== undefined && performance.now() < kept.until ? kept.header : undefined;
  }

  /** Answers a 401: the header to try again with. Rejects with a `RegistryFault` when there is none. */
  async answer(scope: string, fields: string | readonly string[] | undefined): Promise<string> {
    const challenges = readChallenges(fields);
    const credentials = await this.#findCredentials();
    this.#anonymous = credentials === undefined;
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer !== undefined) return this.#keep(scope, await this.#token(bearer, scope, credentials));
    if (!challenges.some(({ scheme }) => scheme === "basic"))
      throw new RegistryFault(`${this.#registry} asks for an authorization of a kind that is not known here`);
    if (credentials === undefined)
      throw new RegistryFault(`${this.#registry} asks for user and password, and there are none for it`);
    if (credentials.kind === "identity")
      throw new RegistryFault(
        `${this.#registry} asks for user and password, and there is only a token for it`,
      );
    return this.#keep(scope, { header: basic(credentials), until: Infinity });
  }

  /** What `answer` gave was refused. */
  refused(scope: string): RegistryFault {
    this.#kept.delete(scope);
    return new RegistryFault(
      this.#anonymous
        ? `${this.#registry} asks for credentials, and there are none for it`
        : `${this.#registry} refuses the credentials that there are for it`,
      { status: 401 },
    );
  }

  #keep(scope: string, fresh: Kept): string {
    // One host names a handful of artifacts; what has run out goes first.
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(scope, fresh);
    return fresh.header;
  }

  /** Asks the token server that the registry names: with a form for an identity token, otherwise by GET. */
  async #token(challenge: Challenge, scope: string, credentials: Credentials | undefined): Promise<Kept> {
    const realm = this.#realm(challenge.parameters.get("realm"));
    const service = challenge.parameters.get("service");
    const words = new URLSearchParams();
    if (service !== undefined) words.set("service", service);
    // The registry knows best which words it wants to see in the token.
    words.set("scope", challenge.parameters.get("scope") ?? scope);
    const { status, text } = await this.#asked(realm, words, credentials);
    if (status === 401 || status === 403)
      throw new RegistryFault(
        credentials === undefined
          ? `${this.#registry} asks for credentials, and there are none for it`
          : `the token server ${realm.host} of ${this.#registry} refuses the credentials that there are for it`,
        { status },
      );
    const answer = status === 200 ? readToken(text) : undefined;
    if (answer === undefined)
      throw new RegistryFault(
        `the token server ${realm.host} of ${this.#registry} gives no token (${status === 200 ? "its answer is none" : `status ${status}`})`,
      );
    return {
      header: `Bearer ${answer.token}`,
      until: performance.now() + Math.min(answer.seconds, TOKEN_SECONDS_MAX) * 1_000 - TOKEN_MARGIN_MS,
    };
  }

  #asked(
    realm: URL,
    words: URLSearchParams,
    credentials: Credentials | undefined,
  ): ReturnType<AskTokenServer> {
    if (credentials?.kind === "identity") {
      words.set("grant_type", "refresh_token");
      words.set("client_id", "sluice");
      words.set("refresh_token", credentials.token);
      return this.#ask(realm, { form: words });
    }
    const url = new URL(realm);
    for (const [name, value] of words) url.searchParams.append(name, value);
    return this.#ask(url, credentials === undefined ? {} : { authorization: basic(credentials) });
  }

  /** Credentials go where the registry says, but in the clear only when they go so to itself. */
  #realm(text: string | undefined): URL {
    const realm = URL.parse(text ?? "");
    if (realm === null || !/^https?:$/.test(realm.protocol))
      throw new RegistryFault(`${this.#registry} names no token server that can be asked`);
    if (realm.protocol === "http:" && !this.#insecure)
      throw new RegistryFault(
        `${this.#registry} names the token server ${realm.host}, which would be asked in the clear`,
      );
    return realm;
  }
}

interface Kept {
  readonly header: string;
  /** By `performance.now()`. */
  readonly until: number;
}

/** Servers that say nothing mean a minute. */
const TOKEN_ANSWER = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().optional(),
});
const TOKEN_SECONDS = 60;
const TOKEN_SECONDS_MAX = 3_600;
/** A token is not used that ends while the request is on its way. */
const TOKEN_MARGIN_MS = 5_000;
const KEPT_MAX = 256;

function readToken(text: string): { readonly token: string; readonly seconds: number } | undefined {
  try {
    const answer = TOKEN_ANSWER.parse(JSON.parse(text));
    const token = answer.token ?? answer.access_token ?? "";
    // It becomes a header's value.
    if (!/^[\x21-\x7e]+$/.test(token)) return undefined;
    return { token, seconds: answer.expires_in ?? TOKEN_SECONDS };
  } catch {
    return undefined;
  }
}

function basic(credentials: Extract<Credentials, { kind: "password" }>): string {
  return `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64")}`;
}
