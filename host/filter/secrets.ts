import { createHmac, randomBytes } from "node:crypto";

/** The secrets that one filter may read, and the words that nothing it says may hold. */
export class Secrets {
  readonly #values: ReadonlyMap<string, Uint8Array>;
  /** Longest first: a line of a secret is shorter than the secret. */
  readonly #words: readonly string[];

  constructor(values: Readonly<Record<string, Uint8Array>>) {
    this.#values = new Map(Object.entries(values));
    const words = [...this.#values.values()].flatMap(wordsOf);
    this.#words = [...new Set(words)].toSorted((one, other) => other.length - one.length);
  }

  secret(name: string): Uint8Array | undefined {
    return this.#values.get(name);
  }

  /**
   * Text of the filter's making without its secrets: for logs, errors and metrics. A filter has many ways to say what it
   * knows; this finds those that happen by accident.
   */
  redacted(text: string): string {
    let clean = text;
    for (const word of this.#words) if (clean.includes(word)) clean = clean.replaceAll(word, REDACTED);
    return clean;
  }

  /** As `redacted`, of a text that was cut: what may be the beginning of a secret at its end goes, too. */
  redactedCut(text: string): string {
    const longest = this.#words[0]?.length ?? 0;
    return longest === 0 ? text : this.redacted(text).slice(0, -longest);
  }

  /** Tells these secrets from others, and nothing about them: equal ones have equal marks within this thread only. */
  get mark(): string {
    const hmac = createHmac("sha256", SALT);
    for (const [name, value] of this.#values)
      hmac.update(`${name.length}:${name}:${value.length}:`).update(value);
    return hmac.digest("base64url");
  }
}

/** How a secret shows itself: as it is, line by line, and in the usual encodings. */
function wordsOf(value: Uint8Array): string[] {
  const bytes = Buffer.from(value);
  const text = bytes.toString("utf8");
  const lines = text.split(/\r?\n/).filter((line) => line.length >= LINE_LENGTH_MIN);
  const words = [
    text,
    ...lines,
    bytes.toString("base64"),
    bytes.toString("base64url"),
    bytes.toString("hex"),
  ];
  return words.filter((word) => word.length >= WORD_LENGTH_MIN);
}

const REDACTED = "[secret]";

/** Shorter ones are part of many words that have nothing to do with them. */
const WORD_LENGTH_MIN = 4;

/** Lines of a key, and not the first words of a text. */
const LINE_LENGTH_MIN = 16;

const SALT = randomBytes(32);
