import type { Passage } from "../passage.ts";
import type { BodyScript } from "./message-input.ts";

/** Sends a scripted body into a passage: a chunk with each event, for as long as more may come, and then the end. */
export class BodySender {
  readonly #later: (event: () => void) => void;
  #passage: Passage | undefined;
  #body: BodyScript | undefined;
  #at = 0;
  #flows = false;

  /** `later` puts an event behind those that wait. */
  constructor(later: (event: () => void) => void) {
    this.#later = later;
  }

  /** Nothing is sent before it is `wanted`. There is one body: the first time counts. */
  begin(passage: Passage, body: BodyScript): void {
    if (this.#body !== undefined) return;
    this.#passage = passage;
    this.#body = body;
  }

  /** More may come. Before there is anything to send, nothing happens. */
  wanted(): void {
    if (this.#flows || this.#passage === undefined) return;
    this.#flows = true;
    this.#next();
  }

  stop(): void {
    this.#passage = undefined;
  }

  #next(): void {
    this.#later(() => this.#send());
  }

  #send(): void {
    const passage = this.#passage;
    if (passage === undefined) return;
    const { chunks, trailers } = this.#body as BodyScript;
    const chunk = chunks[this.#at];
    this.#at += 1;
    if (chunk === undefined) {
      this.#passage = undefined;
      return passage.end([...trailers]);
    }
    // A filter that replaces in place must not reach into the case.
    this.#flows = passage.chunk(Buffer.from(chunk));
    if (this.#flows) this.#next();
  }
}
