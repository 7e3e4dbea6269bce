import { afterAll, beforeAll } from "vitest";
import { RawClient, type RawResponse } from "../support/raw-client.ts";
import { component, type ConfigParts, startProxy, type TestHost } from "../support/test-host.ts";
import { type Answer, type Arrival, ok, Upstream } from "../support/upstream.ts";

/** What the fixture `bodies` does in one direction. */
export interface Way {
  readonly head?: boolean;
  readonly trailers?: boolean;
  readonly take?: "none" | "stream" | { readonly whole: number };
  readonly act?:
    | "pass"
    | "raise"
    | "wrap"
    | "measure"
    | "drop"
    | "hold"
    | "count"
    | "reply"
    | "reset"
    | "panic"
    | "obey";
}

export interface BodiesFilter {
  readonly request?: Way;
  readonly response?: Way;
  readonly end?: boolean;
  readonly onFailure?: "open";
}

/** One host, started once, with a route for each chain: `/name` leads through the filters of the chain `name`. */
export class Chains {
  upstream!: Upstream;
  host!: TestHost;

  /** How the upstream answers, from now on. */
  answer: Answer = echo;

  /** A new connection to the host. */
  connect(): Promise<RawClient> {
    return RawClient.connect(this.host.address);
  }

  /** The only response to a request on a connection of its own. */
  async ask(request: string | Buffer, method?: string): Promise<RawResponse> {
    await using client = await this.connect();
    return await client.ask(request, method);
  }

  /** The request that came last. */
  get last(): Arrival {
    const last = this.upstream.arrivals.at(-1);
    if (last === undefined) throw new Error("no request has come to the upstream");
    return last;
  }
}

/** Filters by name, and chains of them by path. */
export function useChains(
  filters: Readonly<Record<string, BodiesFilter>>,
  chains: Readonly<Record<string, readonly string[]>>,
  parts: ConfigParts = {},
): Chains {
  const stage = new Chains();
  beforeAll(async () => {
    stage.upstream = await Upstream.start((arrival) => stage.answer(arrival));
    stage.host = await startProxy(stage.upstream, {
      filters: Object.fromEntries(
        Object.entries(filters).map(([name, { onFailure, ...config }]) => [
          name,
          {
            component: component("bodies"),
            config: { name, ...config },
            ...(onFailure === undefined ? {} : { "on-failure": onFailure }),
          },
        ]),
      ),
      routes: Object.entries(chains).map(([name, chain]) => ({
        match: { path: `/${name}` },
        filters: chain,
        upstream: "main",
      })),
      ...parts,
    });
  });
  afterAll(async () => {
    await stage.host[Symbol.asyncDispose]();
    await stage.upstream[Symbol.asyncDispose]();
  });
  return stage;
}

/** Gives the request's body back. */
export const echo: Answer = async (arrival) => ok((await arrival.body()).body.toString("latin1"));

/** A response in these chunks. */
export function chunked(chunks: readonly string[], trailers: readonly string[] = []): string {
  const lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", ...named(trailers)];
  return `${lines.join("\r\n")}\r\n\r\n${chunksOf(chunks, trailers)}`;
}

/** A request with a body in these chunks. */
export function post(path: string, chunks: readonly string[], trailers: readonly string[] = []): string {
  const lines = [`POST ${path} HTTP/1.1`, "Host: sluice.test", "Transfer-Encoding: chunked"];
  return `${lines.join("\r\n")}\r\n\r\n${chunksOf(chunks, trailers)}`;
}

function chunksOf(chunks: readonly string[], trailers: readonly string[]): string {
  const data = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
  return `${data}0\r\n${trailers.map((line) => `${line}\r\n`).join("")}\r\n`;
}

function named(trailers: readonly string[]): string[] {
  return trailers.length === 0 ? [] : ["X-Trailers: follow"];
}
