import type { Client } from "./client.ts";

/**
 * Heads that wait for the first bytes of their bodies. They wait until the present burst of work is over, which one
 * microtask for all of them tells: a body that came with its head is written with it, and no head waits for one that is slow.
 */
export class HeldHeads {
  #clients: Client[] = [];
  readonly #flush: () => void = () => {
    const clients = this.#clients;
    this.#clients = [];
    for (const client of clients) client.flushHead();
  };

  hold(client: Client): void {
    if (this.#clients.push(client) === 1) queueMicrotask(this.#flush);
  }
}
