import type { ClientAddress } from "../client-address.ts";
import type { FieldList } from "../message.ts";
import { murmur3 } from "../upstream/hash.ts";
import { requestKey } from "../upstream/request-key.ts";
import type { TrialKey } from "./trial.ts";

/**
 * Which version serves an exchange: the same one for the same key, in all workers and for as long as the trial lasts.
 *
 * Another trial's salt chooses other clients: nobody is a guinea pig for ever. What is hashed is kept nowhere.
 */
export class Choice {
  readonly #key: TrialKey;
  /** Of 2^32. */
  readonly #share: number;
  readonly #seed: number;

  constructor(key: TrialKey, percent: number, salt: string) {
    this.#key = key.kind === "header" ? { kind: "header", name: key.name.toLowerCase() } : key;
    this.#share = (percent / 100) * ALL;
    this.#seed = murmur3(salt, 0);
  }

  /** Whether the candidate serves a request with these fields from this client. One without its key is chosen by chance. */
  candidate(fields: FieldList, address: ClientAddress): boolean {
    const value = this.#value(fields, address);
    return (value === "" ? Math.random() * ALL : murmur3(value, this.#seed)) < this.#share;
  }

  #value(fields: FieldList, address: ClientAddress): string {
    const key = this.#key;
    if (key.kind === "none") return "";
    return key.kind === "client" ? address.forChoice() : requestKey(key, fields);
  }
}

const ALL = 2 ** 32;
