import { type Endpoint, RawClient, request } from "./raw-client.ts";
import { waitFor } from "./waiting.ts";

/** What the clients of a load do: keep their connections as long as they may, or take a new one for each request. */
export interface LoadShape {
  readonly keeping: number;
  readonly fresh: number;
}

/** Clients that ask one request after the other. A request without a whole answer is a failure, whatever came instead. */
export class Load implements AsyncDisposable {
  served = 0;
  readonly failures: string[] = [];
  readonly #endpoint: Endpoint;
  readonly #clients: Promise<void>[];
  #stopping = false;

  constructor(endpoint: Endpoint, { keeping, fresh }: LoadShape) {
    this.#endpoint = endpoint;
    this.#clients = [
      ...Array.from({ length: keeping }, () => this.#keep()),
      ...Array.from({ length: fresh }, () => this.#renew()),
    ];
  }

  /** Resolves when so many more requests have been served, or one has failed. */
  async more(count: number): Promise<void> {
    const goal = this.served + count;
    await waitFor(`${count} more requests`, () => this.served >= goal || this.failures.length > 0);
  }

  /** Lets every client end with the request that it is at. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #keep(): Promise<void> {
    while (!this.#stopping) {
      await this.#connected("a kept connection", async (client) => {
        let last = false;
        while (!last) {
          const closing = this.#stopping;
          last = (await this.#ask(client, closing ? ["Connection: close"] : [])) || closing;
        }
      });
    }
  }

  async #renew(): Promise<void> {
    while (!this.#stopping) {
      await this.#connected("a new connection", async (client) => {
        await this.#ask(client, ["Connection: close"]);
      });
    }
  }

  async #connected(kind: string, use: (client: RawClient) => Promise<void>): Promise<void> {
    try {
      await using client = await RawClient.connect(this.#endpoint);
      await use(client);
    } catch (error) {
      this.failures.push(`${kind}: ${String(error)}`);
      // One is enough, and a port where nobody listens would be asked without end.
      this.#stopping = true;
    }
  }

  /** Gives whether the connection ends with this response. */
  async #ask(client: RawClient, fields: readonly string[]): Promise<boolean> {
    const { status, head } = await client.ask(request("/", fields));
    if (status !== 200) throw new Error(`status ${status}`);
    this.served += 1;
    return head.one("connection") === "close";
  }
}
